/** When the next reload may happen: `restart_interval` and `restart_jitter` of Airbnb's synapse. The first is free. */
export interface ReloadLimiter {
  /** ms until a reload may begin; 0: now. */
  waitMs(now: number): number
  /** A reload begins: the next has to wait. */
  begin(now: number): void
}

/**
 * @param intervalMs least time between the starts of two reloads.
 * @param jitter up to this fraction of the interval is added at random, so that a fleet does not reload in step.
 */
export function createReloadLimiter(intervalMs: number, jitter: number, random: () => number): ReloadLimiter {
  let notBefore = Number.NEGATIVE_INFINITY
  return {
    waitMs: (now) => Math.max(0, notBefore - now),
    begin(now) {
      notBefore = now + intervalMs * (1 + jitter * random())
    },
  }
}
