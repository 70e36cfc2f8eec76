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

/** More than this in one worker, and the oldest do not wait for the whole of a long delay. */
export const MOST_TOMBSTONES = 1000
/** The delay that is always waited for. */
const SAFE_DELAY_MS = 10_000

/** The same tombstones; where there are too many, the oldest are due as soon as is safe, unless they were looked at already. */
export function hastened(tombstones: readonly Tombstone[], deleteDelayMs: number): readonly Tombstone[] {
  const surplus = tombstones.length - MOST_TOMBSTONES
  if (surplus <= 0 || deleteDelayMs <= SAFE_DELAY_MS) return tombstones
  return [...tombstones]
    .sort((a, b) => a.since - b.since)
    .map((tombstone, index) => {
      const isNew = tombstone.refusals === 0 && tombstone.busyLooks === undefined
      return index < surplus && isNew ? { ...tombstone, nextTryAt: tombstone.since + SAFE_DELAY_MS } : tombstone
    })
}

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 15_000
const MAX_REFUSALS = 20

const backoffMs = (failures: number) => Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS)

/** Between the two looks that must both find a server without connections. */
const SECOND_LOOK_MS = 1000

/** A tombstone that was looked at: one that connections hold, e.g. for an hour, is looked at less and less often. */
export function afterLook(tombstone: Tombstone, isQuiet: boolean, now: number): Tombstone {
  const busyLooks = isQuiet ? 0 : (tombstone.busyLooks ?? 0) + 1
  return { ...tombstone, busyLooks, nextTryAt: now + (isQuiet ? SECOND_LOOK_MS : backoffMs(busyLooks)) }
}

/** A tombstone whose deletion HAProxy refused: tried again later and later, and in the end left to the next reload. */
export function afterRefusal(tombstone: Tombstone, now: number): Tombstone {
  const refusals = tombstone.refusals + 1
  const waitMs = refusals >= MAX_REFUSALS ? Number.POSITIVE_INFINITY : backoffMs(refusals)
  return { ...tombstone, refusals, nextTryAt: now + waitMs }
}

/** When the next deletion is due, for the caller's requeue; undefined when none is. */
export function nextDeletionAt(tombstones: Iterable<Tombstone>): number | undefined {
  let next = Number.POSITIVE_INFINITY
  for (const { nextTryAt } of tombstones) next = Math.min(next, nextTryAt)
  return Number.isFinite(next) ? next : undefined
}
