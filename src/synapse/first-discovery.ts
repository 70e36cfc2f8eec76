import type { Clock } from '../core/clock.ts'
import { WakeUp } from '../core/wake-up.ts'

/** Nobody tells that a registry cannot be reached, so that is looked at this often. */
const LOOK_MS = 50

export interface FirstDiscoveryOptions {
  readonly clock: Clock
  /** How many services the registry has not answered for yet. */
  readonly missing: () => number
  /** Without another service's answer for so long, ms, there is nothing to wait for. */
  readonly quietMs: number
  /** Whether none of them can be answered for, since their registries refuse the connection. */
  readonly isAway: () => boolean
  /** The same time, while that is so: another member of an ensemble may take the connection in a moment. */
  readonly awayMs: number
  /** Longest wait in all, ms. */
  readonly longestMs: number
}

/**
 * What a generator waits for before its first pass: that the registry has answered for every service, so that ten thousand
 * instances come to HAProxy with the file it starts from, and not one by one. A registry that is silent is not waited for.
 */
export class FirstDiscovery {
  readonly #options: FirstDiscoveryOptions
  readonly #wakeUp = new WakeUp()

  constructor(options: FirstDiscoveryOptions) {
    this.#options = options
  }

  /** Some service may have been answered for. */
  look(): void {
    this.#wakeUp.wake()
  }

  /** Resolves when nothing is missing, nothing more comes, or `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const { clock, missing, isAway, quietMs, awayMs, longestMs } = this.#options
    const end = clock.now() + longestMs
    let answeredAt = clock.now()
    for (let left = missing(); left > 0 && !signal.aborted; ) {
      const quietAt = answeredAt + (isAway() ? awayMs : quietMs)
      const waitMs = Math.min(quietAt, end) - clock.now()
      if (waitMs <= 0) return
      await this.#wakeUp.wait(clock, Math.min(waitMs, LOOK_MS), signal)
      const now = missing()
      if (now < left) answeredAt = clock.now()
      left = now
    }
  }
}
