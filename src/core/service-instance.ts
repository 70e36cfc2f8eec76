/** A JSON value, as labels may hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** One instance of a service as synapse sees it. Everything in it came from a registry and is only trusted as data. */
export interface ServiceInstance {
  /** The registering nerve's `instance_id`, or '' when the registration names none. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** What `host` resolves to, where it is a name and somebody has asked; never from a registry. */
  readonly address?: string
  readonly weight?: number
  readonly haproxyServerOptions?: string
  /** HAProxy's numeric server id when the instance brings one (`haproxy_server_id`; default servers and state files only). */
  readonly haproxyServerId?: number
  readonly labels?: Readonly<Record<string, Json>>
  /** The sequence number of the znode's name; leader election compares it. */
  readonly sequence?: number
}

/**
 * What nerve publishes. The key order of the JSON and the type of `port` are part of the contract with a fleet that
 * compares bytes (Airbnb nerve 0.9.7, reference airbnb.md 2.8).
 */
export interface InstancePayload {
  readonly host: string
  readonly port: number | string
  readonly name: string
  readonly weight?: number | undefined
  readonly haproxyServerOptions?: Json | undefined
  readonly labels?: Readonly<Record<string, Json>> | undefined
  /** Given: the payload is written as BlaBlaCar's nerve does. */
  readonly available?: boolean
  readonly unavailableReason?: string
}

/**
 * Compact JSON: host, port, name, then weight, haproxy_server_options and labels if given. With `available` it is the one
 * of BlaBlaCar's nerve (reference blablacar-yelp.md 1.7): see there.
 */
export function encodePayload(payload: InstancePayload): string {
  if (payload.available !== undefined) return encodeAvailability(payload)
  return JSON.stringify({
    host: payload.host,
    port: payload.port,
    name: payload.name,
    weight: payload.weight,
    haproxy_server_options: payload.haproxyServerOptions,
    labels: payload.labels,
  })
}

/** Keys in the order of Go's struct, left out where Go's `omitempty` leaves them out; the labels sorted, as Go does. */
function encodeAvailability(payload: InstancePayload): string {
  const { available, unavailableReason, host, port, name, haproxyServerOptions, weight, labels } = payload
  const entries = Object.entries({
    available,
    unavailable_reason: unavailableReason || undefined,
    host,
    port: Number(port),
    name,
    haproxy_server_options: haproxyServerOptions || undefined,
    weight: weight ?? 0,
  })
  const sorted = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const members = entries.filter(([, value]) => value !== undefined).map(encodeMember)
  if (sorted.length > 0) members.push(`"labels":{${sorted.map(encodeMember).join(',')}}`)
  return escapeAsGo(`{${members.join(',')}}`)
}

/** Objects of JavaScript put keys that are numbers first; text keeps the order. */
const encodeMember = ([key, value]: readonly [string, unknown]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`

/** Go's encoder keeps JSON harmless inside HTML and JavaScript, and knows no short form of two control characters. */
function escapeAsGo(json: string): string {
  return json
    .replaceAll(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll(/\\(?:\\|b|f)/g, (short) => GO_ESCAPES[short] ?? short)
}

const GO_ESCAPES: Readonly<Record<string, string>> = { '\\b': '\\u0008', '\\f': '\\u000c' }

/** A registration that could be read, or why not: one bad znode is named and left out, it never stops the others. */
export type DecodedInstance =
  | {
      readonly ok: true
      readonly instance: ServiceInstance
      /** The registration says `available: false` (BlaBlaCar's nerve): it is there, but not to be used. */
      readonly unavailable?: true
      /** Keys whose values make no sense, and what those should have been; the instance is without them. */
      readonly oddities?: readonly string[]
    }
  | { readonly ok: false; readonly reason: string }

/** Reads nerve's JSON. Unknown keys are ignored, so newer nerves may add some. */
export function decodePayload(json: string): DecodedInstance {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { ok: false, reason: 'not JSON' }
  }
  if (!isRecord(value)) return { ok: false, reason: 'not a JSON object' }
  const { host, port, name, weight, haproxy_server_options: options, labels, available } = value
  if (typeof host !== 'string' || !HOST.test(host))
    return { ok: false, reason: 'host is missing or not a host name or address' }
  const portNumber = decodePort(port)
  if (portNumber === undefined) return { ok: false, reason: 'port is missing or not 1 to 65535' }
  if (name !== undefined && name !== null && typeof name !== 'string')
    return { ok: false, reason: 'name is not a string' }
  if (name && !isServerName(name)) return { ok: false, reason: 'name has characters that HAProxy does not allow' }
  return {
    ok: true,
    ...(available === false ? { unavailable: true } : {}),
    ...odditiesOf(value),
    instance: {
      name: name ?? '',
      host,
      port: portNumber,
      ...(isWeight(weight) ? { weight } : {}),
      ...(typeof options === 'string' && options.trim() !== '' ? { haproxyServerOptions: options } : {}),
      ...(isRecord(labels) ? { labels: labels as Record<string, Json> } : {}),
    },
  }
}

/** Of the keys that an instance can do without. */
function odditiesOf({ weight, haproxy_server_options: options, labels }: Readonly<Record<string, unknown>>) {
  const isAbsent = (value: unknown) => value === undefined || value === null
  const oddities = [
    ...(isAbsent(weight) || isWeight(weight) ? [] : ['weight is not a whole number of 0 or more']),
    ...(isAbsent(options) || typeof options === 'string' ? [] : ['haproxy_server_options is not a string']),
    ...(isAbsent(labels) || isRecord(labels) ? [] : ['labels is not a map']),
  ]
  return oddities.length === 0 ? {} : { oddities }
}

// HAProxy's own limits: a server name takes [A-Za-z0-9_.:-], an address no white space or '#'. Length: RFC 1035's 253.
const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9]+)?)$/
const NAME = /^[A-Za-z0-9_.:-]{1,255}$/

/** Whether readers can take it for the name of an instance: it becomes the name of a server in HAProxy. */
export const isServerName = (name: string): boolean => NAME.test(name)

function decodePort(value: unknown): number | undefined {
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535 ? port : undefined
}

function isWeight(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
