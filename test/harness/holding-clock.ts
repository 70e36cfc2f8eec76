import { type Clock, systemClock } from '../../src/core/clock.ts'

/** The real clock, whose longer waits can be made to last. */
export interface HoldingClock extends Clock {
  /** From now on only waits of up to `ms` end, those that have begun too. */
  hold(ms: number): void
  /** Ends the waits whose time is over, and holds no further one. */
  release(): void
}

/** For what must not wait: with its clock held, it never comes if it does. */
export function holdingClock(): HoldingClock {
  let longestMs = Number.POSITIVE_INFINITY
  let held: (() => void)[] = []
  return {
    now: () => systemClock.now(),
    wallTime: () => systemClock.wallTime(),
    after(ms, callback) {
      let isCancelled = false
      const end = () => {
        if (isCancelled) return
        if (ms <= longestMs) callback()
        else held.push(end)
      }
      const cancel = systemClock.after(ms, end)
      return () => {
        isCancelled = true
        cancel()
      }
    },
    hold(ms) {
      longestMs = ms
    },
    release() {
      longestMs = Number.POSITIVE_INFINITY
      const over = held
      held = []
      for (const end of over) end()
    },
  }
}
