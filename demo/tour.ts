import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../src/core/errors.ts'
import type { Daemon } from '../test/harness/daemon.ts'
import { eventually } from '../test/harness/eventually.ts'
import { Client } from './client.ts'
import { sortFailures } from './failures.ts'
import type { Fleet } from './fleet.ts'
import type { Instance, ServiceName } from './instances.ts'
import type { Style } from './style.ts'

const DEADLINE_MS = 30_000
const LOOK_MS = 5
/** Traffic before and after each act, so that its effect has time to show. */
const CALM_MS = 1500
/** How long ZooKeeper stays away. */
const OUTAGE_MS = 3000

/**
 * Breaks and mends things one after the other while the client keeps calling, and prints what happened and when.
 * @returns whether everything came back and no request was lost
 */
export async function runTour(fleet: Fleet, style: Style): Promise<boolean> {
  const client = new Client(fleet.ports)
  const tour = new Tour(fleet, client, style)
  let broken = ''
  try {
    await tour.act('Every instance serves.', () => tour.everyInstanceServes())
    const web = first(fleet, 'web')
    const mysql = first(fleet, 'mysql')
    await tour.act(`kill -9 ${web.name} on ${web.host}.`, () => tour.end(web))
    await tour.act(`Stop ${mysql.name} on ${mysql.host}.`, () => tour.end(mysql))
    await tour.act('Stop ZooKeeper, and start it again.', () => tour.zookeeperOutage())
    await tour.act(`Start ${web.name} and ${mysql.name} again.`, () => tour.revive([web, mysql]))
  } catch (error) {
    broken = messageOf(error)
  }
  await client.stop()
  return tour.conclude(broken)
}

function first(fleet: Fleet, service: ServiceName): Instance {
  const found = fleet.instances.find((instance) => instance.service === service)
  if (found === undefined) throw new Error(`no instance of ${service}`)
  return found
}

class Tour {
  readonly #fleet: Fleet
  readonly #client: Client
  readonly #style: Style
  readonly #started = performance.now()

  constructor(fleet: Fleet, client: Client, style: Style) {
    this.#fleet = fleet
    this.#client = client
    this.#style = style
  }

