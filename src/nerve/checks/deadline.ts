import type { Clock } from '../../core/clock.ts'
import { SmartStackError } from '../../core/errors.ts'
import { TimeLimit } from '../../core/time-limit.ts'

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
 * A limit that says what did not come in time: `no greeting from db:3306 within 100 ms`. `waitingFor` is asked at the
 * deadline. It ends its work with a DeadlineMissed.
 */
export function createLimit(clock: Clock, ms: number, waitingFor: () => string): TimeLimit {
  return new TimeLimit(
    clock,
    ms,
    (lateMs) => new DeadlineMissed(`no ${waitingFor()} within ${Math.round(ms)} ms`, ms, lateMs),
  )
}
