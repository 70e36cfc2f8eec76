import type { ManualState } from './service.ts'

/**
 * What people have said about services by hand: taken down, forced up, weighted; with a reason, and perhaps until a time.
 * Targets are those of Yelp's hacheck (reference blablacar-yelp.md 3.1): `all`, a service, `service:port`. Pure.
 *
 * The most specific target that says something about availability wins, and likewise for the weight. What is said of a
 * service replaces what was said of its port. A target that is the name of a service means that one alone, also where it
 * could be the port of another. Taking `all` down takes down what was forced or excepted, too; what was
 * disabled by itself stays so when `all` comes back.
 */

/** Every service that does not keep out of global disables. */
export const ALL = 'all'

/** What is said of a target. `enabled` is an exception from what a broader target says. */
export type ManualWord =
  | { readonly kind: 'enabled' }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'forced' }
  | { readonly kind: 'weight'; readonly weight: number }

export interface ManualEntry {
  /** `all`, the name of a service, or `name:port`. */
  readonly target: string
  readonly says: ManualWord
  /** Empty: none was given. */
  readonly reason: string
  /** Who said it, as far as they told. */
  readonly by?: string | undefined
  /** ms since 1970. */
  readonly since: number
  /** ms since 1970; from then on it is as if it had never been said. undefined: until it is taken back. */
  readonly expiresAt?: number | undefined
}

/** At most one entry of each aspect per target. */
export type ManualEntries = readonly ManualEntry[]

/** A service as far as manual state asks. */
export interface ManualService {
  readonly name: string
  readonly port: number
  /** `all` does not take it down. */
  readonly excludeFromGlobalDisable: boolean
  /** Another service is called `name:port`, which means that one then. Default: none is. */
  readonly hasNamesake?: boolean
}

/** What holds for one service. */
export interface Applied {
  /** About its availability. undefined: its checks decide. */
  readonly availability: ManualEntry | undefined
  /** About its weight. undefined: its configuration decides. */
  readonly weight: ManualEntry | undefined
}

export const NOTHING_SAID: Applied = { availability: undefined, weight: undefined }

type Aspect = keyof Applied

const aspectOf = ({ says }: ManualEntry): Aspect => (says.kind === 'weight' ? 'weight' : 'availability')

type Named = Pick<ManualService, 'name' | 'port'>

const portOf = ({ name, port }: Named): string => `${name}:${port}`

/** Whether one of `names`, which are those of all services, is what the port of this one would be called by hand. */
export const findsNamesake = (service: Named, names: ReadonlySet<string>): boolean => names.has(portOf(service))

/** The targets that mean a service, the most specific first. */
export const targetsOf = (service: Named & Pick<ManualService, 'hasNamesake'>): readonly string[] => [
  ...(service.hasNamesake === true ? [] : [portOf(service)]),
  service.name,
  ALL,
]

/** The target that means this service alone: one that is called `all` has none but that with its port. */
export const ownTargetOf = (service: Named): string => (service.name === ALL ? portOf(service) : service.name)

/** The services that a target means. */
export const servicesOf = <Service extends ManualService>(target: string, services: readonly Service[]) =>
  services.filter((service) => targetsOf(service).includes(target))

/** What holds for a service at a time: the most specific entry of each aspect that has not expired. */
export function appliedTo(service: ManualService, entries: ManualEntries, now: number): Applied {
  if (entries.length === 0) return NOTHING_SAID // the usual thing, and asked for at each change of each service
  const standing = targetsOf(service).flatMap((target) =>
    entries.filter((entry) => entry.target === target && !isExpired(entry, now) && reaches(entry, service)),
  )
  return {
    availability: standing.find((entry) => aspectOf(entry) === 'availability'),
    weight: standing.find((entry) => aspectOf(entry) === 'weight'),
  }
}

/** The same in the words of the service machine. */
export function manualStateOf({ availability }: Applied): ManualState {
  switch (availability?.says.kind) {
    case 'disabled':
      return { kind: 'disabled', reason: availability.reason }
    case 'forced':
      return { kind: 'forced', reason: availability.reason }
    default:
      return { kind: 'enabled' }
  }
}

/** The weight that somebody gave; undefined: nobody did. */
export const manualWeightOf = ({ weight }: Applied): number | undefined =>
  weight?.says.kind === 'weight' ? weight.says.weight : undefined

