import { hrtime } from 'node:process'

/** Time, passed in. Only this file touches timers; tests hand over a clock that moves when told (test/harness/fake-clock.ts). */
export interface Clock {
  /** Milliseconds on a clock that never jumps. For durations only. */
  now(): number
  /** Milliseconds since 1970. For people, files and expiry dates; may jump. */
  wallTime(): number
  /** Calls back once after `ms`. The returned function cancels; calling it late or twice is harmless. */
  after(ms: number, callback: () => void): () => void
}

/** The real clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  now() {
    const [seconds, nanoseconds] = hrtime() // `performance.now()` needs a module of 0.3 MB, nothing else does
    return seconds * 1000 + nanoseconds / 1e6
  },
  wallTime: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.max(0, ms)) // Node 24 complains of a time that has passed already
    return () => clearTimeout(timer)
  },
}

/** Calls back once after what has arrived on sockets meanwhile was handled. */
export function afterIo(callback: () => void): void {
  setImmediate(callback)
}

/** Resolves after `ms`; rejects with `signal.reason` when aborted first. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const onAbort = () => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** Like `sleep`, for loops: resolves after `ms` or as soon as `signal` aborts, and never rejects. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await sleep(clock, ms, signal).catch((reason: unknown) => {
    if (!signal.aborted) throw reason
  })
}

/**
 * Pauses of one task, one after the other. It listens to `signal` once for all of them: for a thousand tasks that pause
 * each second, a listener that comes and goes with each pause is most of the garbage that V8 has to move to old space.
 */
export class Pauses {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #cancel = () => {}
  #resolve = () => {}

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
    signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  /** Resolves after `ms` or as soon as the signal aborts, and never rejects. One at a time. */
  next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#signal.aborted) return resolve()
      this.#resolve = resolve
      this.#cancel = this.#clock.after(ms, resolve)
    })
  }

  #end(): void {
    this.#cancel()
    this.#resolve()
  }
}

/** Settles as `work` does, but rejects with `signal.reason` at once when aborted. A late failure of `work` is dropped. */
export function rejectOnAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
