import type { Clock } from './clock.ts'
import type { StatsdConfig } from './config/daemon-keys.ts'
import { createStatsd, type Statsd, type StatsdOptions } from './statsd.ts'
import type { StatsdMetric } from './statsd-format.ts'

/** Why a stop: as asked, or after this failure. */
export type StopCause = { readonly kind: 'orderly' } | { readonly kind: 'failure'; readonly error: unknown }

/** What happens in every daemon. */
export type LifeEvent =
  | { readonly kind: 'started' }
  | { readonly kind: 'stopped'; readonly cause: StopCause; readonly ranMs: number }

/** Hears what happens in a daemon and sends it to a StatsD server, if one is configured. Those who tell know nothing of it. */
export class Telemetry<Event> {
  readonly onEvent: (event: Event | LifeEvent) => void
  readonly #statsd: Statsd
  readonly #clock: Clock
  readonly #startedAt: number
  #cause: StopCause = { kind: 'orderly' }

  /** Tells at once that the daemon has started. */
  constructor(
    options: StatsdOptions,
    toMetrics: (event: Event | LifeEvent) => readonly StatsdMetric[],
    config: StatsdConfig | undefined,
  ) {
    this.#clock = options.clock
    this.#startedAt = options.clock.now()
    this.#statsd = createStatsd(options)
    this.#statsd.configure(config)
    this.onEvent = this.#statsd.listener(toMetrics)
    this.onEvent({ kind: 'started' })
  }

  /** Takes an edited configuration. */
  configure(config: StatsdConfig | undefined): void {
    this.#statsd.configure(config)
  }

  /** The daemon stops; `failure` says why, when nobody asked for it. */
  stopping(failure: { readonly error: unknown } | undefined): void {
    if (failure !== undefined) this.#cause = { kind: 'failure', error: failure.error }
  }

  /** Tells that the daemon has stopped, and sends what still waits, for a moment at most. */
  async close(): Promise<void> {
    this.onEvent({ kind: 'stopped', cause: this.#cause, ranMs: this.#clock.now() - this.#startedAt })
    await this.#statsd.close()
  }
}
