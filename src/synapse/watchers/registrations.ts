import { type DecodedInstance, decodePayload, type Json, type ServiceInstance } from '../../core/service-instance.ts'
import { sequenceOf } from '../../zookeeper/names.ts'

/** How registrations are written. */
export type Decode =
  | { readonly method: 'nerve' }
  | { readonly method: 'serverset'; readonly endpoint_name?: string | undefined }

interface Child {
  readonly name: string
  readonly data: Buffer
}

/** What a listing says. */
export interface Registrations {
  readonly instances: readonly ServiceInstance[]
  /** Registered as not to be used. */
  readonly withdrawn: readonly ServiceInstance[]
}

/** A registration that was read, and whether it says that the instance is not to be used. */
interface Registered {
  readonly instance: ServiceInstance
  readonly withdrawn: boolean
}

/** What is wrong with a registration. `isLeftOut`: it cannot be used at all; else it can, without what the reason names. */
export interface BadRegistration {
  readonly child: string
  readonly reason: string
  readonly isLeftOut: boolean
}

/**
 * Turns children into instances. Remembers what it decoded, so that one change among ten thousand costs one decoding, and
 * names a bad registration once, not at every pass.
 */
export function createInstanceDecoder(
  method: Decode,
  onBad: (bad: BadRegistration) => void,
): (children: readonly Child[]) => Registrations {
  // A child's Buffer is the same one until its data changes.
  const known = new WeakMap<Buffer, { readonly name: string; readonly registered: Registered | undefined }>()
  return (children) => {
    const instances: ServiceInstance[] = []
    const withdrawn: ServiceInstance[] = []
    for (const child of children) {
      const before = known.get(child.data)
      const isKnown = before?.name === child.name
      const registered = isKnown ? before.registered : decodeChild(child, method, onBad)
      if (!isKnown) known.set(child.data, { name: child.name, registered })
      if (registered !== undefined) (registered.withdrawn ? withdrawn : instances).push(registered.instance)
    }
    return { instances, withdrawn }
  }
}

function decodeChild(
  { name, data }: Child,
  method: Decode,
  onBad: (bad: BadRegistration) => void,
): Registered | undefined {
  const json = data.toString('utf8')
  const decoded = method.method === 'nerve' ? decodePayload(json) : decodeServerset(json, method.endpoint_name)
  if (!decoded.ok) {
    onBad({ child: name, reason: decoded.reason, isLeftOut: true })
    return undefined
  }
  const { oddities = [] } = decoded
  if (oddities.length > 0) onBad({ child: name, reason: oddities.join('; '), isLeftOut: false })
  const sequence = sequenceOf(name)
  const instance = sequence === undefined ? decoded.instance : { ...decoded.instance, sequence }
  return { instance, withdrawn: decoded.unavailable === true }
}

/** Finagle's serverset member: `serviceEndpoint`, or one of `additionalEndpoints`; `shard` becomes the name (reference airbnb.md 3.7). */
export function decodeServerset(json: string, endpointName: string | undefined): DecodedInstance {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { ok: false, reason: 'not JSON' }
  }
  if (!isRecord(value)) return { ok: false, reason: 'not a JSON object' }
  const additional = isRecord(value['additionalEndpoints']) ? value['additionalEndpoints'] : {}
  const endpoint = endpointName === undefined ? value['serviceEndpoint'] : additional[endpointName]
  if (!isRecord(endpoint)) return { ok: false, reason: `has no endpoint ${endpointName ?? 'serviceEndpoint'}` }
  const shard = value['shard']
  const name = shard === undefined || shard === null ? undefined : String(shard)
  return decodePayload(JSON.stringify({ host: endpoint['host'], port: endpoint['port'], name }))
}

/** Generator name to options, from the data of a service's znode. Empty or missing data is no configuration; bad data is named and left out. */
export function decodeGeneratorConfig(
  data: Buffer | undefined,
  onBad: (reason: string) => void,
): Readonly<Record<string, Json>> | undefined {
  const json = data?.toString('utf8').trim() ?? ''
  if (json === '') return undefined
  try {
    const value: unknown = JSON.parse(json)
    if (isRecord(value)) return value as Record<string, Json>
    onBad('not a JSON object')
  } catch {
    onBad('not JSON')
  }
  return undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
