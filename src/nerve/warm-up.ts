/**
 * The weight of a service that has just become available: it grows step by step, so that a cold instance is not handed a
 * whole share of the traffic at once. Steps and figures are go-nerve's (reference blablacar-yelp.md 1.6). Pure.
 */

/** Shares of the whole weight, out of WHOLE. The first stands for the least weight there is, 1. */
const SHARES = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233]
const LAST_STEP = SHARES.length - 1
const WHOLE = 233
/** How long it is watched whether the service is stable, in steps: as long again as the weight grows, less one. */
const WATCHED_STEPS = 23

/** A warm-up must be allowed at least so many intervals. */
export const MIN_INTERVALS = 23
/** It is allowed so many unless the configuration says otherwise. */
export const DEFAULT_INTERVALS = 30

export type WarmUpState =
  /** The service is not available. */
  | { readonly phase: 'cold' }
  /** A command prepares it; not registered yet. */
  | { readonly phase: 'preparing' }
  /** `step` intervals have passed since it was first registered or was last unstable. */
  | { readonly phase: 'warming'; readonly step: number }
  | { readonly phase: 'warm' }

export type WarmUpEvent =
  /** An interval has passed. `accepted`: some registry holds the weight of this step, so that clients know it. */
  | { readonly kind: 'interval'; readonly accepted: boolean }
  | { readonly kind: 'unstable' }
  | { readonly kind: 'deadline' }

/** What an event makes of a warm-up. It stands still while no registry takes the weight: nobody would see it grow. */
export function stepWarmUp(state: WarmUpState, event: WarmUpEvent): WarmUpState {
  if (state.phase !== 'warming') return state
  switch (event.kind) {
    case 'interval': {
      if (!event.accepted) return state
      const step = state.step + 1
      return step > WATCHED_STEPS ? { phase: 'warm' } : { phase: 'warming', step }
    }
    case 'unstable':
      return { phase: 'warming', step: 0 }
    case 'deadline':
      return { phase: 'warm' }
  }
}

/** The weight to publish, of `weight` when warm; 0 while the service is not available. */
export function weightAt(state: WarmUpState, weight: number): number {
  switch (state.phase) {
    case 'cold':
    case 'preparing':
      return 0
    case 'warming':
      return shareOf(state.step, weight)
    case 'warm':
      return weight
  }
}

/** `weight` at a step of the warm-up: rounded up, and at least 1, unless it is 0: that is for a service without traffic. */
export function shareOf(step: number, weight: number): number {
  if (weight === 0) return 0
  const share = SHARES[Math.min(step, LAST_STEP)] ?? 0
  return Math.max(1, Math.ceil((share * weight) / WHOLE))
}
