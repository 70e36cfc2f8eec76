/** How well the checks of many services kept to their interval, by what the services saw. */
export interface Punctuality {
  readonly checks: number
  /** Of each check, how much later than one interval after its predecessor it came, ms; 0 when it came earlier. */
  readonly lateMs: readonly number[]
  /** Intervals in which a service was not checked. */
  readonly leftOut: number
}

/**
 * Judges arrivals, of each service in order. `from` and `to` are when counting began and ended: a service that is not
 * checked at all is late as well. Instants and the interval in ms.
 */
export function punctuality(
  services: readonly (readonly number[])[],
  { from, to, intervalMs }: { readonly from: number; readonly to: number; readonly intervalMs: number },
): Punctuality {
  const lateMs: number[] = []
  let leftOut = 0
  for (const arrivals of services) {
    let before = from
    for (const [index, at] of arrivals.entries()) {
      if (index > 0) lateMs.push(Math.max(0, at - before - intervalMs))
      leftOut += wholeIntervals(at - before, intervalMs)
      before = at
    }
    leftOut += wholeIntervals(to - before, intervalMs)
  }
  return { checks: services.reduce((sum, arrivals) => sum + arrivals.length, 0), lateMs, leftOut }
}

/** Intervals of a gap that have no check: none in a gap of one and a bit, one in a gap of two. */
function wholeIntervals(gapMs: number, intervalMs: number): number {
  return Math.max(0, Math.round(gapMs / intervalMs) - 1)
}
