import { isDeepStrictEqual } from 'node:util'
import type { HaproxyServiceOptions } from './config.ts'
import type { HaproxyService } from './desired-model.ts'

const FIRST_RETRY_MS = 5_000
const LONGEST_RETRY_MS = 300_000

/** A service that HAProxy does not take. */
export interface Culprit {
  readonly service: string
  /** HAProxy's words. */
  readonly reason: string
}

/** One that is kept away from HAProxy. */
export interface Quarantined extends Culprit {
  /** ms since 1970. */
  readonly since: number
  /** On `clock.now()`. */
  readonly retryAt: number
  /** Times that HAProxy refused it. */
  readonly refusals: number
  /** It is in the configuration again, to see whether HAProxy takes it now. */
  readonly onTrial: boolean
  /** What HAProxy did not take. Other options get a chance at once. */
  readonly options: HaproxyServiceOptions | undefined
}

/** The options of each service that HAProxy took the last time. */
export type AcceptedOptions = ReadonlyMap<string, HaproxyServiceOptions>

export interface Now {
  /** `clock.now()`. */
  readonly now: number
  /** ms since 1970. */
  readonly wallTime: number
}

/**
 * Keeps services that HAProxy does not take away from it, so that all others go on. Such a service has the options that
 * HAProxy took the last time, and its instances of now; without such options it is left out. They are tried again one at a
 * time, later and later, and at once when their options change.
 */
export class Quarantine {
  #entries = new Map<string, Quarantined>()
  #accepted: AcceptedOptions = new Map()

  get entries(): readonly Quarantined[] {
    return [...this.#entries.values()]
  }

  get accepted(): AcceptedOptions {
    return this.#accepted
  }

  /** When the next one is due to be tried again, on `clock.now()`; infinite when none is. */
  get nextTrialAt(): number {
    return Math.min(...this.entries.map(({ onTrial, retryAt }) => (onTrial ? Number.POSITIVE_INFINITY : retryAt)))
  }

  /** What an earlier synapse knew to be accepted. */
  remember(accepted: AcceptedOptions): void {
    this.#accepted = accepted
  }

  /** Forgets those that are gone or changed, and puts the next one that is due on trial. */
  review(services: readonly HaproxyService[], now: number): void {
    if (this.#entries.size === 0) return
    const options = optionsByName(services)
    for (const [name, entry] of this.#entries) {
      if (!options.has(name) || !isDeepStrictEqual(options.get(name), entry.options)) this.#entries.delete(name)
    }
    const due = this.entries.find(({ retryAt }) => retryAt <= now)
    if (due === undefined || this.entries.some(({ onTrial }) => onTrial)) return
    this.#entries.set(due.service, { ...due, onTrial: true })
  }

  /** The services as HAProxy is to get them; `without` these too. */
  admit(services: readonly HaproxyService[], without: readonly Culprit[] = []): readonly HaproxyService[] {
    const kept = new Set(without.map(({ service }) => service))
    for (const { service, onTrial } of this.#entries.values()) if (!onTrial) kept.add(service)
    if (kept.size === 0) return services
    return services.flatMap((service) => {
      if (!kept.has(service.name)) return [service]
      const options = this.#accepted.get(service.name)
      // Refused as it is now, although it was taken once: there is nothing to fall back to.
      return options === undefined || isDeepStrictEqual(options, service.options) ? [] : [{ ...service, options }]
    })
  }

  /** HAProxy does not take these. @returns those that were not known for the same reason. */
  add(culprits: readonly Culprit[], services: readonly HaproxyService[], { now, wallTime }: Now): readonly Culprit[] {
    const options = optionsByName(services)
    const news = culprits.filter(({ service, reason }) => this.#entries.get(service)?.reason !== reason)
    for (const culprit of culprits) {
      const known = this.#entries.get(culprit.service)
      const refusals = (known?.refusals ?? 0) + 1
      this.#entries.set(culprit.service, {
        ...culprit,
        since: known?.since ?? wallTime,
        retryAt: now + Math.min(FIRST_RETRY_MS * 2 ** (refusals - 1), LONGEST_RETRY_MS),
        refusals,
        onTrial: false,
        options: options.get(culprit.service),
      })
    }
    return news
  }

  /** Whether it is kept away already, so that it cannot be what HAProxy complains about now. */
  holds(service: string): boolean {
    return this.#entries.get(service)?.onTrial === false
  }

  /** HAProxy took these services, as admitted. @returns those whose quarantine ends. */
  accept(services: readonly HaproxyService[]): readonly Quarantined[] {
    this.#accepted = optionsByName(services)
    const released = this.entries.filter(
      ({ service, onTrial, options }) => onTrial && isDeepStrictEqual(this.#accepted.get(service), options),
    )
    for (const { service } of released) this.#entries.delete(service)
    return released
  }
}

function optionsByName(services: readonly HaproxyService[]): AcceptedOptions {
  return new Map(services.map(({ name, options }) => [name, options]))
}