/** Adds an entry in the place of what it replaces. */
export function withEntry(
  entries: ManualEntries,
  entry: ManualEntry,
  services: readonly ManualService[],
): ManualEntries {
  const others = withoutTarget(entries, entry.target, aspectOf(entry), services)
  const agreeing = isGlobalDisable(entry) ? others.filter((other) => !contradicts(other, services)) : others
  return withoutIdle([...agreeing, entry])
}

/**
 * Lets the checks of a target's services decide again, whatever was said. Where a broader target still says otherwise,
 * `entry` stays as the exception from it; when no service is left that follows `all`, that goes too. Services that were
 * disabled by themselves stay so when `all` is enabled.
 */
export function withEnabled(
  entries: ManualEntries,
  entry: ManualEntry & { readonly says: { readonly kind: 'enabled' } },
  services: readonly ManualService[],
): ManualEntries {
  const excepted = withoutIdle([...withoutTarget(entries, entry.target, 'availability', services), entry])
  const followers = services.filter(({ excludeFromGlobalDisable }) => !excludeFromGlobalDisable)
  const exceptions = targetsWith(excepted, 'enabled')
  const isExcepted = (service: ManualService) => targetsOf(service).some((target) => exceptions.has(target))
  if (followers.length === 0 || !followers.every(isExcepted)) return excepted
  return withoutIdle(excepted.filter((other) => other.target !== ALL || aspectOf(other) !== 'availability'))
}

/** Forgets what was said of a target, about one aspect or both. */
export function withoutTarget(
  entries: ManualEntries,
  target: string,
  aspect: Aspect | undefined,
  services: readonly ManualService[],
): ManualEntries {
  const ports =
    target === ALL ? [] : services.filter(({ name }) => name === target).map((service) => targetsOf(service)[0])
  const isMeant = (entry: ManualEntry) =>
    (entry.target === target || ports.includes(entry.target)) && (aspect === undefined || aspectOf(entry) === aspect)
  return withoutIdle(entries.filter((entry) => !isMeant(entry)))
}

/** Splits off what has expired. */
export function splitExpired(entries: ManualEntries, now: number) {
  const standing = withoutIdle(entries.filter((entry) => !isExpired(entry, now)))
  return { standing, expired: entries.filter((entry) => isExpired(entry, now)) }
}

/** When the next entry expires, ms since 1970; undefined: none does. */
export function nextExpiry(entries: ManualEntries): number | undefined {
  const times = entries.flatMap(({ expiresAt }) => expiresAt ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

/** In words for a log line: `disabled`, `weight 10`. */
export const wordsOf = (says: ManualWord): string => (says.kind === 'weight' ? `weight ${says.weight}` : says.kind)

/** An entry as `/state` and the API show it. */
export function entryState({ target, says, reason, by, since, expiresAt }: ManualEntry) {
  return {
    target,
    says: says.kind,
    weight: says.kind === 'weight' ? says.weight : null,
    reason,
    by: by ?? null,
    since: new Date(since).toISOString(),
    expires_at: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
  }
}

const isExpired = ({ expiresAt }: ManualEntry, now: number) => expiresAt !== undefined && expiresAt <= now

const isGlobalDisable = ({ target, says }: ManualEntry) => target === ALL && says.kind === 'disabled'

const reaches = (entry: ManualEntry, { excludeFromGlobalDisable }: ManualService) =>
  !(excludeFromGlobalDisable && isGlobalDisable(entry))

/** Whether an entry would keep a service up that `all` shall take down. */
function contradicts({ target, says }: ManualEntry, services: readonly ManualService[]): boolean {
  if (says.kind !== 'enabled' && says.kind !== 'forced') return false
  return servicesOf(target, services).every(({ excludeFromGlobalDisable }) => !excludeFromGlobalDisable)
}

/** An exception from nothing says nothing. */
function withoutIdle(entries: ManualEntries): ManualEntries {
  const ruled = targetsWith(entries, 'disabled', 'forced')
  return entries.filter(
    ({ says, target }) => says.kind !== 'enabled' || broaderThan(target).some((one) => ruled.has(one)),
  )
}

const targetsWith = (entries: ManualEntries, ...kinds: readonly ManualWord['kind'][]): ReadonlySet<string> =>
  new Set(entries.filter(({ says }) => kinds.includes(says.kind)).map(({ target }) => target))

/** The targets that may mean more than this one: `all`, and what stands before a colon. */
function broaderThan(target: string): readonly string[] {
  if (target === ALL) return []
  const starts = [...target.matchAll(/:/g)].map(({ index }) => target.slice(0, index))
  return [...starts, ALL]
}
