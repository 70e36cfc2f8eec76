import type { ReconcileResult } from '../../core/reconcile-loop.ts'
import { type Session, ZooKeeperError } from '../../zookeeper/zookeeper.ts'
import type { ReporterContext } from './reporter.ts'

/** A registration whose renewal is far away is looked at this often all the same, ms. */
const LOOK_MS = 60_000

/** What is renewed, and how often. */
export interface RenewalConfig {
  readonly hosts: readonly string[]
  /** 0: never. */
  readonly ttlMs: number
  /** Look at the registration this often. Default: each minute. */
  readonly lookMs?: number | undefined
}

/** Writes a persistent registration again and again, so that a cleaner can tell it from a dead one (`ttl_seconds`). */
export interface Renewal {
  /** Writes what is registered at `path` again when it is time. Resolves with when to call again. */
  renew(path: string, data: Buffer, signal: AbortSignal): Promise<ReconcileResult>
  /** The registration could not even be looked at: if its renewal is due, it fails. */
  missed(error: unknown): void
}

/**
 * The first renewal comes earlier by chance, so that services which start together are not renewed together. A failure is
 * tried again with the next reconcile, and told once for each time that a renewal is due (reference airbnb.md 2.8).
 */
export function createRenewal(
  { clock, random, onRenewed }: ReporterContext,
  session: Session,
  current: () => RenewalConfig,
): Renewal {
  let written: { readonly path: string; readonly at: number } | undefined
  let failedAt = Number.NEGATIVE_INFINITY

  const missed = (error: unknown) => {
    const { hosts, ttlMs } = current()
    const now = clock.now()
    const isDue = ttlMs > 0 && written !== undefined && now - written.at >= ttlMs
    if (!isDue || now - failedAt < ttlMs) return
    failedAt = now
    const isGone = error instanceof ZooKeeperError && error.code === 'NO_NODE'
    onRenewed({ ok: false, hosts, reason: isGone ? 'no_node' : 'connection_error' })
  }

  return {
    missed,
    async renew(path, data, signal) {
      const { hosts, ttlMs, lookMs = LOOK_MS } = current()
      if (ttlMs === 0) return {}
      if (written?.path !== path) written = { path, at: clock.now() - random() * ttlMs }
      if (clock.now() - written.at >= ttlMs) {
        try {
          await session.setData(path, data, signal)
        } catch (error) {
          if (!signal.aborted) missed(error)
          throw error
        }
        written = { path, at: clock.now() }
        onRenewed({ ok: true, hosts })
      }
      return { requeueAfterMs: Math.min(lookMs, written.at + ttlMs - clock.now()) }
    },
  }
}
