import { type Clock, systemClock } from '../../src/core/clock.ts'

/**
 * A clock that goes `times` as fast as the real one: what waits on it, for a retry or a deadline, waits so much less. For
 * tests with real servers that spend their time in such waits; the servers themselves do not hurry.
 */
export function hurriedClock(times: number): Clock {
  return {
    now: () => systemClock.now() * times,
    wallTime: () => systemClock.wallTime(),
    after: (ms, callback) => systemClock.after(ms / times, callback),
  }
}
