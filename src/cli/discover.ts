import { type Clock, pause } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { createMetrics } from '../core/metrics.ts'
import { Registry } from '../core/registry.ts'
import type { SynapseConfig } from '../synapse/config.ts'
import * as watcherTypes from '../synapse/watchers/index.ts'
import type { Discovery } from '../synapse/watchers/watcher.ts'
import { createSessionPool } from '../zookeeper/session-pool.ts'
import { readOnly } from './read-only-sessions.ts'

export interface DiscoverContext {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/**
 * Asks the registry of every service once, with synapse's own watchers and without changing anything there. Services that
 * it does not answer for within `deadlineMs` are absent.
 */
export async function discover(
  { services }: SynapseConfig,
  deadlineMs: number,
  { clock, random, log }: DiscoverContext,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Discovery>> {
  const registry = new Registry('discovery method', watcherTypes)
  const metrics = createMetrics()
  const pool = createSessionPool({ clock, log, metrics, random })
  const sessions = readOnly(pool)
  const found = new Map<string, Discovery>()
  const enough = new AbortController()
  const onAbort = () => enough.abort()
  signal.addEventListener('abort', onAbort, { once: true })
  const watching = services.map(({ name, discovery: { method, options } }) => {
    const onUnreadable = () => {} // the log says it
    const context = { service: name, clock, log: log.child({ service: name }), metrics, random, sessions, onUnreadable }
    const watcher = registry.get(method).create(context, options)
    return watcher.run((discovery) => {
      found.set(name, discovery)
      if (found.size === services.length) enough.abort()
    }, enough.signal)
  })
  try {
    if (services.length > 0) await pause(clock, deadlineMs, enough.signal)
    signal.throwIfAborted()
    return new Map(found)
  } finally {
    enough.abort()
    signal.removeEventListener('abort', onAbort)
    await Promise.allSettled(watching)
    await pool.close()
  }
}
