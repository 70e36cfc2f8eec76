import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../test/harness/eventually.ts'
import { freePort } from '../test/harness/ports.ts'
import { startZooKeeper, type ZooKeeperServer } from '../test/harness/zookeeper-server.ts'
import { Fleet } from './fleet/fleet.ts'
import { Stats } from './haproxy/stats.ts'
import type { ScenarioResult } from './measure.ts'
import { Registry } from './registry.ts'
import type { BenchService, RunningSubject, Subject } from './subjects/subject.ts'

export interface Scenario {
  readonly name: string
  readonly title: string
  run(world: World): Promise<ScenarioResult['measures']>
}

export type WorldOptions = Pick<World, 'quick' | 'minutes' | 'only'>

/** What every scenario needs: a ZooKeeper, a writer of znodes, real instances, and a way to start the subject. */
export class World {
  readonly subject: Subject
  /** Short runs, to see that all works. */
  readonly quick: boolean
  /** How long a scenario that can last shall last; undefined: as it likes. */
  readonly minutes: number | undefined
  /** The variant to which a scenario of several is limited; undefined: all. */
  readonly only: string | undefined
  readonly zookeeper: ZooKeeperServer
  readonly registry: Registry
  readonly fleet: Fleet
  readonly #log: (text: string) => void
  readonly #running = new Set<RunningSubject>()
  readonly #directories: string[] = []

  private constructor(
    subject: Subject,
    { quick, minutes, only }: WorldOptions,
    log: (text: string) => void,
    parts: Pick<World, 'zookeeper' | 'registry' | 'fleet'>,
  ) {
    this.subject = subject
    this.quick = quick
    this.minutes = minutes
    this.only = only
    this.#log = log
    this.zookeeper = parts.zookeeper
    this.registry = parts.registry
    this.fleet = parts.fleet
  }

  static async create(subject: Subject, options: WorldOptions, log: (text: string) => void): Promise<World> {
    // Room for ten thousand ephemerals and their watches.
    const zookeeper = await startZooKeeper({ tickTime: 2000, javaOptions: ['-Xmx512m'] })
    const registry = await Registry.connect(zookeeper.hosts)
    return new World(subject, options, log, { zookeeper, registry, fleet: await Fleet.start() })
  }

  /** Says what goes on, for whoever waits. */
  tell(text: string): void {
    this.#log(text)
  }

  /** A service below a znode of its own, which is there then, and on a free port. */
  async service(
    name: string,
    { backend = [], serverOptions = '' }: Partial<Pick<BenchService, 'backend' | 'serverOptions'>> = {},
  ): Promise<BenchService> {
    const path = `/services/${name}`
    await this.registry.ensurePath(path)
    return { name, path, port: await freePort(), backend, serverOptions }
  }

  /** Starts the subject and returns at once. */
  async start(services: readonly BenchService[]): Promise<RunningSubject> {
    const directory = await this.directory()
    const running = await this.subject.start({ directory, zookeeper: this.zookeeper.hosts, services })
    this.#running.add(running)
    return running
  }

  /** A new empty directory, removed in the end. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'bench-'))
    this.#directories.push(directory)
    return directory
  }

  /** Connects to the HAProxy of a subject as soon as it is there. */
  stats(running: RunningSubject): Promise<Stats> {
    return eventually(() => Stats.open(running.statsSocket), 60_000, 5).catch((error: unknown) => {
      throw new Error(`HAProxy of ${this.subject.name} did not start: ${error}\n${running.output()}`)
    })
  }

  async stop(running: RunningSubject): Promise<void> {
    this.#running.delete(running)
    await running.stop()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()))
    await this.registry.close()
    this.fleet.close()
    await this.zookeeper.close()
    await Promise.all(this.#directories.map((directory) => rm(directory, { recursive: true, force: true })))
  }
}
