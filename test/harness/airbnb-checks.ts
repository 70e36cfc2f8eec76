import assert from 'node:assert/strict'
import { type Daemon, type DaemonOptions, startNerve } from './daemon.ts'
import { eventually } from './eventually.ts'
import { type StatsdServer, startStatsd } from './statsd-server.ts'

type Keys = Readonly<Record<string, unknown>>

/** What a check says after each of its runs: rise and fall are already in it. */
export type Trace = readonly ('up' | 'down')[]

/** A nerve whose checks tell by StatsD what each run made of them. */
export class CheckedServices {
  readonly nerve: Daemon
  readonly #statsd: StatsdServer

  constructor(nerve: Daemon, statsd: StatsdServer) {
    this.nerve = nerve
    this.#statsd = statsd
  }

  /** Makes these the services, which nerve reads at once. */
  async edit(services: Readonly<Record<string, Keys>>): Promise<void> {
    await this.nerve.configure(configOf(services, this.#statsd.port))
    this.nerve.hup()
  }

  /** Every StatsD datagram so far of metrics whose names start with `name`. */
  datagrams(name: string): readonly string[] {
    return this.#statsd.datagrams.filter((datagram) => datagram.startsWith(name))
  }

  /** Every verdict of a service so far, in order, of one check if `check` names it. */
  trace(service: string, check?: string): Trace {
    const pattern = /service_check:1\|c\|#check_result:(up|down),service_name:([^,]+),check_name:(.*)$/
    return this.#statsd.datagrams.flatMap((datagram) => {
      const [, verdict, of, name] = pattern.exec(datagram) ?? []
      return of === service && (check === undefined || name === check) ? [verdict === 'up' ? 'up' : 'down'] : []
    })
  }

  /** The first `count` verdicts, as `uud`. */
  async first(service: string, count: number): Promise<string> {
    const trace = await eventually(() => {
      const found = this.trace(service)
      assert.ok(found.length >= count, `${service} has ${found.length} verdicts, expected ${count}`)
      return found
    }, 40_000)
    return trace
      .slice(0, count)
      .map((verdict) => verdict.charAt(0))
      .join('')
  }

  /** The health of a service, once it is known. */
  async status(service: string): Promise<string> {
    return eventually(async () => {
      const { services } = await this.nerve.state<{ services: { name: string; status: string }[] }>()
      const status = services.find(({ name }) => name === service)?.status
      assert.ok(status === 'up' || status === 'down', `${service} is ${status}`)
      return status
    }, 40_000)
  }

  async close(): Promise<void> {
    await this.nerve.close()
    await this.#statsd.close()
  }
}

/** Starts nerve with these services, which are registered nowhere unless they say so. */
export async function startChecked(
  services: Readonly<Record<string, Keys>>,
  options: DaemonOptions = {},
): Promise<CheckedServices> {
  const statsd = await startStatsd()
  const nerve = await startNerve(configOf(services, statsd.port), options).catch(async (error: unknown) => {
    await statsd.close()
    throw error
  })
  return new CheckedServices(nerve, statsd)
}

function configOf(services: Readonly<Record<string, Keys>>, port: number): Keys {
  // Pings are many, and what the receiver has no room for is lost.
  const sample_rate = { 'nerve.watcher.status.ping.count': 0 }
  const common = { host: '127.0.0.1', port: 1, reporter_type: 'noop', check_interval: 0.1 }
  const entries = Object.entries(services).map(([name, keys]) => [name, { ...common, ...keys }])
  const statsd = { host: '127.0.0.1', port, sample_rate }
  return { instance_id: 'i-1', statsd, services: Object.fromEntries(entries) }
}
