import type { DesiredState, ObservedState, RuntimeCommand, Tombstone } from './model.ts'

/**
 * When servers in maintenance are deleted. Late and rarely: HAProxy up to 2.8 can crash when a server is deleted soon after
 * it went into maintenance, and refuses while connections are attached, idle ones included.
 */

export interface TombstoneInput {
  readonly desired: DesiredState
  readonly observed: ObservedState
  /** In ms of the caller's clock. */
  readonly now: number
  /** `tombstone_delete_delay` in ms. */
  readonly deleteDelayMs: number
}

/** The tombstones after an observation: new ones, and the older ones that are still there and still unwanted. */
export function updateTombstones(previous: readonly Tombstone[], input: TombstoneInput): readonly Tombstone[] {
  const { desired, observed, now, deleteDelayMs } = input
  // By two names and not by one key of both: there may be thousands, at each pass.
  const old = new Map<string, Map<string, Tombstone>>()
  for (const tombstone of previous) {
    const known = old.get(tombstone.backend) ?? new Map<string, Tombstone>()
    old.set(tombstone.backend, known.set(tombstone.name, tombstone))
  }
  return [...desired.backends.values()].flatMap((backend) => {
    const resting = (observed.backends.get(backend.name) ?? []).filter(({ adminState }) => adminState === 'maint')
    if (resting.length === 0) return []
    const wanted = new Set(backend.servers.map(({ name }) => name))
    const known = old.get(backend.name)
    const fresh = { backend: backend.name, since: now, nextTryAt: now + deleteDelayMs, refusals: 0 }
    return resting
      .filter(({ name }) => !wanted.has(name) && !backend.fixedServers?.has(name))
      .map(({ name }) => known?.get(name) ?? { ...fresh, name })
  })
}

/** Deletions that are due, the oldest first. */
export function planDeletions(tombstones: readonly Tombstone[], now: number): readonly RuntimeCommand[] {
  return tombstones
    .filter(({ nextTryAt }) => nextTryAt <= now)
    .sort((a, b) => a.since - b.since)
    .map(({ backend, name }) => ({ kind: 'del-server', backend, name }))
}

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 15_000
const MAX_REFUSALS = 20

/** A tombstone whose deletion HAProxy refused: tried again later and later, and in the end left to the next reload. */
export function afterRefusal(tombstone: Tombstone, now: number): Tombstone {
  const refusals = tombstone.refusals + 1
  const waitMs =
    refusals >= MAX_REFUSALS
      ? Number.POSITIVE_INFINITY
      : Math.min(FIRST_RETRY_MS * 2 ** (refusals - 1), LONGEST_RETRY_MS)
  return { ...tombstone, refusals, nextTryAt: now + waitMs }
}

/** When the next deletion is due, for the caller's requeue; undefined when none is. */
export function nextDeletionAt(tombstones: readonly Tombstone[]): number | undefined {
  const next = Math.min(...tombstones.map(({ nextTryAt }) => nextTryAt))
  return Number.isFinite(next) ? next : undefined
}
