/** The golden ratio: whatever their number, the multiples of it modulo 1 are spread more evenly than by any other step. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

/**
 * Checks whose phases are this close run together. A thousand a second on kept connections or over TCP that wake the process
 * one by one cost a quarter more CPU time.
 */
const SLOT_MS = 20

/**
 * Gives each check its phase: where in its interval it runs, from 0 to 1. Dice would make crowds: with a thousand checks
 * some moments have twice as many as others, and what comes late there makes all behind it late. Begins at a random phase, so that the
 * nerves of many machines do not check in step.
 */
export function createPhases(random: () => number): () => number {
  let phase = random()
  return () => {
    phase = (phase + GOLDEN_RATIO) % 1
    return phase
  }
}

/** Node's timers may end so much sooner than they say, by the monotonic clock. */
const TIMER_EARLY_MS = 2

/** A run that has ended. Instants are those of the monotonic clock, ms. */
export interface EndedRun {
  /** When it was to start; undefined for the first one. */
  readonly due: number | undefined
  /** When it did. */
  readonly startedAt: number
  readonly endedAt: number
}

/**
 * When the next run is due: at the phase of the check, so that small delays do not add up. A check that takes longer than
 * its interval is run again at once. Runs that this process was too late for are left out: with a thousand checks that make up
 * for lost time, or go on from where they are, one crowd would stay together for good.
 */
export function nextDue({ due, startedAt, endedAt }: EndedRun, phase: number, intervalMs: number): number {
  if (due !== undefined && due + intervalMs >= endedAt) return due + intervalMs
  // Also one that has waited for its whole timeout, when that is the interval.
  if (endedAt - startedAt >= intervalMs - TIMER_EARLY_MS) return endedAt
  const offset = Math.floor((phase * intervalMs) / SLOT_MS) * SLOT_MS
  return offset + (Math.floor((endedAt - offset) / intervalMs) + 1) * intervalMs
}
