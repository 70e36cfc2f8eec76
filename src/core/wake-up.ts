import type { Clock } from './clock.ts'

const nothing = () => {}

/**
 * A sleep that others can end, for loops that wait hundreds of times a second: an `AbortController` for each wait, whose
 * abort makes an exception with a stack, costs more than most of what such a loop does.
 */
export class WakeUp {
  #wake = nothing
  #signal: AbortSignal | undefined

  /** Ends the present wait, if there is one. A later wait is not concerned. */
  wake(): void {
    this.#wake()
  }

  /** Resolves after `ms`, when woken, or when `signal` aborts; at once when `ms` is not above 0. Never rejects. One at a time. */
  wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return Promise.resolve()
    this.#listen(signal)
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        this.#wake = nothing // written here, V8 would make each in old space, where it keeps alive what it can see
        resolve()
      }
      const cancel = clock.after(ms, end)
      this.#wake = end
    })
  }

  /** Once for all waits with the same signal: see Pauses in clock.ts. */
  #listen(signal: AbortSignal): void {
    if (signal === this.#signal) return
    this.#signal = signal
    const onAbort = () => {
      if (this.#signal === signal) this.#wake()
    }
    signal.addEventListener('abort', onAbort, { once: true })
  }
}
