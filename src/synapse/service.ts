import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Ping } from '../core/pings.ts'
import type { Registry } from '../core/registry.ts'
import type { Json, ServiceInstance } from '../core/service-instance.ts'
import { observePool } from '../zookeeper/observed-pool.ts'
import type { SessionPool } from '../zookeeper/zookeeper.ts'
import { type Backends, chooseBackends, selectInstances } from './backends.ts'
import type { SynapseServiceConfig } from './config.ts'
import type { SynapseEvent } from './events.ts'
import type { GeneratorType } from './generators/generator.ts'
import { calm, guard, type Listing, type PanicState, remembered } from './panic-hold.ts'
import { mergeRegistryOptions } from './registry-options.ts'
import type { Discovery, Watcher, WatcherType } from './watchers/watcher.ts'

export interface ServiceContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  readonly sessions: SessionPool
  readonly watcherTypes: Registry<WatcherType>
  readonly generatorTypes: Registry<GeneratorType>
  /** Whether what was known before this process started was so until shortly before: most of it does not vanish without a panic then. */
  readonly isMemoryFresh: boolean
  /** What a generator sees of this service has changed; `eventAt` is when the registry said so, if it was the registry. */
  readonly onChange: (service: string, eventAt: number | undefined) => void
  /** The watcher's machinery failed: a bug that must not go unseen. */
  readonly onBroken: (error: unknown) => void
  /** Gets what happens, e.g. to count it. Default: nobody listens. */
  readonly onEvent?: (event: SynapseEvent) => void
}

/** One service: what its watcher finds, and the backends chosen from it. Keeps them across a change of its watcher. */
export class Service {
  readonly #context: ServiceContext
  readonly #log: Logger
  readonly #gauges: ReturnType<typeof createGauges>
  #config: SynapseServiceConfig
  #watcher: Watcher
  #stop = new AbortController()
  #done: Promise<void> = Promise.resolve()
  #discovery: Discovery | undefined
  /** Before label filters and leader election, so that a change of those needs no new discovery. */
  #chosen: Backends
  #selected: Backends
  #panic: PanicState = calm
  #endHold: () => void = () => {}
  /** What a former process had from the registry, until that answers. */
  #remembered: readonly ServiceInstance[]
  #registryOptions: Readonly<Record<string, Json>> | undefined
  /** What `optionsFor` says, by generator, until the configuration or the registry says something else. */
  readonly #optionsFor = new Map<string, unknown>()

  /** @param lastKnown what the service had before this process started; used until the registry answers. */
  constructor(
    config: SynapseServiceConfig,
    lastKnown: readonly ServiceInstance[] | undefined,
    context: ServiceContext,
  ) {
    this.#context = context
    this.#config = config
    this.#log = context.log.child({ service: config.name })
    this.#gauges = createGauges(context.metrics)
    this.#gauges.held.set({ service: config.name }, 0)
    const previous = lastKnown === undefined ? undefined : { source: 'previous' as const, instances: lastKnown }
    this.#remembered = context.isMemoryFresh ? registered(lastKnown ?? [], config) : []
    this.#chosen = chooseBackends(undefined, previous, config)
    this.#selected = selectInstances(this.#chosen, config)
    this.#gauges.instances.set({ service: config.name }, this.#selected.instances.length)
    this.#watcher = this.#startWatcher()
  }

  get config(): SynapseServiceConfig {
    return this.#config
  }

  /** Whether the registry has answered since this process started. */
  get discovered(): boolean {
    return this.#discovery !== undefined
  }

  /** Whether the registry refuses to be asked. */
  get isAway(): boolean {
    return this.#watcher.isAway?.() ?? false
  }

  get backends(): Backends {
    return this.#selected
  }

  /** The instances to remember on disk. */
  get lastKnown(): readonly ServiceInstance[] {
    return this.#chosen.instances
  }

  /** The service's options for one generator: those of the file, with those of the registry over them. The same object until they change. */
  optionsFor(generator: GeneratorType): unknown {
    const known = this.#optionsFor.get(generator.type)
    if (known !== undefined) return known
    const options = this.#mergedOptions(generator)
    this.#optionsFor.set(generator.type, options)
    return options
  }

