import { type Daemon, startNerve } from '../../test/harness/daemon.ts'
import { eventually } from '../../test/harness/eventually.ts'
import { readHistory, type ZnodeChange } from '../../test/harness/znode-history.ts'
import {
  type Ensemble,
  startEnsemble,
  startZooKeeper,
  type ZooKeeperServer,
} from '../../test/harness/zookeeper-server.ts'
import { distribution, type Measure, type Target } from '../measure.ts'
import { sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'

/** A sidecar of one pod, and one of a large host. */
const SIZES = [3, 200]
const MANY = 200
const SESSION_TIMEOUT_MS = 4_000
/** Longer than the session, and long enough that every back-off has grown to its end. */
const OUTAGE_MS = 8_000
const DEADLINE_MS = 60_000
const WITHIN_A_SECOND: readonly Target[] = [{ stat: 'max', atMost: 1000 }]
const WITHIN_HALF_A_SECOND: readonly Target[] = [{ stat: 'p99', atMost: 500 }, ...WITHIN_A_SECOND]

interface State {
  readonly services: readonly { readonly reporter: { readonly session: { status: string; sessionId?: string } } }[]
}

/** Trouble of ZooKeeper or of nerve: how long until everything is registered again, once it can be. */
export const outage: Scenario = {
  name: 'outage',
  title: `nerve with ${SIZES.join(' and ')} services registers again after ZooKeeper, a member of it, or nerve itself was away`,
  async run(world) {
    const runs = world.quick ? 2 : 10
    const measures: Measure[] = []
    for (const services of SIZES) measures.push(...(await oneServer(world, runs, services)))
    return [...measures, ...(await anEnsemble(world, runs))]
  },
}

async function oneServer(world: World, runs: number, services: number): Promise<readonly Measure[]> {
  const server = await startZooKeeper()
  const nerve = await startNerve(config(server.hosts, services))
  try {
    const untilAll = (zxid: bigint, anew = true) => untilRegistered(server, services, zxid, anew)
    await untilAll(0n)
    const measure = async (what: string, trouble: () => Promise<number>): Promise<number[]> => {
      const samples: number[] = []
      for (let run = 0; run < runs; run++) {
        samples.push(await trouble())
        world.tell(`${services} services, ${what}: ${samples.at(-1)} ms`)
      }
      return samples
    }
    const away = (empty: boolean) => async () => {
      const { lastZxid } = await readHistory(server)
      await server.kill()
      await sleep(world.quick ? 5_000 : OUTAGE_MS)
      await server.restart({ empty })
      const answeredAt = Date.now()
      await untilSession(nerve, 'connected')
      const all = await untilAll(empty ? 0n : lastZxid, empty)
      return empty ? Math.max(0, all - answeredAt) : Date.now() - answeredAt
    }
    const frozen = async () => {
      const { lastZxid } = await readHistory(server)
      nerve.kill('SIGSTOP')
      await eventually(async () => expect((await ended(server, lastZxid)) === services), DEADLINE_MS, 50)
      const wokenAt = Date.now()
      nerve.kill('SIGCONT')
      return (await untilAll(lastZxid)) - wokenAt
    }
    return [
      distribution(
        `${services} services, ZooKeeper back and empty: it answers -> all are registered`,
        'ms',
        await measure('back and empty', away(true)),
        WITHIN_HALF_A_SECOND,
      ),
      distribution(
        `${services} services, ZooKeeper back with its data: it answers -> the session goes on`,
        'ms',
        await measure('back with its data', away(false)),
        WITHIN_A_SECOND,
      ),
      distribution(
        `${services} services, nerve stopped until its session expired: it goes on -> all are registered`,
        'ms',
        await measure('session expired', frozen),
        WITHIN_A_SECOND,
      ),
    ]
  } finally {
    await nerve.close()
    await server.close()
  }
}

async function anEnsemble(world: World, runs: number): Promise<readonly Measure[]> {
  const ensemble = await startEnsemble()
  const nerve = await startNerve(config(ensemble.hosts, MANY))
  const sinceKilled: number[] = []
  const sinceAnswered: number[] = []
  try {
    for (let run = 0; run < runs; run++) {
      const lost = await eventually(() => memberOf(ensemble, nerve), DEADLINE_MS, 20)
      const killedAt = Date.now()
      await lost.kill()
      const [answeredAt, movedAt] = await Promise.all([
        untilAnswered(ensemble.members.filter((member) => member !== lost)),
        eventually(
          async () => {
            expect((await memberOf(ensemble, nerve)) !== lost)
            return Date.now()
          },
          DEADLINE_MS,
          5,
        ),
      ])
      sinceKilled.push(movedAt - killedAt)
      sinceAnswered.push(Math.max(0, movedAt - answeredAt))
      world.tell(`member lost: ${sinceKilled.at(-1)} ms, ${sinceAnswered.at(-1)} of them after the others answered`)
      await lost.restart()
    }
  } finally {
    await nerve.close()
    await ensemble.close()
  }
  return [
    distribution('member killed -> the session goes on at another', 'ms', sinceKilled),
    distribution('the others answer -> the session goes on at one of them', 'ms', sinceAnswered, WITHIN_A_SECOND),
  ]
}

/** When the rest of an ensemble serves again: at once, or after it has chosen another leader. */
function untilAnswered(members: readonly ZooKeeperServer[]): Promise<number> {
  return eventually(
    async () => {
      const answers = await Promise.all(members.map((member) => member.fourLetter('srvr')))
      expect(answers.every((answer) => /^Mode: (?:leader|follower)$/m.test(answer)))
      return Date.now()
    },
    DEADLINE_MS,
    5,
  )
}

function config(hosts: string, services: number) {
  const service = (index: number) => ({
    ...{ host: '127.0.0.1', port: 1, zk_hosts: hosts.split(','), zk_path: `/services/s${index}` },
    ...{ zk_session_timeout: SESSION_TIMEOUT_MS / 1000, check_interval: 1 },
    checks: [{ type: 'noop' }],
  })
  const names = Array.from({ length: services }, (_, index) => index)
  return { instance_id: 'bench', services: Object.fromEntries(names.map((index) => [`s${index}`, service(index)])) }
}

const isRegistration = ({ path }: ZnodeChange) => path.startsWith('/services/s') && path.includes('/bench_')

async function ended(server: ZooKeeperServer, zxid: bigint): Promise<number> {
  return (await readHistory(server)).since(zxid).filter(({ kind }) => kind === 'ended').length
}

/** When the last of all services was registered after `zxid`, by ZooKeeper's clock; that of the last one ever if none was lost. */
async function untilRegistered(
  server: ZooKeeperServer,
  services: number,
  zxid: bigint,
  anew: boolean,
): Promise<number> {
  return eventually(
    async () => {
      const created = (await readHistory(server))
        .since(zxid)
        .filter((change) => isRegistration(change) && change.kind === 'created')
      if (anew) expect(created.length === services)
      return created.at(-1)?.at ?? 0
    },
    DEADLINE_MS,
    20,
  )
}

async function sessionOf(nerve: Daemon) {
  return (await nerve.state<State>()).services[0]?.reporter.session
}

const untilSession = (nerve: Daemon, status: string) =>
  eventually(async () => expect((await sessionOf(nerve))?.status === status), DEADLINE_MS, 5)

/** The member that nerve is connected to. */
async function memberOf(ensemble: Ensemble, nerve: Daemon): Promise<ZooKeeperServer> {
  const session = await sessionOf(nerve)
  for (const member of ensemble.members) {
    const connections = await member.connections().catch(() => []) // the one that was killed
    if (connections.some(({ sessionId }) => sessionId === session?.sessionId)) return member
  }
  throw new Error('nerve is connected to no member')
}

function expect(holds: boolean): void {
  if (!holds) throw new Error('not yet')
}
