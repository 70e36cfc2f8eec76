import type { Clock } from '../../../core/clock.ts'
import { pause } from '../../../core/clock.ts'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import type { ServiceInstance } from '../../../core/service-instance.ts'
import type { Backends } from '../../backends.ts'
import { parseHost } from './addresses.ts'
import type { HaproxyService } from './desired-model.ts'
import { serverName } from './server-line.ts'

/** Asks the system for the addresses of a host name. Rejects when there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>

/** A name is asked for again after this time. */
const REFRESH_MS = 30_000
const FIRST_RETRY_MS = 1_000
/** Lookups wait in the thread pool of four that files need as well. */
const MAX_LOOKUPS = 2

interface HostName {
  /** The last good answer, kept while there is no other. */
  readonly address?: string | undefined
  readonly dueAt: number
  readonly failures: number
  /** Why the last lookup failed. */
  readonly problem?: string | undefined
}

export interface HostNamesOptions {
  readonly lookup: Lookup
  readonly clock: Clock
  readonly log: Logger
  /** An address is another than before. */
  readonly onChange: () => void
}

/**
 * Finds the addresses of instances that were registered with a host name, because HAProxy resolves none for servers that
 * are added at run time. Nobody waits for a lookup: an instance joins when its answer is there.
 */
export class HostNames {
  readonly #options: HostNamesOptions
  readonly #hosts = new Map<string, HostName>()
  readonly #busy = new Set<string>()
  readonly #resolved = new WeakMap<Backends, { readonly version: number; readonly backends: Backends }>()
  readonly #names = new WeakMap<Backends, ReadonlySet<string>>()
  /** Addresses by the name of the server, from the file that an earlier synapse left. */
  #remembered: ReadonlyMap<string, string> = new Map()
  #version = 0
  #wake: () => void = () => {}

  constructor(options: HostNamesOptions) {
    this.#options = options
  }

  /** Takes the addresses in the file of an earlier synapse, which count until the first answer. */
  remember(configText: string): void {
    const lines = configText.matchAll(/^\s*server (\S+) (?:\[([0-9a-f:.]+)\]|([0-9.]+)):\d+ id /gm)
    this.#remembered = new Map([...lines].map(([, name = '', v6, v4 = '']) => [name, v6 ?? v4]))
  }

