import type { ServiceInstance } from '../core/service-instance.ts'

/** When so many instances vanish at once that the registry is to be doubted rather than the instances. */
export interface PanicPolicy {
  /** Share of the registrations that must be gone, 0 to 1. 1 turns the hold off. */
  readonly threshold: number
  /** What counts as at once, ms. */
  readonly windowMs: number
  /** Longest hold, ms; after it the registry is believed. 0 turns the hold off. */
  readonly holdMs: number
}

/** Fewer vanished instances than this are never a panic: small services lose half of theirs at any restart. */
export const LEAST_VANISHED = 3

/** An answer of the registry. */
export interface Listing {
  readonly instances: readonly ServiceInstance[]
  /** Registered as not to be used, which is a word and no silence: they did not vanish, and are never held. Default: none. */
  readonly withdrawn?: readonly ServiceInstance[] | undefined
}

/** How many registrations there were when, newest last, as far back as the window reaches. */
type Sizes = readonly { readonly at: number; readonly size: number }[]

interface Listed {
  /** What is served. During a hold: what the registry lists, and the held. */
  readonly instances: readonly ServiceInstance[]
  /** Registered as not to be used. */
  readonly withdrawn: readonly ServiceInstance[]
}

export type PanicState =
  | (Listed & { readonly kind: 'calm'; readonly sizes: Sizes })
  | (Listed & {
      readonly kind: 'holding'
      readonly since: number
      /** How many there were before. */
      readonly baseline: number
      readonly held: number
    })

export const calm: PanicState = { kind: 'calm', sizes: [], instances: [], withdrawn: [] }

/**
 * Takes a listing. When more than the threshold (and more than two) vanished within the window, the vanished stay, and
 * the proxy's own health checks decide about them; until enough are listed again or the hold has lasted long enough.
 * A listing that replaces old instances by as many new ones is no panic, nor is one that says of each that it is not to
 * be used: somebody took them out on purpose, and may then remove them. Envoy has the same idea (its panic threshold).
 */
export function guard(state: PanicState, listing: Listing, now: number, policy: PanicPolicy): PanicState {
  const { instances, withdrawn = [] } = listing
  const size = instances.length + withdrawn.length
  const left = without(state.withdrawn, [...instances, ...withdrawn]).length
  const sizes = state.kind === 'calm' ? smaller(recent(state.sizes, now, policy.windowMs), left) : []
  const baseline = state.kind === 'calm' ? Math.max(0, ...sizes.map(({ size }) => size)) : state.baseline - left
  const since = state.kind === 'calm' ? now : state.since
  if (isPanic(baseline, size, policy) && now - since < policy.holdMs) {
    const held = without(state.instances, [...instances, ...withdrawn])
    return { kind: 'holding', since, baseline, instances: [...instances, ...held], withdrawn, held: held.length }
  }
  return { kind: 'calm', sizes: [...sizes, { at: now, size }], instances, withdrawn }
}

/**
 * What a former process knew, as if it had just been listed: who restarts synapse during an accident of the registry shall not
 * lose what was held. `first` is the first listing of this process. One that shares nothing with what was known may be of another
 * path: it is believed.
 */
export function remembered(known: readonly ServiceInstance[], first: Listing, now: number): PanicState {
  const { instances, withdrawn = [] } = first
  const isAnother = without(known, [...instances, ...withdrawn]).length === known.length
  return isAnother ? calm : { kind: 'calm', sizes: [{ at: now, size: known.length }], instances: known, withdrawn: [] }
}

function isPanic(baseline: number, listed: number, { threshold }: PanicPolicy): boolean {
  const vanished = baseline - listed
  return vanished >= LEAST_VANISHED && vanished > threshold * baseline
}

/** The newest size from before the window still holds at its start. */
function recent(sizes: Sizes, now: number, windowMs: number): Sizes {
  const start = sizes.findLastIndex(({ at }) => at <= now - windowMs)
  return sizes.slice(Math.max(0, start))
}

/** As if those that had said that they go had never been there. */
const smaller = (sizes: Sizes, left: number): Sizes => sizes.map(({ at, size }) => ({ at, size: size - left }))

function without(served: readonly ServiceInstance[], listed: readonly ServiceInstance[]): ServiceInstance[] {
  const identities = new Set(listed.map(identity))
  return served.filter((instance) => !identities.has(identity(instance)))
}

const identity = ({ name, host, port }: ServiceInstance) => `${name}\n${host}\n${port}`
