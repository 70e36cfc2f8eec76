import type { Clock } from '../../../core/clock.ts'
import type { HaproxyMetrics } from './haproxy-metrics.ts'

interface PendingEvent {
  readonly at: number
  /** Its commands are answered. */
  applied: boolean
  /** It could not be confirmed by the pass that saw it first, e.g. because it takes a reload. */
  waited: boolean
}

/** Measures the way from a registry event to HAProxy. Per service the oldest event that is not confirmed counts. */
export class Propagation {
  readonly #histogram: HaproxyMetrics['propagation']
  readonly #clock: Clock
  #pending = new Map<string, PendingEvent>()

  constructor(histogram: HaproxyMetrics['propagation'], clock: Clock) {
    this.#histogram = histogram
    this.#clock = clock
  }

  /** An event for this service arrived. */
  note(service: string, at: number | undefined): void {
    if (at !== undefined && !this.#pending.has(service))
      this.#pending.set(service, { at, applied: false, waited: false })
  }

  /** HAProxy answered commands for this service. */
  applied(service: string): void {
    const event = this.#pending.get(service)
    if (event === undefined || event.applied) return
    event.applied = true
    this.#histogram.observe({ stage: 'applied' }, this.#secondsSince(event))
  }

  /**
   * A pass is over. An event that changed nothing is not counted.
   * @param isSettled whether a service is as desired, read back from HAProxy.
   */
  confirmed(isSettled: (service: string) => boolean): void {
    for (const [service, event] of this.#pending) {
      if (!isSettled(service)) {
        event.waited = true
        continue
      }
      this.#pending.delete(service)
      if (event.applied || event.waited) this.#histogram.observe({ stage: 'confirmed' }, this.#secondsSince(event))
    }
  }

  #secondsSince({ at }: PendingEvent): number {
    return (this.#clock.now() - at) / 1000
  }
}