  /** Takes an edited configuration; the watcher is only replaced when its own part changed. */
  update(config: SynapseServiceConfig): void {
    const previous = this.#config
    this.#config = config
    this.#optionsFor.clear()
    if (!isDeepStrictEqual(previous.discovery, config.discovery)) {
      this.#stop.abort()
      this.#discovery = undefined
      this.#endHold() // or what the old watcher had found would be believed in the end
      this.#panic = calm
      this.#remembered = []
      this.#gauges.held.set({ service: config.name }, 0)
      this.#watcher = this.#startWatcher()
    } else if (this.#discovery !== undefined) this.#doubt(this.#discovery)
    this.#choose()
    this.#context.onChange(config.name, undefined)
  }

  async stop(): Promise<void> {
    this.#endHold()
    this.#stop.abort()
    for (const gauge of Object.values(this.#gauges)) gauge.remove({ service: this.#config.name })
    await this.#done
  }

  /** Whether the watcher is well, for those who look every second as Airbnb's synapse does. */
  ping(): Ping {
    return { service: this.#config.name, ok: this.#watcher.isWell?.() ?? true, everyMs: 1_000 }
  }

  state() {
    return {
      name: this.#config.name,
      source: this.#selected.source,
      discovered: this.discovered,
      held: this.#panic.kind === 'holding' ? this.#panic.held : 0,
      instances: this.#selected.instances,
      watcher: this.#watcher.state(),
    }
  }

  #mergedOptions(generator: GeneratorType): unknown {
    const own = this.#config.generators[generator.type] ?? {}
    const registry = this.#registryOptions?.[generator.type]
    if (registry === undefined) return own
    const merged = mergeRegistryOptions(generator.serviceOptions, own, registry)
    if (merged.ok) return merged.options
    this.#log.warn('generator options of the registry left out', { generator: generator.type, reason: merged.reason })
    return own
  }

  #startWatcher(): Watcher {
    const { method, options } = this.#config.discovery
    const { clock, metrics, random, sessions, watcherTypes, onBroken, onEvent = () => {} } = this.#context
    const service = this.#config.name
    const watcher = watcherTypes.get(method).create(
      {
        ...{ service, clock, log: this.#log, metrics, random },
        sessions: observePool(sessions, clock, (operation) => onEvent({ kind: 'zookeeper', service, operation })),
        onUnreadable: (what) => onEvent({ kind: `${what}-unreadable`, service }),
      },
      options,
    )
    onEvent({ kind: 'watcher-started', service })
    const stop = new AbortController()
    this.#stop = stop
    const run = watcher.run((discovery) => this.#onDiscovery(watcher, discovery), stop.signal)
    this.#done = Promise.all([this.#done, run]).then(
      () => onEvent({ kind: 'watcher-stopped', service, cause: { kind: 'orderly' } }),
      (error: unknown) => {
        onEvent({ kind: 'watcher-stopped', service, cause: { kind: 'failure', error } })
        if (!stop.signal.aborted) onBroken(error)
        else this.#log.warn('watcher did not end cleanly', { reason: messageOf(error) })
      },
    )
    return watcher
  }

  #onDiscovery(watcher: Watcher, discovery: Discovery): void {
    if (watcher !== this.#watcher) return // the last words of a watcher that was just replaced
    const first = this.#discovery === undefined
    const optionsChanged = !isDeepStrictEqual(this.#registryOptions, discovery.generatorConfig ?? this.#registryOptions)
    this.#discovery = discovery
    if (this.#remembered.length > 0) this.#panic = remembered(this.#remembered, discovery, this.#context.clock.now())
    this.#remembered = []
    this.#doubt(discovery)
    this.#registryOptions = discovery.generatorConfig ?? this.#registryOptions
    if (optionsChanged) this.#optionsFor.clear()
    const before = this.#chosen
    this.#choose()
    if (this.#chosen === before && !optionsChanged && !first) return
    if (this.#chosen !== before) this.#logChange(before)
    this.#context.onChange(this.#config.name, discovery.eventAt)
  }

  /** Keeps instances that vanish in numbers until they are back, or for a while; then the registry is believed. */
  #doubt(listing: Listing): void {
    const { clock } = this.#context
    const before = this.#panic
    this.#panic = guard(before, listing, clock.now(), this.#config.panic)
    this.#logPanic(before, listing.instances.length)
    this.#endHold()
    if (this.#panic.kind !== 'holding') return
    const leftMs = this.#panic.since + this.#config.panic.holdMs - clock.now()
    this.#endHold = clock.after(leftMs, () => {
      this.#doubt(listing)
      this.#choose()
      this.#context.onChange(this.#config.name, undefined)
    })
  }

  #choose(): void {
    const instances = this.#discovery === undefined ? undefined : this.#panic.instances
    this.#chosen = chooseBackends(instances, this.#chosen, this.#config)
    const selected = selectInstances(this.#chosen, this.#config)
    if (selected !== this.#selected && !isDeepStrictEqual(selected, this.#selected)) this.#selected = selected
    this.#gauges.instances.set({ service: this.#config.name }, this.#selected.instances.length)
  }

  #logPanic(before: PanicState, listed: number): void {
    this.#gauges.held.set({ service: this.#config.name }, this.#panic.kind === 'holding' ? this.#panic.held : 0)
    if (this.#panic.kind === before.kind) return
    if (this.#panic.kind === 'holding') {
      const { baseline, held } = this.#panic
      const fields = { from: baseline, to: listed, held, for_at_most_ms: this.#config.panic.holdMs }
      this.#log.warn('panic hold: too many instances vanished at once; HAProxy decides about them', fields)
    } else this.#log.info('panic hold ended', { instances: listed })
  }

  #logChange(before: Backends): void {
    const { source, instances } = this.#chosen
    if (source === 'previous' && before.source !== 'previous') {
      this.#log.warn('registry lists no instance; keeping the previous ones', { instances: instances.length })
    } else if (source === 'none') this.#log.warn('service has no instances', { from: before.instances.length, to: 0 })
    else this.#log.debug('backends changed', { source, from: before.instances.length, to: instances.length })
  }
}

/** Of the instances that were used, those that the registry listed. With other ports than listed ones, none can be told. */
function registered(
  used: readonly ServiceInstance[],
  { backendPortOverride, defaultServers }: SynapseServiceConfig,
): readonly ServiceInstance[] {
  if (backendPortOverride !== undefined) return []
  const isDefault = (one: ServiceInstance) =>
    defaultServers.some(({ name, host, port }) => one.name === name && one.host === host && one.port === port)
  return used.filter((one) => !isDefault(one))
}

function createGauges(metrics: Metrics) {
  return {
    instances: metrics.gauge('synapse_service_instances', 'Instances that the service uses now.', ['service']),
    held: metrics.gauge(
      'synapse_panic_held_instances',
      'Instances that vanished from the registry in numbers and are kept for a while.',
      ['service'],
    ),
  }
}
