import { performance } from 'node:perf_hooks'
import { SmartStackError } from './errors.ts'

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
  now: () => performance.now(),
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
 * Runs `work` for at most `ms`. Its signal aborts at the deadline or with the outer `signal`; the returned promise
 * settles then whether or not `work` obeys, so a stuck library cannot hold its caller.
 * @throws SmartStackError DEADLINE with `what` in its message, or `signal.reason`.
 */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Checks do this thousands of times a second: each listener and each promise less is seen in the CPU time.
  return new Promise<T>((resolve, reject) => {
    signal.throwIfAborted()
    const limit = new AbortController()
    const end = () => {
      cancel()
      signal.removeEventListener('abort', onAbort)
    }
    const stop = (reason: unknown) => {
      end()
      limit.abort(reason)
      reject(reason)
    }
    const onAbort = () => stop(signal.reason)
    const cancel = clock.after(ms, () =>
      stop(new SmartStackError('DEADLINE', `${what} took longer than ${Math.round(ms)} ms`, { retryable: true })),
    )
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      work(limit.signal).then(
        (value) => {
          end()
          resolve(value)
        },
        (error: unknown) => {
          end()
          reject(error)
        },
      )
    } catch (error) {
      end()
      throw error
    }
  })
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
