/** The outcome of one run of a check. */
export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/**
 * What is known of one check. `unknown` until its first verdict, and when the last one is out of date (`wasUp`):
 * `successes` or `failures` say what it has in a row so far.
 */
export type HealthState =
  | { readonly status: 'unknown'; readonly successes?: number; readonly failures?: number; readonly wasUp?: true }
  | { readonly status: 'up'; readonly failures: number }
  | { readonly status: 'down'; readonly successes: number; readonly reason: string }

export interface Thresholds {
  /** Successes in a row that bring a down check up. */
  readonly rise: number
  /** Failures in a row that bring an up check down. */
  readonly fall: number
  /**
   * What the first verdict takes: the first result, whatever rise and fall say (Airbnb's rule, reference airbnb.md 2.5; the
   * default), or as many in a row as any later one (BlaBlaCar's rule, reference blablacar-yelp.md 1.5).
   */
  readonly firstVerdict?: 'first-result' | 'full-streak'
}

/** Takes one result. Most say what is known already: that is the same state, not another that is like it. */
export function step(state: HealthState, result: CheckResult, thresholds: Thresholds): HealthState {
  const { rise, fall } = thresholds
  switch (state.status) {
    case 'unknown':
      if (state.wasUp) return confirm(state, result, thresholds)
      if (thresholds.firstVerdict === 'full-streak') return firstStreak(state, result, thresholds)
      return result.ok ? { status: 'up', failures: 0 } : { status: 'down', successes: 0, reason: result.reason }
    case 'up':
      return stepUp(state, result, fall)
    case 'down': {
      if (!result.ok) return { status: 'down', successes: 0, reason: result.reason }
      const successes = state.successes + 1
      return successes < rise ? { ...state, successes } : { status: 'up', failures: 0 }
    }
  }
}

function stepUp(state: HealthState & { status: 'up' }, result: CheckResult, fall: number): HealthState {
  if (result.ok) return state.failures === 0 ? state : { status: 'up', failures: 0 }
  const failures = state.failures + 1
  return failures < fall ? { status: 'up', failures } : { status: 'down', successes: 0, reason: result.reason }
}

/**
 * What is left of a verdict when nobody has looked for too long. A check that was up has to show that it still is: one
 * success is enough for that, and as many failures in a row as ever bring it down.
 */
export function outdated(state: HealthState): HealthState {
  return state.status === 'up' ? { status: 'unknown', failures: state.failures, wasUp: true } : state
}

function confirm(
  { failures = 0 }: { readonly failures?: number },
  result: CheckResult,
  { fall }: Thresholds,
): HealthState {
  if (result.ok) return { status: 'up', failures: 0 }
  if (failures + 1 < fall) return { status: 'unknown', failures: failures + 1, wasUp: true }
  return { status: 'down', successes: 0, reason: result.reason }
}

function firstStreak(
  { successes = 0, failures = 0 }: { readonly successes?: number; readonly failures?: number },
  result: CheckResult,
  { rise, fall }: Thresholds,
): HealthState {
  if (result.ok)
    return successes + 1 < rise ? { status: 'unknown', successes: successes + 1 } : { status: 'up', failures: 0 }
  if (failures + 1 < fall) return { status: 'unknown', failures: failures + 1 }
  return { status: 'down', successes: 0, reason: result.reason }
}
