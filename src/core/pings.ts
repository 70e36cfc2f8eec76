import { type Clock, Pauses } from './clock.ts'
import type { Task } from './tasks.ts'

/** How a service is, as far as it is known without asking anybody. */
export interface Ping {
  readonly service: string
  readonly ok: boolean
  /** How often to look, ms. */
  readonly everyMs: number
}

/** No service is looked at more often, whatever its check_interval. */
const LEAST_MS = 100
/** A service that an edit added, or its shorter check_interval, is seen after this time. */
const MOST_MS = 1_000

/** Tells again and again how each service is, as often as Airbnb's daemons ping: dashboards take it for a sign of life. */
export function createPingTask(
  clock: Clock,
  pings: () => readonly Ping[],
  onPing: (service: string, ok: boolean) => void,
): Task {
  return {
    name: 'pings',
    async run(signal) {
      const pauses = new Pauses(clock, signal)
      // When each was told last, and not when it is due: an edit changes that.
      let told: ReadonlyMap<string, number> = new Map()
      while (!signal.aborted) {
        const now = clock.now()
        const toldNow = new Map<string, number>()
        let waitMs = MOST_MS
        for (const { service, ok, everyMs } of pings()) {
          const pauseMs = Math.max(LEAST_MS, everyMs)
          const before = told.get(service)
          const isDue = before === undefined || before + pauseMs <= now
          if (isDue) onPing(service, ok)
          const at = isDue ? now : before
          toldNow.set(service, at)
          waitMs = Math.min(waitMs, at + pauseMs - now)
        }
        told = toldNow
        await pauses.next(waitMs)
      }
    },
  }
}