  /** Prints a headline, does it, and says how the client fared. */
  async act(headline: string, work: () => Promise<void>): Promise<void> {
    console.log(`\n${this.#style.dim(`${this.#seconds().padStart(5)} s`)}  ${this.#style.bold(headline)}`)
    const before = { requests: this.#client.total, ...this.#failures() }
    await work()
    await sleep(CALM_MS)
    const after = this.#failures()
    const lost = after.lost - before.lost
    const inFlight = after.inFlight - before.inFlight
    const verdict = lost === 0 ? this.#style.good('none lost') : this.#style.bad(`${lost} LOST`)
    this.#say(
      `${this.#client.total - before.requests} requests meanwhile, ${verdict}${inFlight > 0 ? `, ${inFlight} in flight on what was ended` : ''}`,
    )
  }

  async everyInstanceServes(): Promise<void> {
    const since = performance.now()
    await this.#serveAgain(this.#fleet.instances)
    this.#say(`${this.#fleet.instances.length} instances registered, in HAProxy and answering`, since)
  }

  /** Kills an instance and watches how the fleet takes it. */
  async end(instance: Instance): Promise<void> {
    const since = performance.now()
    const ended = this.#fleet.kill(instance)
    await this.#untilStatus(instance, (status) => status !== 'UP')
    this.#say('HAProxy sends it nothing any more', since)
    await this.#untilStatus(instance, (status) => status === 'MAINT')
    this.#say('nerve has removed its registration, synapse has taken it out', since)
    await ended
  }

  async zookeeperOutage(): Promise<void> {
    const { zookeeper, nerves, synapse } = this.#fleet
    const before = await this.#usable()
    const stopped = performance.now()
    await this.#fleet.stopZookeeper()
    this.#say('ZooKeeper is away', stopped)
    const daemons = [...nerves.values(), synapse]
    await Promise.all(daemons.map((daemon) => eventually(() => hasSessions(daemon, false), DEADLINE_MS)))
    await sleep(OUTAGE_MS)
    const during = await this.#usable()
    if (during !== before) throw new Error(`HAProxy had ${before} instances and has ${during} without ZooKeeper`)
    this.#say(`still ${during} instances in HAProxy`, stopped)
    const restarted = performance.now()
    await this.#fleet.startZookeeper()
    await Promise.all(daemons.map((daemon) => eventually(() => hasSessions(daemon, true), DEADLINE_MS)))
    this.#say(`every session is back at ${zookeeper.hosts}`, restarted)
    if ((await this.#usable()) !== before) throw new Error('HAProxy lost instances when ZooKeeper came back')
  }

  async revive(instances: readonly Instance[]): Promise<void> {
    const since = performance.now()
    await Promise.all(instances.map((instance) => instance.revive()))
    this.#say('they run', since)
    await this.#serveAgain(instances)
    this.#say('registered, in HAProxy and answering', since)
  }

  /** Prints the result. */
  async conclude(broken: string): Promise<boolean> {
    const { lost, inFlight } = this.#failures()
    const reloads = await this.#fleet.reloads()
    const { good, bad, bold } = this.#style
    const mark = (fine: boolean, text: string) => console.log(`  ${fine ? good('✓') : bad('✗')} ${text}`)
    console.log(`\n${bold('The result')}, after ${this.#seconds()} s and ${this.#client.total} requests`)
    mark(broken === '', broken === '' ? 'every service came back' : broken)
    mark(lost === 0, `${lost} requests lost that a healthy instance could have served`)
    mark(true, `${inFlight} request${inFlight === 1 ? '' : 's'} in flight on a process when it was ended`)
    mark(reloads === 0, `${reloads} reloads of HAProxy`)
    for (const { service, reason } of sortFailures(this.#client.failures, this.#fleet.disruptions).lost.slice(0, 10))
      console.log(`    lost: ${service}, ${reason}`)
    return broken === '' && lost === 0 && reloads === 0
  }

  /** Waits until these instances are up for nerve and HAProxy and have answered another request. */
  async #serveAgain(instances: readonly Instance[]): Promise<void> {
    const before = new Map(this.#client.answers)
    await eventually(
      async () => {
        const views = await this.#fleet.observe()
        for (const { instance, health, reason, status } of views) {
          if (!instances.includes(instance)) continue
          const { name, port } = instance
          if (health !== 'up' || status !== 'UP')
            throw new Error(`${name}: nerve says ${health} ${reason}, HAProxy ${status}`)
          if (this.#client.answers.get(port) === before.get(port)) throw new Error(`${name} has answered nothing`)
        }
      },
      DEADLINE_MS,
      LOOK_MS,
    )
  }

  async #untilStatus({ name, port }: Instance, isExpected: (status: string) => boolean): Promise<void> {
    await eventually(
      async () => {
        const status = (await this.#fleet.statuses()).get(port)?.status ?? 'absent'
        if (!isExpected(status)) throw new Error(`${name} is still ${status} in HAProxy`)
      },
      DEADLINE_MS,
      LOOK_MS,
    )
  }

  /** How many instances HAProxy uses. */
  async #usable(): Promise<number> {
    return [...(await this.#fleet.statuses()).values()].filter(({ status }) => status === 'UP').length
  }

  #failures(): { readonly lost: number; readonly inFlight: number } {
    const { lost, inFlight } = sortFailures(this.#client.failures, this.#fleet.disruptions)
    return { lost: lost.length, inFlight: inFlight.length }
  }

  /** Since the start of the tour. */
  #seconds(): string {
    return ((performance.now() - this.#started) / 1000).toFixed(1)
  }

  #say(text: string, since?: number): void {
    const after = since === undefined ? '' : `${Math.round(performance.now() - since)} ms`
    console.log(`${this.#style.dim(after.padStart(17))}  ${text}`)
  }
}

interface SessionsState {
  readonly sessions: readonly { readonly session: { readonly status: string } }[]
}

/** @throws when a daemon's sessions with ZooKeeper are not all connected, or not all away. */
async function hasSessions(daemon: Daemon, connected: boolean): Promise<void> {
  const { sessions } = await daemon.state<SessionsState>()
  for (const { session } of sessions) {
    if ((session.status === 'connected') !== connected)
      throw new Error(`${daemon.name}: ZooKeeper is ${session.status}`)
  }
}
