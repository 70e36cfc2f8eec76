import { readFile, rename, writeFile } from 'node:fs/promises'
import { type Clock, pause } from '../../../core/clock.ts'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import type { ServiceInstance } from '../../../core/service-instance.ts'
import type { Backends } from '../../backends.ts'
import type { HaproxyService } from './desired-model.ts'
import type { Backend } from './model.ts'
import { serverName } from './server-line.ts'
import { decodeState, encodeState, type KnownServer, type KnownService } from './state-file.ts'

/** Written at least this often: Airbnb's users watch its age. */
const WRITE_MS = 60_000
/** Changes within this time are written together. */
const SETTLE_MS = 1_000

export interface ServerMemoryOptions {
  /** `state_file_path`. */
  readonly path: string
  /** `state_file_ttl`, ms. */
  readonly ttlMs: number
  /** What HAProxy has or shall have, for the ids. */
  readonly backends: () => ReadonlyMap<string, Backend>
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Airbnb's state file: servers that are gone stay in HAProxy, out of service, until they were not seen for `state_file_ttl`,
 * and servers keep their ids, also from one synapse to the next.
 */
export class ServerMemory {
  readonly #options: ServerMemoryOptions
  #known = new Map<string, KnownService>()
  readonly #taken = new Map<string, { readonly from: Backends; readonly backends: Backends }>()
  #services: readonly HaproxyService[] = []
  #changed = false
  #wake: () => void = () => {}
  #problem: string | undefined

  constructor(options: ServerMemoryOptions) {
    this.#options = options
  }

  /** Reads the file. One that is missing or makes no sense counts as empty. */
  async load(): Promise<void> {
    const { path, log } = this.#options
    try {
      this.#known = new Map(decodeState(await readFile(path, 'utf8')))
    } catch (error) {
      log.warn('starting without a state file', { path, reason: messageOf(error) })
    }
  }

  /** The services with the ids that their servers had, and with the servers that are gone, disabled. */
  take(services: readonly HaproxyService[]): readonly HaproxyService[] {
    this.#services = services
    return services.map((service) => {
      const known = this.#taken.get(service.name)
      if (known?.from === service.backends) return { ...service, backends: known.backends }
      const backends = this.#withGone(service)
      this.#taken.set(service.name, { from: service.backends, backends })
      this.#changed = true
      this.#wake()
      return { ...service, backends }
    })
  }

  /** Writes the file every minute and soon after changes, until the signal aborts; then once more. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      await this.#sleep(signal)
      if (this.#changed) await pause(clock, SETTLE_MS, signal)
      await this.#save()
    }
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    if (this.#changed) return
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#wake = wake
    signal.addEventListener('abort', wake, { once: true })
    await pause(this.#options.clock, WRITE_MS, woken.signal)
    signal.removeEventListener('abort', wake)
  }

  #withGone({ name, backends }: HaproxyService): Backends {
    const before = this.#known.get(name)?.servers ?? new Map<string, KnownServer>()
    const timestamp = this.#seconds()
    const servers = new Map<string, KnownServer>()
    const instances: ServiceInstance[] = []
    for (const instance of backends.instances) {
      const server = serverName(instance)
      const id = instance.haproxyServerId ?? before.get(server)?.id
      servers.set(server, { instance, timestamp, id })
      instances.push(id === undefined ? instance : { ...instance, haproxyServerId: id })
    }
    for (const [server, known] of before) {
      if (servers.has(server) || this.#isForgotten(known)) continue
      servers.set(server, known)
      instances.push(disabled(known))
    }
    this.#known.set(name, { servers })
    return { ...backends, instances }
  }

  /** Stamps those that are there and drops those that were not seen for too long. */
  #refresh(): void {
    const timestamp = this.#seconds()
    const ids = idsByServer(this.#options.backends())
    const live = new Map(this.#services.map((service) => [service.name, service]))
    for (const [name, { servers, options }] of this.#known) {
      const service = live.get(name)
      const names = new Set(service?.backends.instances.map(serverName))
      const kept = [...servers]
        .map(([server, known]): [string, KnownServer] => {
          const id = ids.get(`${name}\n${server}`) ?? known.id
          return [server, names.has(server) ? { ...known, timestamp, id } : { ...known, id }]
        })
        .filter(([, known]) => !this.#isForgotten(known))
      if (kept.length < servers.size) this.#taken.delete(name)
      if (kept.length === 0 && service === undefined) this.#known.delete(name)
      else this.#known.set(name, { servers: new Map(kept), options: service?.options ?? options })
    }
  }

  async #save(): Promise<void> {
    const { path, log } = this.#options
    this.#changed = false
    this.#refresh()
    try {
      await writeFile(`${path}.tmp`, encodeState(this.#known), { mode: 0o644 })
      await rename(`${path}.tmp`, path)
      this.#problem = undefined
    } catch (error) {
      const problem = messageOf(error)
      if (problem !== this.#problem) log.warn('cannot write the state file', { path, reason: problem })
      this.#problem = problem
    }
  }

  #isForgotten({ timestamp }: KnownServer): boolean {
    return this.#seconds() - timestamp > this.#options.ttlMs / 1000
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.wallTime() / 1000)
  }
}

/** In HAProxy, but out of service: when it returns it is only told to be ready. */
function disabled({ instance, id }: KnownServer): ServiceInstance {
  const haproxyServerOptions = `${instance.haproxyServerOptions ?? ''} disabled`.trim()
  return { ...instance, haproxyServerOptions, ...(id === undefined ? {} : { haproxyServerId: id }) }
}

function idsByServer(backends: ReadonlyMap<string, Backend>): ReadonlyMap<string, number> {
  return new Map(
    [...backends.values()].flatMap(({ service, servers }) =>
      servers.map(({ name, id }): [string, number] => [`${service}\n${name}`, id]),
    ),
  )
}
