import { type Clock, pause } from './clock.ts'
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
/** A service that an edit added is seen after this time. */
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
      let due: ReadonlyMap<string, number> = new Map()
      while (!signal.aborted) {
        const now = clock.now()
        const next = new Map<string, number>()
        for (const { service, ok, everyMs } of pings()) {
          const dueAt = due.get(service) ?? now
          if (dueAt <= now) onPing(service, ok)
          next.set(service, dueAt <= now ? now + Math.max(LEAST_MS, everyMs) : dueAt)
        }
        due = next
        await pause(clock, Math.min(MOST_MS, ...[...next.values()].map((at) => at - now)), signal)
      }
    },
  }
}
