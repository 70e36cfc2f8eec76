import { getEventListeners } from 'node:events'
import type { Clock } from './clock.ts'
import { SmartStackError } from './errors.ts'

/**
 * A time limit for pieces of work, one after the other. The promise of a run settles when its time is over, or at `stop`,
 * whether or not the work obeys its signal, so a stuck library cannot hold its caller.
 *
 * A signal that nothing was done to serves the next run too: Node 20 makes them so slowly, and so that V8 has to move each
 * one to old space, that they would cost a check over TCP a tenth of its CPU time.
 */
export class TimeLimit {
  /** What each run is allowed, ms. */
  readonly ms: number
  readonly #clock: Clock
  readonly #missed: (lateMs: number) => Error
  /** Neither aborted nor listened to. */
  #spare: AbortController | undefined
  #abort: ((reason: unknown) => void) | undefined
  #isStopped = false

  /** @param missed makes the error of a run whose time is over: noticed `lateMs` late, because this process was busy. */
  constructor(clock: Clock, ms: number, missed: (lateMs: number) => Error) {
    this.ms = ms
    this.#clock = clock
    this.#missed = missed
  }

  /** Whether the last run was ended by `stop`. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Ends the run under way, if there is one, with this reason. */
  stop(reason: unknown): void {
    if (this.#abort === undefined) return
    this.#isStopped = true
    this.#abort(reason)
  }

  /** @throws what `missed` makes, what `stop` is given, or what `work` throws. */
  run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const controller = this.#spare ?? new AbortController()
      const due = this.#clock.now() + this.ms
      const end = () => {
        cancel()
        if (this.#abort === abort) this.#abort = undefined
      }
      const abort = (reason: unknown) => {
        end()
        controller.abort(reason)
        reject(reason)
      }
      const settled = () => {
        end()
        if (isUntouched(controller.signal)) this.#spare = controller
      }
      const failed = (error: unknown) => {
        settled()
        reject(error)
      }
      const cancel = this.#clock.after(this.ms, () => abort(this.#missed(this.#clock.now() - due)))
      this.#spare = undefined
      this.#abort = abort
      this.#isStopped = false
      try {
        work(controller.signal).then((value) => {
          settled()
          resolve(value)
        }, failed)
      } catch (error) {
        failed(error)
      }
    })
  }
}

const isUntouched = (signal: AbortSignal): boolean => !signal.aborted && getEventListeners(signal, 'abort').length === 0

/**
 * Runs `work` for at most `ms`. Its signal aborts at the deadline or with the outer `signal`; the returned promise
 * settles then whether or not `work` obeys.
 * @throws SmartStackError DEADLINE with `what` in its message, or `signal.reason`.
 */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const missed = () =>
    new SmartStackError('DEADLINE', `${what} took longer than ${Math.round(ms)} ms`, { retryable: true })
  return runUnder(signal, new TimeLimit(clock, ms, missed), work)
}

/** Runs `work` within `limit`, and ends it when `signal` aborts. */
export async function runUnder<T>(
  signal: AbortSignal,
  limit: TimeLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const onAbort = () => limit.stop(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await limit.run(work)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
