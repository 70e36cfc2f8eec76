import { isReady } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { failed, Load } from '../load/load.ts'
import { distribution, type Measure, value } from '../measure.ts'
import { isAlive, MemoryWatch } from '../process-usage.ts'
import type { Registered } from '../registry.ts'
import type { BenchService } from '../subjects/subject.ts'
import { now, paced, sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'

const CHANGES_PER_SECOND = 20
const LOAD = { keptRate: 1050, freshRate: 1050 }
/** Instances are between these: the service is never empty, and never without change. */
const LEAST = 4
const START = 8
/** Every second join is by an instance that was there before; its server may still be in HAProxy. */
const RETURNING = 0.5
/** A server has got its share when it has at least this part of it. Few points on a hash ring make shares uneven. */
const LEAST_SHARE = 0.2
/** Shorter lives say nothing about a share. */
const JUDGED_FROM_MS = 400

interface Variant {
  readonly name: string
  readonly backend: readonly string[]
  readonly serverOptions: string
  /** Of each answer of an instance, ms: so that queues build up. */
  readonly delayMs: number
}

const variants: readonly Variant[] = [
  { name: 'roundrobin', backend: ['balance roundrobin'], serverOptions: '', delayMs: 0 },
  // 2100 requests a second of 7 ms over four instances at the least, each with 4 at a time: queues come and go.
  { name: 'leastconn, maxconn 4', backend: ['balance leastconn'], serverOptions: 'maxconn 4', delayMs: 6 },
  { name: 'random', backend: ['balance random'], serverOptions: '', delayMs: 0 },
  { name: 'consistent hash', backend: ['balance uri', 'hash-type consistent'], serverOptions: '', delayMs: 0 },
]

/** Joins and leaves all the time under load: nothing is lost, nothing is reloaded, nothing grows. */
export const churn: Scenario = {
  name: 'churn',
  title: `${CHANGES_PER_SECOND} joins and leaves a second under ${LOAD.keptRate + LOAD.freshRate} requests a second`,
  async run(world) {
    const measures: Measure[] = []
    for (const variant of variants) {
      world.tell(variant.name)
      const found = await runVariant(world, variant)
      measures.push(...found.map((measure) => ({ ...measure, name: `${variant.name}: ${measure.name}` })))
    }
    return measures
  },
}

/** One instance from its join to its leave. */
interface Member {
  readonly host: string
  readonly registered: Registered
  readonly requestsBefore: number
}

/** What happened: the number of members after each change, to know what a fair share was. */
interface Change {
  readonly at: number
  readonly members: number
}

interface Life {
  readonly from: number
  readonly to: number
  readonly requests: number
}

async function runVariant(world: World, variant: Variant): Promise<Measure[]> {
  const { fleet } = world
  const seconds = world.quick ? 8 : 60
  await fleet.delay(variant.delayMs)
  const service = await world.service(variant.name.replace(/\W+/g, '-'), variant)
  const membership = new Membership(world, service)
  for (let count = 0; count < START; count++) await membership.join()
  const running = await world.start([service])
  const stats = await world.stats(running)
  await stats.until(service.name, (servers) => servers.filter(isReady).length === START)
  const pid = await stats.pid()
  const load = await Load.start({ port: service.port, ...LOAD })
  await sleep(2000)
  const memory = { subject: new MemoryWatch(running.pid), haproxy: new MemoryWatch(pid) }
  await paced(seconds * CHANGES_PER_SECOND, 1000 / CHANGES_PER_SECOND, () => membership.change())
  await membership.settled()
  const report = await load.stop()
  const growth = { subject: memory.subject.growth(), haproxy: memory.haproxy.growth() }
  if (failed(report) > 0) world.tell(JSON.stringify(report.failures))
  const shares = membership.shares(report.requests / report.seconds)
  const reloaded = (await stats.pid()) !== pid
  const measures = [
    value('requests a second', '', report.requests / report.seconds, { atLeast: 2000 }),
    value('failed requests', '', failed(report), { atMost: 0 }),
    value('requests sent again on another connection', '', report.resent),
    value('latency of a request, p99', 'ms', report.latency.p99),
    value('longest stall of the load itself', 'ms', report.stallMs),
    value('joins and leaves', '', membership.changes),
    value('workers of HAProxy replaced or dead', '', Number(reloaded || !isAlive(pid)), { atMost: 0 }),
    distribution('part of its fair share that a joined instance got', '', shares, [
      { stat: 'min', atLeast: LEAST_SHARE },
    ]),
    value('least part of a fair share', '', Math.min(...shares)),
    value('growth of the subject', 'MB', growth.subject, { atMost: 20 }),
    value('growth of HAProxy', 'MB', growth.haproxy, { atMost: 10 }),
    await verifyFile(running, stats),
  ]
  stats.close()
  await world.stop(running)
  await membership.clear()
  return measures
}

/** The instances of one service, which come and go at random. */
class Membership {
  changes = 0
  readonly #world: World
  readonly #service: BenchService
  readonly #members: Member[] = []
  readonly #away: string[] = []
  readonly #history: Change[] = []
  readonly #lives: Life[] = []
  readonly #running = new Set<Promise<void>>()

  constructor(world: World, service: BenchService) {
    this.#world = world
    this.#service = service
  }

  async join(): Promise<void> {
    const { fleet, registry } = this.#world
    const returns = this.#away.length > 0 && Math.random() < RETURNING
    const host = returns ? this.#away.splice(Math.floor(Math.random() * this.#away.length), 1)[0] : undefined
    const [opened = ''] = host === undefined ? await fleet.open(1) : [host]
    const [counts] = await fleet.counts([opened])
    const registration = { name: 'churn', host: opened, port: fleet.port, weight: 1 }
    const registered = await registry.register(this.#service.path, registration)
    this.#members.push({ host: opened, registered, requestsBefore: counts?.requests ?? 0 })
    this.#note()
  }

  /** One join or one leave, as many of each over time. */
  async change(): Promise<void> {
    this.changes += 1
    const leaves = this.#members.length > LEAST && Math.random() < this.#members.length / (2 * START)
    if (!leaves) return this.join()
    const [member] = this.#members.splice(Math.floor(Math.random() * this.#members.length), 1)
    if (member !== undefined) await this.#leave(member)
  }

  /** Waits for what is counted late. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
  }

  async clear(): Promise<void> {
    await this.settled()
    await Promise.all(this.#members.map(({ registered }) => this.#world.registry.remove(registered)))
  }

  /** For each life that was long enough: its requests as a part of an even share of all. */
  shares(requestsPerSecond: number): number[] {
    return this.#lives
      .filter(({ from, to }) => to - from >= JUDGED_FROM_MS)
      .map(({ from, to, requests }) => requests / (this.#fairSeconds(from, to) * requestsPerSecond))
  }

  async #leave({ host, registered, requestsBefore }: Member): Promise<void> {
    const { registry, fleet } = this.#world
    const { ackedAt } = await registry.remove(registered)
    this.#note()
    const counted = (async () => {
      await sleep(200) // its last requests, and those in a queue
      const [counts] = await fleet.counts([host])
      this.#lives.push({ from: registered.ackedAt, to: ackedAt, requests: (counts?.requests ?? 0) - requestsBefore })
      this.#away.push(host)
    })()
    this.#running.add(counted)
    await counted.finally(() => this.#running.delete(counted))
  }

  #note(): void {
    this.#history.push({ at: now(), members: this.#members.length })
  }

  /** The integral of 1 / members over this time, in seconds. */
  #fairSeconds(from: number, to: number): number {
    let sum = 0
    for (const [index, { at, members }] of this.#history.entries()) {
      const next = this.#history[index + 1]?.at ?? Number.POSITIVE_INFINITY
      const ms = Math.min(to, next) - Math.max(from, at)
      if (ms > 0 && members > 0) sum += ms / members / 1000
    }
    return sum
  }
}
