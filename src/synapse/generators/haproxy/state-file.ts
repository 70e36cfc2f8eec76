import { decodePayload, type ServiceInstance } from '../../../core/service-instance.ts'

/** The state file of Airbnb's synapse (reference airbnb.md 3.10): servers by service, with when each was seen last. */

/** A server that was seen. */
export interface KnownServer {
  readonly instance: ServiceInstance
  /** Unix time in seconds. */
  readonly timestamp: number
  /** HAProxy's id of it, if known. */
  readonly id?: number | undefined
}

/** One service in the state file. */
export interface KnownService {
  /** By the name of the server. */
  readonly servers: ReadonlyMap<string, KnownServer>
  /** The service's options for this generator. */
  readonly options?: unknown
}

const OPTIONS = 'watcher_config_for_generator'

export function encodeState(services: ReadonlyMap<string, KnownService>): string {
  const state = [...services].map(([name, { servers, options }]) => [
    name,
    {
      ...Object.fromEntries([...servers].map(([server, known]) => [server, encodeServer(known)])),
      [OPTIONS]: options ?? {},
    },
  ])
  return `${JSON.stringify(Object.fromEntries(state), null, 2)}\n`
}

function encodeServer({ instance, timestamp, id }: KnownServer) {
  const { name, host, port, weight, haproxyServerOptions, labels, sequence } = instance
  return {
    timestamp,
    haproxy_server_id: id ?? instance.haproxyServerId,
    name,
    host,
    port,
    id: sequence,
    weight,
    haproxy_server_options: haproxyServerOptions,
    labels,
  }
}

/** Entries that make no sense are left out. @throws SyntaxError when the text is no state file at all. */
export function decodeState(text: string): ReadonlyMap<string, KnownService> {
  const value: unknown = JSON.parse(text)
  if (!isRecord(value)) throw new SyntaxError('not a JSON object')
  return new Map(
    Object.entries(value).flatMap(([service, entries]): [string, KnownService][] => {
      if (!isRecord(entries)) return []
      const { [OPTIONS]: options, ...servers } = entries
      return [[service, { servers: new Map(Object.entries(servers).flatMap(decodeServer)), options }]]
    }),
  )
}

function decodeServer([name, value]: [string, unknown]): [string, KnownServer][] {
  if (!isRecord(value)) return []
  const decoded = decodePayload(JSON.stringify(value))
  const { timestamp, haproxy_server_id: id, id: sequence } = value
  if (!decoded.ok || typeof timestamp !== 'number') return []
  const instance = typeof sequence === 'number' ? { ...decoded.instance, sequence } : decoded.instance
  return [[name, { instance, timestamp, id: Number.isSafeInteger(id) ? Number(id) : undefined }]]
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
