import type { Backoff } from './backoff.ts'
import { type Clock, pause } from './clock.ts'
import { WakeUp } from './wake-up.ts'

export interface ReconcileResult {
  /** Ask for another pass after this many ms even if nothing triggers it. Default: the loop's `resyncMs`. */
  readonly requeueAfterMs?: number | undefined
}

export interface ReconcileLoopOptions {
  readonly clock: Clock
  /** Waits after failed passes. */
  readonly backoff: Backoff
  /**
   * Least ms between the starts of two passes: the first trigger runs at once, followers within this time are merged. Only
   * a pass that was triggered makes others wait; one of the loop's own accord never delays what a trigger asks for.
   */
  readonly settleMs: number
  /** Longest ms without a pass; repairs what nobody told us of. */
  readonly resyncMs: number
  /** Makes the world as desired. Reads the whole desired state itself; the same call twice must be harmless. */
  readonly reconcile: (signal: AbortSignal) => Promise<ReconcileResult>
  readonly onError: (error: unknown, retryInMs: number) => void
}

/**
 * Runs reconcile passes one at a time, for ever: at start, after a trigger, after a failure (with back-off), when asked
 * to requeue, and every `resyncMs`. Triggers carry no data, so any number of them may merge into one.
 */
export class ReconcileLoop {
  readonly #options: ReconcileLoopOptions
  #dirty = false
  readonly #wakeUp = new WakeUp()

  constructor(options: ReconcileLoopOptions) {
    this.#options = options
  }

  /** Asks for a pass. One that comes during a pass asks for another. */
  trigger(): void {
    this.#dirty = true
    this.#wakeUp.wake()
  }

  /** Resolves when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { backoff, clock, reconcile, resyncMs, settleMs, onError } = this.#options
    let waitMs = 0
    while (!signal.aborted) {
      if (!this.#dirty) await this.#wakeUp.wait(clock, waitMs, signal)
      if (signal.aborted) return
      const started = clock.now()
      const triggered = this.#dirty
      this.#dirty = false // before the pass: a trigger during it asks for another
      try {
        waitMs = (await reconcile(signal)).requeueAfterMs ?? resyncMs
        backoff.reset()
      } catch (error) {
        if (signal.aborted) return
        waitMs = backoff.next()
        onError(error, waitMs)
      }
      const settleLeftMs = settleMs - (clock.now() - started)
      if (triggered) await pause(clock, settleLeftMs, signal)
      else waitMs = Math.max(waitMs, settleLeftMs)
    }
  }
}
