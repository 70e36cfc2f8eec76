import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, startNerve, startSynapse } from '../test/harness/daemon.ts'
import { show } from '../test/harness/haproxy.ts'
import { freePorts } from '../test/harness/ports.ts'
import { startZooKeeper, type ZooKeeperServer } from '../test/harness/zookeeper-server.ts'
import { nerveConfig, synapseConfig } from './configuration.ts'
import { type Instance, type ServiceName, startInstances } from './instances.ts'

/** How one instance stands, as its nerve and the client's HAProxy see it. */
export interface InstanceView {
  readonly instance: Instance
  /** nerve's verdict: up, down or unknown. */
  readonly health: string
  /** Why it is not up. */
  readonly reason: string
  /** HAProxy's word: UP, DOWN, MAINT, ... or `absent` when it has no such server. */
  readonly status: string
  readonly weight: number
}

/** The time in which an instance was being ended: what it was serving then, nobody could save. */
export interface Disruption {
  readonly service: ServiceName
  readonly from: number
  readonly until: number
}

/** Everything that runs: instances on three hosts, a nerve beside them on each, a ZooKeeper, and one synapse with its HAProxy. */
export interface Fleet {
  readonly instances: readonly Instance[]
  readonly zookeeper: ZooKeeperServer
  readonly nerves: ReadonlyMap<string, Daemon>
  readonly synapse: Daemon
  /** The localhost ports that a client knows, by service. */
  readonly ports: Readonly<Record<ServiceName, number>>
  readonly disruptions: readonly Disruption[]
  readonly zookeeperRuns: boolean
  stopZookeeper(): Promise<void>
  startZookeeper(): Promise<void>
  kill(instance: Instance): Promise<void>
  observe(): Promise<InstanceView[]>
  /** HAProxy's word for each server, by port: cheaper than observe(). */
  statuses(): Promise<ReadonlyMap<number, ServerStatus>>
  reloads(): Promise<number>
}

interface ServerStatus {
  readonly status: string
  readonly weight: number
}

/** Ends everything that was started, the newest first. */
export class Closers {
  readonly #closers: (() => Promise<unknown>)[] = []

  add(close: () => Promise<unknown>): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) await close()
  }
}

/** Starts the whole demo. @param tell hears of each part as it runs */
export async function startFleet(closers: Closers, tell: (line: string) => void): Promise<Fleet> {
  const zookeeperStart = startZooKeeper()
  const instances = await startInstances((instance) => {
    closers.add(() => instance.close())
    tell(`${instance.name.padEnd(8)} on ${instance.host}, 127.0.0.1:${instance.port}`)
  })
  const zookeeper = await zookeeperStart
  closers.add(() => zookeeper.close())
  tell(`ZooKeeper, ${zookeeper.hosts}`)
  const nerves = await startNerves(instances, zookeeper.hosts)
  closers.add(() => Promise.all([...nerves.values()].map((nerve) => nerve.close())))
  for (const [host, nerve] of nerves) tell(`nerve    on ${host}, ${nerve.adminUrl}`)
  const [web = 0, mysql = 0, redis = 0] = await freePorts(3)
  const ports = { web, mysql, redis }
  const runDirectory = join(tmpdir(), 'synapse')
  const synapse = await startSynapse(synapseConfig(ports, zookeeper.hosts, runDirectory))
  closers.add(() => synapse.close())
  tell(`synapse  with HAProxy, ${synapse.adminUrl}`)
  return createFleet({ instances, zookeeper, nerves, synapse, ports }, join(runDirectory, 'haproxy.sock'))
}

async function startNerves(instances: readonly Instance[], zookeeper: string): Promise<Map<string, Daemon>> {
  const hosts = [...new Set(instances.map(({ host }) => host))].sort()
  const daemons = await Promise.all(
    hosts.map(async (host) => {
      const local = instances.filter((instance) => instance.host === host)
      return [host, await startNerve(nerveConfig(host, local, zookeeper))] as const
    }),
  )
  return new Map(daemons)
}

type Parts = Pick<Fleet, 'instances' | 'zookeeper' | 'nerves' | 'synapse' | 'ports'>

function createFleet(parts: Parts, statsSocket: string): Fleet {
  const { instances, zookeeper, nerves, synapse } = parts
  let zookeeperRuns = true
  const disruptions: Disruption[] = []
  const statuses = async () => readStatuses(await show(statsSocket, 'show stat'))
  return {
    ...parts,
    disruptions,
    statuses,
    get zookeeperRuns() {
      return zookeeperRuns
    },
    async stopZookeeper() {
      zookeeperRuns = false
      await zookeeper.stop()
    },
    async startZookeeper() {
      await zookeeper.start()
      zookeeperRuns = true
    },
    reloads: () => synapse.metric('synapse_haproxy_reloads_total'),
    async kill(instance) {
      const from = performance.now()
      const disruption = { service: instance.service, from, until: Number.POSITIVE_INFINITY }
      disruptions.push(disruption)
      await instance.kill()
      disruption.until = performance.now()
    },
    async observe() {
      const servers = await statuses()
      const verdicts = await readVerdicts(nerves)
      return instances.map((instance) => ({
        instance,
        ...(verdicts.get(`${instance.host}/${instance.service}`) ?? {
          health: 'unknown',
          reason: 'nerve does not answer',
        }),
        ...(servers.get(instance.port) ?? { status: 'absent', weight: 0 }),
      }))
    },
  }
}

interface Verdict {
  readonly health: string
  readonly reason: string
}

interface NerveState {
  readonly services: readonly { readonly name: string; readonly status: string; readonly reason: string | null }[]
}

/** Host and service to nerve's verdict. */
async function readVerdicts(nerves: ReadonlyMap<string, Daemon>): Promise<Map<string, Verdict>> {
  const verdicts = [...nerves].map(async ([host, nerve]) => {
    const { services } = await nerve.state<NerveState>()
    return services.map(
      ({ name, status, reason }) => [`${host}/${name}`, { health: status, reason: reason ?? '' }] as const,
    )
  })
  return new Map((await Promise.all(verdicts)).flat())
}

/** Reads the CSV of `show stat`. The server's name ends with its port. */
function readStatuses(csv: string): Map<number, ServerStatus> {
  const [header = '', ...rows] = csv.replace('# ', '').split('\n')
  const column = (row: string, name: string) => row.split(',')[header.split(',').indexOf(name)] ?? ''
  return new Map(
    rows
      .filter((row) => /:\d+$/.test(column(row, 'svname')))
      .map((row) => [
        Number(column(row, 'svname').split(':').at(-1)),
        { status: column(row, 'status').split(' ')[0] ?? '', weight: Number(column(row, 'weight')) },
      ]),
  )
}
