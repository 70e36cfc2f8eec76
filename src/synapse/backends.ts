import type { Json, ServiceInstance } from '../core/service-instance.ts'

/** The instances a service may use now, and where they come from. */
export interface Backends {
  /** `previous`: the registry says that there are none and `use_previous_backends` keeps the last ones. */
  readonly source: 'discovered' | 'default' | 'previous' | 'none'
  readonly instances: readonly ServiceInstance[]
}

/** Keeps instances whose label is, or is not, this value. A missing label is not the value. */
export interface LabelFilter {
  readonly label: string
  readonly value: Json
  readonly condition: 'equals' | 'not-equals'
}

/** The keys of a service that decide about its instances (reference airbnb.md 3.4 and 3.6). */
export interface BackendsPolicy {
  readonly defaultServers: readonly ServiceInstance[]
  readonly keepDefaultServers: boolean
  readonly usePreviousBackends: boolean
  readonly backendPortOverride?: number | undefined
  readonly labelFilters: readonly LabelFilter[]
  readonly leaderElection: boolean
}

/**
 * The set a service shall have after the registry answered; `discovered` is undefined as long as it has not. An empty
 * answer falls back to the default servers, then to the previous ones: discovery alone never empties a service that says so.
 * Returns `previous` itself when nothing changed, so that callers may compare by identity.
 */
export function chooseBackends(
  discovered: readonly ServiceInstance[] | undefined,
  previous: Backends | undefined,
  policy: BackendsPolicy,
): Backends {
  const chosen = choose(discovered, previous, policy)
  return previous !== undefined &&
    previous.source === chosen.source &&
    sameInstances(previous.instances, chosen.instances)
    ? previous
    : chosen
}

function choose(
  discovered: readonly ServiceInstance[] | undefined,
  previous: Backends | undefined,
  policy: BackendsPolicy,
): Backends {
  const defaults = prepare(policy.defaultServers, policy)
  if (discovered === undefined) return previous ?? fallback(defaults)
  const found = prepare(policy.keepDefaultServers ? [...discovered, ...policy.defaultServers] : discovered, policy)
  if (found.length > 0) return { source: 'discovered', instances: found }
  if (defaults.length > 0) return { source: 'default', instances: defaults }
  if (policy.usePreviousBackends && previous !== undefined && previous.instances.length > 0) {
    return { source: 'previous', instances: previous.instances }
  }
  return { source: 'none', instances: [] }
}

function fallback(defaults: readonly ServiceInstance[]): Backends {
  return { source: defaults.length > 0 ? 'default' : 'none', instances: defaults }
}

/** Applies the port override and drops what is registered twice with the same host, port and name, keeping the first. */
function prepare(
  instances: readonly ServiceInstance[],
  { backendPortOverride: port }: BackendsPolicy,
): ServiceInstance[] {
  const byIdentity = new Map<string, ServiceInstance>()
  for (const instance of instances) {
    const final = port === undefined || instance.port === port ? instance : { ...instance, port }
    const identity = identityOf(final)
    if (!byIdentity.has(identity)) byIdentity.set(identity, final)
  }
  return [...byIdentity.values()]
}

/** Kept, since thousands of instances are looked at whenever one changes. */
const identities = new WeakMap<ServiceInstance, string>()

function identityOf(instance: ServiceInstance): string {
  const known = identities.get(instance)
  if (known !== undefined) return known
  const identity = `${instance.name}\n${instance.host}\n${instance.port}`
  identities.set(instance, identity)
  return identity
}

/** What generators get: the label filters applied, and the leader alone where `leader_election` asks for it. */
export function selectInstances(backends: Backends, policy: BackendsPolicy): Backends {
  const { labelFilters, leaderElection } = policy
  if (labelFilters.length === 0 && !leaderElection) return backends
  const matching = backends.instances.filter((instance) => labelFilters.every((filter) => matches(instance, filter)))
  return { source: backends.source, instances: leaderElection ? leader(matching) : matching }
}

function matches({ labels }: ServiceInstance, { label, value, condition }: LabelFilter): boolean {
  const equal =
    labels !== undefined && Object.hasOwn(labels, label) && JSON.stringify(labels[label]) === JSON.stringify(value)
  return condition === 'equals' ? equal : !equal
}

/** The instance with the smallest sequence number; none while any instance has no number, since then nobody knows. */
function leader(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
  let first: ServiceInstance | undefined
  for (const instance of instances) {
    if (instance.sequence === undefined) return []
    if (first?.sequence === undefined || instance.sequence < first.sequence) first = instance
  }
  return first === undefined ? [] : [first]
}

function sameInstances(a: readonly ServiceInstance[], b: readonly ServiceInstance[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  return a.every((instance, index) => instance === b[index] || JSON.stringify(instance) === JSON.stringify(b[index]))
}
