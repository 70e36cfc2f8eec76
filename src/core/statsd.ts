import type { StatsdConfig } from './config/daemon-keys.ts'
import type { Metrics } from './metrics.ts'
import { formatMetric, type StatsdMetric } from './statsd-format.ts'
import { createStatsdCounts, type StatsdCounts, StatsdTarget, type StatsdTargetOptions } from './statsd-target.ts'

export interface StatsdOptions extends Omit<StatsdTargetOptions, 'counts'> {
  readonly metrics: Metrics
  /** A number in [0, 1), as Math.random: decides which samples are sent. */
  readonly random: () => number
}

/** Sends metrics to a StatsD server. Never throws, never waits, never grows: what cannot be sent is counted and gone. */
export interface Statsd {
  /** Where to send from now on; undefined: nowhere. */
  configure(config: StatsdConfig | undefined): void
  send(metric: StatsdMetric): void
  /** A listener that sends what `toMetrics` makes of an event. */
  listener<Event>(toMetrics: (event: Event) => readonly StatsdMetric[]): (event: Event) => void
  /** Sends what still waits, for a moment at most, and lets go of the socket. */
  close(): Promise<void>
}

/** Creates a sender that has nowhere to send yet. */
export function createStatsd(options: StatsdOptions): Statsd {
  return new StatsdSender(options)
}

class StatsdSender implements Statsd {
  readonly #options: StatsdOptions
  readonly #counts: StatsdCounts
  readonly #closing = new Set<Promise<void>>()
  #config: StatsdConfig | undefined
  #target: StatsdTarget | undefined

  constructor(options: StatsdOptions) {
    this.#options = options
    this.#counts = createStatsdCounts(options.metrics)
  }

  configure(config: StatsdConfig | undefined): void {
    const before = this.#config
    this.#config = config
    if (before?.host === config?.host && before?.port === config?.port) return
    const leaving = this.#target
    this.#target = config && new StatsdTarget(config, { ...this.#options, counts: this.#counts })
    if (leaving === undefined) return
    const closed = leaving.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  send(metric: StatsdMetric): void {
    if (this.#target === undefined) return
    const rate = this.#config?.sampleRates[metric.name] ?? 1
    if (rate < 1 && this.#options.random() >= rate) return
    this.#target.send(formatMetric(metric, rate))
  }

  listener<Event>(toMetrics: (event: Event) => readonly StatsdMetric[]): (event: Event) => void {
    return (event) => {
      if (this.#target === undefined) return
      for (const metric of toMetrics(event)) this.send(metric)
    }
  }

  async close(): Promise<void> {
    this.configure(undefined)
    await Promise.all(this.#closing)
  }
}
