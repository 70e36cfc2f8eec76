import { type Clock, withDeadline } from '../../core/clock.ts'
import { SmartStackError } from '../../core/errors.ts'

/** Something did not come in time. */
export class DeadlineMissed extends SmartStackError {
  /** The time that was allowed, ms. */
  readonly limitMs: number
  /** How much later than `limitMs` the deadline was noticed, ms: much means that this process itself was too slow to see an answer. */
  readonly lateMs: number

  constructor(message: string, limitMs: number, lateMs: number) {
    super('DEADLINE', message, { retryable: true })
    this.limitMs = limitMs
    this.lateMs = lateMs
  }
}

/**
 * Runs `work` for at most `ms` and says, when that was not enough, what did not come: `no greeting from db:3306 within 100 ms`.
 * `waitingFor` is asked at the deadline. The promise settles at the deadline whether or not `work` obeys its signal.
 * @throws DeadlineMissed, `signal.reason`, or what `work` throws.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  waitingFor: () => string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const started = clock.now()
  let limit: AbortSignal | undefined
  try {
    return await withDeadline(clock, ms, 'it', signal, (inner) => {
      limit = inner
      return work(inner)
    })
  } catch (error) {
    if (signal.aborted || !limit?.aborted || error !== limit.reason) throw error
    throw new DeadlineMissed(`no ${waitingFor()} within ${Math.round(ms)} ms`, ms, clock.now() - started - ms)
  }
}
