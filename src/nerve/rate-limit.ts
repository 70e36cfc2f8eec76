import type { RateLimitingConfig } from './config.ts'
import type { Registration } from './reporters/reporter.ts'

/** What a registration may change between. */
export type RegistrationKind = Registration['kind']

/** The token bucket of one service, and what it let through last. */
export interface RateLimitState {
  readonly tokens: number
  /** When `tokens` was right, ms. */
  readonly at: number
  /** What the registries may say. undefined before the first change is let through. */
  readonly released: RegistrationKind | undefined
  /** The change that found no token, so that it is told once however often it is looked at. */
  readonly throttled: RegistrationKind | undefined
}

export interface Admission {
  readonly state: RateLimitState
  /** Whether a change finds no token now that did not find one before: the moment to tell somebody. */
  readonly newlyThrottled: boolean
  /** When the change that is held back gets its token. undefined: nothing is held back, or no token ever comes. */
  readonly retryInMs: number | undefined
}

/** No limit: every change is let through. */
export const unlimited: RateLimitingConfig = {
  averageRate: Number.POSITIVE_INFINITY,
  maxBurst: Number.POSITIVE_INFINITY,
  shadowMode: true,
}

/** A bucket that was just set up. It holds `average_rate` tokens, not `max_burst` (Airbnb's rule, reference airbnb.md 2.7). */
export function createRateLimit({ averageRate }: RateLimitingConfig, now: number): RateLimitState {
  return { tokens: averageRate, at: now, released: undefined, throttled: undefined }
}

/** The bucket of an edited limit, set up anew as Airbnb's nerve does; what the registries may say stays. */
export function editRateLimit({ released }: RateLimitState, config: RateLimitingConfig, now: number): RateLimitState {
  return { ...createRateLimit(config, now), released }
}

/**
 * Whether the registries may say `wanted` now. Only a change takes a token. A refused one takes nothing, so the bucket
 * goes on filling and the change gets through later; one that is taken back meanwhile costs nothing. In shadow mode
 * every change is let through, and only told of.
 */
export function admit(
  state: RateLimitState,
  wanted: RegistrationKind,
  { averageRate, maxBurst, shadowMode }: RateLimitingConfig,
  now: number,
): Admission {
  if (wanted === state.released) return { state: { ...state, throttled: undefined }, ...granted }
  if (averageRate === Number.POSITIVE_INFINITY) return { state: { ...state, ...passed(wanted) }, ...granted }
  const seconds = (now - state.at) / 1000
  const tokens = Math.min(maxBurst, state.tokens + averageRate * seconds)
  if (tokens >= 1) return { state: { tokens: tokens - 1, at: now, ...passed(wanted) }, ...granted }
  const newlyThrottled = state.throttled !== wanted
  if (shadowMode) return { state: { ...state, ...passed(wanted) }, newlyThrottled, retryInMs: undefined }
  const retryInMs = averageRate === 0 ? undefined : Math.ceil(((1 - tokens) / averageRate) * 1000)
  return { state: { ...state, throttled: wanted }, newlyThrottled, retryInMs }
}

const granted = { newlyThrottled: false, retryInMs: undefined }

const passed = (wanted: RegistrationKind) => ({ released: wanted, throttled: undefined })
