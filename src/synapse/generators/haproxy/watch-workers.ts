import { type Clock, pause } from '../../../core/clock.ts'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import type { HaproxyMetrics } from './haproxy-metrics.ts'
import type { HaproxyProcess } from './process.ts'
import type { WorkerLink } from './worker-link.ts'

/** How often a worker that has nothing to do is asked whether it is still there, and how long it may take to say so. */
const PING_EVERY_MS = 500
const PING_DEADLINE_MS = 500
/** Every so many pings the old workers are counted. */
const COUNT_OLD_WORKERS_EVERY = 10

export interface WatchOptions {
  readonly links: readonly WorkerLink[]
  readonly process: HaproxyProcess
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: HaproxyMetrics
  /** Whether HAProxy has been started at all. */
  readonly active: () => boolean
  readonly onLost: () => void
}

/** Old workers, each with when it was first seen to be one. */
type OldWorkers = ReadonlyMap<number, number>

/** Notices within a second that a worker is gone, hangs, or was replaced by somebody else. */
export async function watchWorkers(options: WatchOptions, signal: AbortSignal): Promise<void> {
  const { active, clock, log } = options
  let old: OldWorkers = new Map()
  for (let tick = 0; !signal.aborted; tick++) {
    await pause(clock, PING_EVERY_MS, signal)
    if (signal.aborted || !active()) continue
    try {
      await ping(options, signal)
      if (tick % COUNT_OLD_WORKERS_EVERY === 0) old = await lookAtOldWorkers(old, options, signal)
    } catch (error) {
      if (!signal.aborted) log.debug('haproxy is not to be asked now', { reason: messageOf(error) })
    }
  }
}

async function ping({ links, metrics, onLost }: WatchOptions, signal: AbortSignal): Promise<void> {
  const answers = await Promise.all(links.map((link) => link.ping(PING_DEADLINE_MS, signal)))
  const lost = answers.some((problem) => problem !== undefined)
  metrics.up.set(lost ? 0 : 1)
  if (lost) onLost()
}

async function lookAtOldWorkers(
  before: OldWorkers,
  { process, metrics, clock }: WatchOptions,
  signal: AbortSignal,
): Promise<OldWorkers> {
  const pids = (await process.oldWorkers(signal)) ?? []
  const now = clock.now()
  const seen = new Map(pids.map((pid) => [pid, before.get(pid) ?? now]))
  metrics.oldWorkers.set(seen.size)
  metrics.oldestWorker.set(seen.size === 0 ? 0 : (now - Math.min(...seen.values())) / 1000)
  return seen
}
