/** The outcome of one run of a check. */
export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** What is known of one check. `unknown` until its first result. */
export type HealthState =
  | { readonly status: 'unknown' }
  | { readonly status: 'up'; readonly failures: number }
  | { readonly status: 'down'; readonly successes: number; readonly reason: string }

export interface Thresholds {
  /** Successes in a row that bring a down check up. */
  readonly rise: number
  /** Failures in a row that bring an up check down. */
  readonly fall: number
}

/** Takes one result. The first result decides at once, whatever rise and fall say (Airbnb's rule, reference airbnb.md 2.5). */
export function step(state: HealthState, result: CheckResult, { rise, fall }: Thresholds): HealthState {
  switch (state.status) {
    case 'unknown':
      return result.ok ? { status: 'up', failures: 0 } : { status: 'down', successes: 0, reason: result.reason }
    case 'up': {
      if (result.ok) return { status: 'up', failures: 0 }
      const failures = state.failures + 1
      return failures < fall ? { status: 'up', failures } : { status: 'down', successes: 0, reason: result.reason }
    }
    case 'down': {
      if (!result.ok) return { status: 'down', successes: 0, reason: result.reason }
      const successes = state.successes + 1
      return successes < rise ? { ...state, successes } : { status: 'up', failures: 0 }
    }
  }
}
