import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, startNerve } from '../../test/harness/daemon.ts'
import { eventually } from '../../test/harness/eventually.ts'
import { createFaultProxy, type FaultProxy } from '../../test/harness/fault-proxy.ts'
import { freePort } from '../../test/harness/ports.ts'
import { startZooKeeper } from '../../test/harness/zookeeper-server.ts'
import { Fleet } from '../fleet/fleet.ts'
import { isReady, Stats } from '../haproxy/stats.ts'
import { Load } from '../load/load.ts'
import { Registry } from '../registry.ts'
import { ownSubject } from '../subjects/own.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { type Deed, Population } from './population.ts'

/** Checks that find a dead server within two seconds, and the passive ones that find it within three requests. */
const SERVER_OPTIONS = 'check inter 1s rise 1 fall 2 observe layer4 error-limit 3 on-error mark-down'
const CHECK = ['option httpchk GET /health', 'timeout check 3s']
/** Every instance takes so long to answer: with `maxconn 4` requests queue at the servers of great weight. */
const ANSWER_MS = 25
/** Requests a second on kept connections, and as many on fresh ones: less than two busy processors can always serve. */
const RATES = { queue: 300, plain: 300, nerved: 50 }
const NERVE_INSTANCES = 3

/** Everything that the soak runs on. */
export interface Stage {
  readonly synapse: RunningSubject
  readonly nerve: Daemon
  readonly populations: readonly Population[]
  /** What nerve registers: addresses whose health a test decides. */
  readonly nerveHosts: readonly string[]
  readonly fleet: Fleet
  readonly loads: readonly Load[]
  /** Between ZooKeeper and synapse, and nerve. */
  readonly synapseLink: FaultProxy
  readonly nerveLink: FaultProxy
  readonly services: readonly BenchService[]
  /** A service that comes and goes: each time HAProxy has to be reloaded. */
  readonly extra: BenchService
  close(): Promise<void>
}

export interface StageOptions {
  /** Name or path of the HAProxy to run. */
  readonly haproxy: string
  readonly random: () => number
  readonly onDeed: (deed: Deed, service: string, host: string) => void
  /** Where HAProxy tells of requests that were not normal. */
  readonly logTo: string
}

/** Starts all, with load, and returns when every service is ready. What was started is stopped when something fails. */
export async function setStage(options: StageOptions): Promise<Stage> {
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const closer of closers.reverse()) await closer()
  }
  try {
    return { ...(await build(options, closers)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function build(
  { haproxy, random, onDeed, logTo }: StageOptions,
  closers: (() => unknown)[],
): Promise<Omit<Stage, 'close'>> {
  const zookeeper = await startZooKeeper({ javaOptions: ['-Xmx256m'] })
  closers.push(() => zookeeper.close())
  const synapseLink = await createFaultProxy(zookeeper.port)
  closers.push(() => synapseLink.close())
  const nerveLink = await createFaultProxy(zookeeper.port)
  closers.push(() => nerveLink.close())
  // Persistent: what is lost here is synapse's session and nerve's, not the writer's.
  const registry = await Registry.connect(zookeeper.hosts, 'persistent_sequential')
  closers.push(() => registry.close())
  const fleet = await Fleet.start()
  closers.push(() => fleet.close())
  await fleet.delay(ANSWER_MS)

  const queue = await service('queue', ['balance leastconn'], ' maxconn 4')
  const plain = await service('plain', ['balance roundrobin'])
  const nerved = await service('nerved', ['balance roundrobin'])
  const extra = await service('extra', ['balance roundrobin'])
  const services = [queue, plain, nerved]
  for (const { path } of [...services, extra]) await registry.ensurePath(path)

  const populations = [queue, plain].map((one) => new Population({ service: one, fleet, registry, random, onDeed }))
  for (const population of populations) await population.fill()
  const nerveHosts = await fleet.open(NERVE_INSTANCES)
  const nerve = await startNerve(nerveConfig(nerveLink.hosts, nerved.path, nerveHosts, fleet.port))
  closers.push(() => nerve.close())

  const directory = await mkdtemp(join(tmpdir(), 'soak-'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  const synapse = await ownSubject(undefined, haproxy).start({
    directory,
    zookeeper: synapseLink.hosts,
    services,
    logTo,
  })
  closers.push(() => synapse.stop())
  const wanted = populations.reduce((sum, { expected }) => sum + expected.size, NERVE_INSTANCES)
  await untilReady(synapse, wanted)

  const loads: Load[] = []
  closers.push(() => {
    for (const load of loads) load.close()
  })
  for (const [port, rate] of [
    [queue.port, RATES.queue],
    [plain.port, RATES.plain],
    [nerved.port, RATES.nerved],
  ] as const) {
    loads.push(await Load.start({ port, keptRate: rate, freshRate: rate }))
  }
  return { synapse, nerve, populations, nerveHosts, fleet, loads, synapseLink, nerveLink, services, extra }
}

async function service(name: string, backend: readonly string[], serverOptions = ''): Promise<BenchService> {
  return {
    name,
    path: `/services/${name}`,
    port: await freePort(),
    backend: [...backend, ...CHECK],
    serverOptions: `${SERVER_OPTIONS}${serverOptions}`,
    // By chance more than half may leave within half a minute, and they mean it.
    panicThreshold: 1,
  }
}

function nerveConfig(zookeeper: string, path: string, hosts: readonly string[], port: number) {
  const entry = (host: string) => ({
    host,
    port,
    zk_hosts: [zookeeper],
    zk_path: path,
    zk_session_timeout: 6,
    check_interval: 0.5,
    checks: [{ type: 'http', uri: '/health', timeout: 2, rise: 1, fall: 2 }],
  })
  return {
    instance_id: 'soak',
    services: Object.fromEntries(hosts.map((host, index) => [`nerved-${index}`, entry(host)])),
  }
}

async function untilReady(synapse: RunningSubject, wanted: number): Promise<void> {
  const stats = await eventually(() => Stats.open(synapse.statsSocket), 30_000)
  await eventually(async () => {
    const ready = (await stats.servers()).filter(isReady).length
    if (ready !== wanted) throw new Error(`${ready} of ${wanted} servers are ready:\n${synapse.output()}`)
  }, 30_000)
  stats.close()
}
