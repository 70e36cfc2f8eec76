import type { Clock } from './clock.ts'

/**
 * A sleep that others can end, for loops that wait hundreds of times a second: an `AbortController` for each wait, whose
 * abort makes an exception with a stack, costs more than most of what such a loop does.
 */
export class WakeUp {
  #wake: () => void = () => {}

  /** Ends the present wait, if there is one. A later wait is not concerned. */
  wake(): void {
    this.#wake()
  }

  /** Resolves after `ms`, when woken, or when `signal` aborts; at once when `ms` is not above 0. Never rejects. One at a time. */
  wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        signal.removeEventListener('abort', end)
        this.#wake = () => {}
        resolve()
      }
      const cancel = clock.after(ms, end)
      signal.addEventListener('abort', end, { once: true })
      this.#wake = end
    })
  }
}