  /** The services with the addresses that are known; instances whose address is not yet known are left out. */
  resolve(services: readonly HaproxyService[]): readonly HaproxyService[] {
    const wanted = new Set<string>()
    const resolved = services.map((service) => {
      const names = this.#namesIn(service)
      for (const name of names) wanted.add(name)
      return names.size === 0 ? service : { ...service, backends: this.#withAddresses(service.backends) }
    })
    for (const host of this.#hosts.keys()) if (!wanted.has(host)) this.#hosts.delete(host)
    const { clock } = this.#options
    for (const host of wanted) if (!this.#hosts.has(host)) this.#hosts.set(host, { dueAt: clock.now(), failures: 0 })
    if (wanted.size > 0) this.#wake()
    return resolved
  }

  /** Names without an address, with the reason, for the status page. */
  get problems(): readonly string[] {
    return [...this.#hosts].flatMap(([host, { address, problem }]) =>
      address === undefined && problem !== undefined ? [`no address for ${host}: ${problem}`] : [],
    )
  }

  /** Lives until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = this.#options.clock.now()
      const waiting = [...this.#hosts].filter(([host]) => !this.#busy.has(host))
      const due = waiting.filter(([, { dueAt }]) => dueAt <= now).slice(0, MAX_LOOKUPS - this.#busy.size)
      for (const [host] of due) this.#look(host, signal)
      const nextAt = Math.min(...waiting.filter(([, { dueAt }]) => dueAt > now).map(([, { dueAt }]) => dueAt))
      await this.#sleep(Math.min(nextAt - now, REFRESH_MS), signal)
    }
  }

  /** Until something is due, or something happens: a new name, or the end of a lookup. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#wake = wake
    signal.addEventListener('abort', wake, { once: true })
    await pause(this.#options.clock, ms, woken.signal)
    signal.removeEventListener('abort', wake)
  }

  #look(host: string, signal: AbortSignal): void {
    this.#busy.add(host)
    const settle = (answer: (known: HostName) => HostName) => {
      this.#busy.delete(host)
      const known = this.#hosts.get(host)
      if (known === undefined || signal.aborted) return
      this.#settle(host, known, answer(known))
    }
    this.#options.lookup(host).then(
      (addresses) => settle((known) => this.#answered(known, addresses)),
      (error: unknown) => settle((known) => this.#failed(known, messageOf(error))),
    )
  }

  #answered(known: HostName, answers: readonly string[]): HostName {
    const addresses = answers.flatMap((answer) => {
      const parsed = parseHost(answer)
      return parsed.kind === 'ip' ? [parsed.host] : []
    })
    if (addresses.length === 0) return this.#failed(known, 'the answer has no address')
    // Names with several addresses are answered in another order each time: one that still holds is kept.
    const address = addresses.find((each) => each === known.address) ?? addresses.toSorted()[0]
    return { address, dueAt: this.#options.clock.now() + REFRESH_MS, failures: 0 }
  }

  #failed({ address, failures }: HostName, problem: string): HostName {
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** failures, REFRESH_MS)
    return { address, problem, dueAt: this.#options.clock.now() + waitMs, failures: failures + 1 }
  }

  #settle(host: string, before: HostName, after: HostName): void {
    const { log, onChange } = this.#options
    this.#hosts.set(host, after)
    if (after.problem !== undefined && after.problem !== before.problem) {
      log.warn('host name not resolved', { host, reason: after.problem, meanwhile: after.address ?? 'left out' })
    }
    if (before.problem !== undefined && after.problem === undefined) log.info('host name resolved', { host })
    this.#wake()
    if (after.address === before.address) return
    if (before.address !== undefined) log.info('address changed', { host, from: before.address, to: after.address })
    this.#version += 1
    onChange()
  }

  #withAddresses(backends: Backends): Backends {
    const known = this.#resolved.get(backends)
    if (known?.version === this.#version) return known.backends
    const resolved = { ...backends, instances: backends.instances.flatMap((instance) => this.#addressed(instance)) }
    this.#resolved.set(backends, { version: this.#version, backends: resolved })
    return resolved
  }

  #addressed(instance: ServiceInstance): readonly ServiceInstance[] {
    if (parseHost(instance.host).kind !== 'name') return [instance]
    const address = this.#hosts.get(instance.host)?.address ?? this.#remembered.get(serverName(instance))
    return address === undefined ? [] : [{ ...instance, address }]
  }

  #namesIn({ options, backends }: HaproxyService): ReadonlySet<string> {
    let names = this.#names.get(backends)
    if (names === undefined) {
      names = hostNames(backends)
      this.#names.set(backends, names)
    }
    return names.size === 0 || options.disabled || leavesItToHaproxy(options) ? NONE : names
  }
}

function hostNames({ instances }: Backends): ReadonlySet<string> {
  const named = instances.filter(hasName)
  return named.length === 0 ? NONE : new Set(named.map(({ host }) => host))
}

/** Kept, since thousands of instances are looked at whenever one changes. */
const named = new WeakMap<ServiceInstance, boolean>()

function hasName(instance: ServiceInstance): boolean {
  const known = named.get(instance)
  if (known !== undefined) return known
  const isName = parseHost(instance.host).kind === 'name'
  named.set(instance, isName)
  return isName
}

const NONE: ReadonlySet<string> = new Set()

/** HAProxy is told how to resolve names itself: then it does, and such servers take a reload. */
function leavesItToHaproxy({ server_options, backend, listen }: HaproxyService['options']): boolean {
  return /\b(?:resolvers|init-addr)\b/.test([server_options, ...backend, ...listen].join('\n'))
}
