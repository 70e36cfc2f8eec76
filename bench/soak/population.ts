import type { Fleet } from '../fleet/fleet.ts'
import type { Registered, Registry } from '../registry.ts'
import type { BenchService } from '../subjects/subject.ts'
import { sleep } from '../time.ts'
import { between, pick } from './random.ts'

/** An orderly instance serves so long after it has left the registry: longer than synapse may be blind. */
const GRACE_MS = 15_000
/** The registry notices a killed instance late, as a session that expires. */
const KILLED_MS = { least: 500, most: 4_000 }
const DEAD_MS = { least: 2_000, most: 8_000 }
/** So few that no request can meet the sick ones only: what is lost then no proxy could have saved. */
const LEAST = 8
const MOST = 16
const WEIGHTS = 20

interface Member {
  readonly host: string
  readonly registered: Registered
  weight: number
  /** Killed, dead, or about to leave: not to be chosen again. */
  busy: boolean
}

/** What happened to a service, and how often. */
export type Deed = 'join' | 'return' | 'leave' | 'drain' | 'weight' | 'kill' | 'dead target' | 'gone'

export interface PopulationOptions {
  readonly service: BenchService
  readonly fleet: Fleet
  readonly registry: Registry
  readonly random: () => number
  readonly onDeed: (deed: Deed, service: string, host: string) => void
}

/** The instances of one service, and everything that befalls them. */
export class Population {
  readonly #options: PopulationOptions
  readonly #members = new Map<string, Member>()
  /** Left a while ago and still running: they may return. */
  readonly #rested: string[] = []
  readonly #running = new Set<Promise<void>>()
  /** One at a time is killed or dead. */
  #sick = false

  constructor(options: PopulationOptions) {
    this.#options = options
  }

  /** What the registry says: the weight of each address. */
  get expected(): ReadonlyMap<string, number> {
    return new Map([...this.#members.values()].map(({ host, weight }) => [host, weight]))
  }

  get service(): BenchService {
    return this.#options.service
  }

  async fill(): Promise<void> {
    while (this.#members.size < LEAST + 2) await this.#join()
  }

  /** One random deed. Returns when it is done in the registry; its late consequences follow. */
  async act(): Promise<void> {
    const { random } = this.#options
    const size = this.#members.size
    if (size <= LEAST) return this.#join()
    if (size >= MOST) return this.#leave()
    const deeds = [
      () => this.#join(),
      () => this.#join(),
      () => this.#leave(),
      () => this.#leave(),
      () => this.#drain(),
      () => this.#reweigh(),
      () => this.#reweigh(),
      () => this.#kill(),
      () => this.#deadTarget(),
    ]
    await pick(random, deeds)?.()
  }

  /** Resolves when nothing is about to happen by itself any more. */
  async calm(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #join(): Promise<void> {
    const { fleet, random, onDeed, service } = this.#options
    const returning = random() < 0.5 ? this.#rested.shift() : undefined
    const [opened = ''] = returning === undefined ? await fleet.open(1) : [returning]
    await this.#register(opened, between(random, 1, WEIGHTS))
    onDeed(returning === undefined ? 'join' : 'return', service.name, opened)
  }

  async #register(host: string, weight: number, busy = false): Promise<Member> {
    const { fleet, registry, service } = this.#options
    const registered = await registry.register(service.path, { name: 'soak', host, port: fleet.port, weight })
    const member = { host, registered, weight, busy }
    this.#members.set(host, member)
    return member
  }

  async #leave(member = this.#choose()): Promise<void> {
    if (member === undefined) return
    member.busy = true
    this.#members.delete(member.host)
    await this.#options.registry.remove(member.registered)
    this.#options.onDeed('leave', this.service.name, member.host)
    this.#later(GRACE_MS, async () => {
      if (this.#rested.length < 10) this.#rested.push(member.host)
      else await this.#options.fleet.kill([member.host])
    })
  }

  /** Weight 0 first, as a deploy that waits for its requests; the leave comes later. */
  async #drain(): Promise<void> {
    const member = this.#choose()
    if (member === undefined) return
    member.busy = true
    await this.#weigh(member, 0)
    this.#options.onDeed('drain', this.service.name, member.host)
    this.#later(between(this.#options.random, 200, 3_000), () => this.#leave(member))
  }

  async #reweigh(): Promise<void> {
    const { random, onDeed, service } = this.#options
    const member = this.#choose()
    if (member === undefined) return
    await this.#weigh(member, between(random, 1, WEIGHTS))
    onDeed('weight', service.name, member.host)
  }

  async #weigh(member: Member, weight: number): Promise<void> {
    const { registry, fleet } = this.#options
    member.weight = weight
    await registry.update(member.registered.path, { name: 'soak', host: member.host, port: fleet.port, weight })
  }

  /** Nobody de-registers it: that comes when its session is found to be gone. */
  async #kill(): Promise<void> {
    const { fleet, random, registry, onDeed, service } = this.#options
    const member = this.#sick ? undefined : this.#choose()
    if (member === undefined) return
    this.#sick = true
    member.busy = true
    await fleet.kill([member.host])
    onDeed('kill', service.name, member.host)
    this.#later(between(random, KILLED_MS.least, KILLED_MS.most), async () => {
      this.#members.delete(member.host)
      await registry.remove(member.registered)
      onDeed('gone', service.name, member.host)
      this.#sick = false
    })
  }

  async #deadTarget(): Promise<void> {
    const { fleet, random, registry, onDeed, service } = this.#options
    if (this.#sick) return
    this.#sick = true
    const member = await this.#register(fleet.dead(1)[0] ?? '', between(random, 1, WEIGHTS), true)
    onDeed('dead target', service.name, member.host)
    this.#later(between(random, DEAD_MS.least, DEAD_MS.most), async () => {
      this.#members.delete(member.host)
      await registry.remove(member.registered)
      this.#sick = false
    })
  }

  #choose(): Member | undefined {
    if (this.#members.size <= LEAST) return undefined
    return pick(
      this.#options.random,
      [...this.#members.values()].filter(({ busy }) => !busy),
    )
  }

  #later(ms: number, deed: () => Promise<void>): void {
    const done: Promise<void> = sleep(ms)
      .then(deed)
      .finally(() => this.#running.delete(done))
    this.#running.add(done)
  }
}
