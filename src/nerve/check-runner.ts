import { type Clock, Pauses } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { type Metrics, startCounter } from '../core/metrics.ts'
import type { Task } from '../core/tasks.ts'
import type { TimeLimit } from '../core/time-limit.ts'
import type { Check } from './checks/check.ts'
import { createLimit, DeadlineMissed } from './checks/deadline.ts'
import { oneLine } from './checks/failure.ts'
import type { CheckResult } from './health.ts'
import { nextDue } from './phases.ts'
import type { StartGate } from './start-gate.ts'

/** The first run comes within this time, so that one service is registered at once and a thousand do not fire at once. */
const FIRST_RUN_WITHIN_MS = 100
/** So many runs in a row may be thrown away because this process was too slow to see an answer; the next one counts. */
const MAX_UNFAIR_RUNS = 3
/**
 * Being this late means that this process stood still, e.g. was suspended with its machine: a service may have died
 * meanwhile, and the verdicts from before prove nothing.
 */
const STOOD_STILL_MS = 1_000
const MAX_REASON_LENGTH = 300
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export interface CheckRunnerOptions {
  readonly name: string
  readonly type: string
  /** The service the check belongs to, for the metrics. */
  readonly service: string
  readonly check: Check
  /** From the start of a run to the start of the next. A run that takes longer is followed by the next at once. */
  readonly intervalMs: number
  /** Hard limit of a run, unless the check has a `deadlineMs` of its own. */
  readonly timeoutMs: number
  /** Limit of a whole run, whatever the check allows itself. Default: none. */
  readonly deadlineMs?: number | undefined
  readonly clock: Clock
  /** Where in its interval the check runs, from 0 to 1. */
  readonly phase: number
  readonly metrics: Metrics
  /** Which the runs of all checks share. Default: each starts when it is due. */
  readonly gate?: StartGate | undefined
  /** Gets each verdict. Not called for a run that the stop interrupted. */
  readonly onResult: (result: CheckResult) => void
  /** The last verdict is out of date, because this process stood still. Default: nobody listens. */
  readonly onOutdated?: () => void
}

/**
 * Runs a check for ever, one run at a time. The first run comes within the first 100 ms (or interval, if that is shorter),
 * the second when the phase of the check comes round, so that the checks of many services spread over the interval.
 * Does not close the check. Rejects only when `onResult` throws.
 */
export function createCheckRunner(options: CheckRunnerOptions): Task {
  return new CheckRunner(options)
}

class CheckRunner implements Task {
  readonly #options: CheckRunnerOptions
  readonly #metrics: RunMetrics
  readonly #limit: TimeLimit
  #startedAt = 0

  constructor(options: CheckRunnerOptions) {
    const { check, clock, timeoutMs, deadlineMs = Number.POSITIVE_INFINITY } = options
    this.#options = options
    const limitMs = Math.min(check.deadlineMs ?? timeoutMs, deadlineMs)
    this.#limit = createLimit(clock, limitMs, () => waitedFor(check))
    this.#metrics = createRunMetrics(options)
  }

  get name(): string {
    return `check ${this.#options.name} of ${this.#options.service}`
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, phase, onResult } = this.#options
    const pauses = new Pauses(clock, signal)
    signal.addEventListener('abort', () => this.#limit.stop(signal.reason), { once: true })
    await pauses.next(phase * Math.min(intervalMs, FIRST_RUN_WITHIN_MS))
    let due: number | undefined
    while (!signal.aborted) {
      const result = await this.#verdict(signal)
      if (result === undefined) return
      onResult(result)
      due = nextDue({ due, startedAt: this.#startedAt, endedAt: clock.now() }, phase, intervalMs)
      await pauses.next(due - clock.now())
      this.#noticeStandstill(due)
    }
  }

  /** One verdict, or undefined when stopped. */
  async #verdict(signal: AbortSignal): Promise<CheckResult | undefined> {
    const { runs } = this.#metrics
    for (let unfair = 0; ; unfair++) {
      const run = await this.#runOnce(signal)
      if (run.kind === 'stopped') return undefined
      if (run.kind === 'judged' || unfair === MAX_UNFAIR_RUNS) {
        runs[run.result.ok ? 'pass' : 'fail'].inc()
        return run.result
      }
      runs.late.inc()
    }
  }

  async #runOnce(signal: AbortSignal): Promise<CheckRun> {
    const { check, clock, gate } = this.#options
    const turn = gate?.pass()
    if (turn !== undefined) await turn
    if (signal.aborted) return { kind: 'stopped' }
    this.#startedAt = clock.now()
    const run = await runCheck(check, this.#limit, clock)
    if (run.kind !== 'stopped') this.#metrics.took((clock.now() - this.#startedAt) / 1000)
    if (run.kind === 'unfair') this.#noticeStandstill(this.#startedAt + this.#limit.ms)
    return run
  }

  #noticeStandstill(due: number): void {
    const { clock, onOutdated } = this.#options
    if (clock.now() - due > STOOD_STILL_MS) onOutdated?.()
  }
}

/**
 * How a run ended. `unfair` is a result that says more of this process than of the service: the deadline was noticed so
 * late that an answer may be lying unread, or an answer was read so late that it may tell of long ago.
 */
export type CheckRun =
  | { readonly kind: 'judged'; readonly result: CheckResult }
  | { readonly kind: 'unfair'; readonly result: CheckResult }
  | { readonly kind: 'stopped' }

/** Runs a check once, within the limit. Never rejects. */
export async function runCheck(check: Check, limit: TimeLimit, clock: Clock): Promise<CheckRun> {
  const started = clock.now()
  /** After a standstill Node may read what has arrived before it looks at its timers. */
  const isOld = () => clock.now() - started - limit.ms > STOOD_STILL_MS
  try {
    await limit.run((signal) => check.run(signal))
    return { kind: isOld() ? 'unfair' : 'judged', result: { ok: true } }
  } catch (error) {
    if (limit.isStopped) return { kind: 'stopped' }
    const reason = oneLine(messageOf(error), MAX_REASON_LENGTH)
    return { kind: isUnfair(error) || isOld() ? 'unfair' : 'judged', result: { ok: false, reason } }
  }
}

/** Asked by a timer, where an error would be the end of nerve. */
function waitedFor(check: Check): string {
  try {
    return check.waitingFor?.() ?? 'answer'
  } catch (error) {
    return `answer (its waitingFor() threw ${messageOf(error)})`
  }
}

/** Timers are late by a millisecond or two in good times; a quarter of what was allowed takes a stalled process. */
function isUnfair(error: unknown): boolean {
  return error instanceof DeadlineMissed && error.lateMs > Math.max(10, error.limitMs / 4)
}

function createRunMetrics({ metrics, service, name, type }: CheckRunnerOptions) {
  const runs = metrics.counter(
    'nerve_check_runs_total',
    'Runs of a check by result; late: not counted as a verdict, because nerve itself was too slow to see an answer.',
    ['service', 'check', 'result'],
  )
  const started = (result: 'pass' | 'fail' | 'late') => startCounter(runs, { service, check: name, result })
  const duration = metrics.histogram(
    'nerve_check_duration_seconds',
    'How long runs of checks took.',
    DURATION_BUCKETS,
    ['type'],
  )
  const labels = { type }
  return {
    runs: { pass: started('pass'), fail: started('fail'), late: started('late') },
    took: (seconds: number) => duration.observe(labels, seconds),
  }
}

type RunMetrics = ReturnType<typeof createRunMetrics>
