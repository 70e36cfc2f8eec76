import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Registry } from '../core/registry.ts'
import type { Json, ServiceInstance } from '../core/service-instance.ts'
import type { SessionPool } from '../zookeeper/zookeeper.ts'
import { type Backends, chooseBackends, selectInstances } from './backends.ts'
import type { SynapseServiceConfig } from './config.ts'
import type { GeneratorType } from './generators/generator.ts'
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
  /** What a generator sees of this service has changed; `eventAt` is when the registry said so, if it was the registry. */
  readonly onChange: (service: string, eventAt: number | undefined) => void
  /** The watcher's machinery failed: a bug that must not go unseen. */
  readonly onBroken: (error: unknown) => void
}

/** One service: what its watcher finds, and the backends chosen from it. Keeps them across a change of its watcher. */
export class Service {
  readonly #context: ServiceContext
  readonly #log: Logger
  #config: SynapseServiceConfig
  #watcher: Watcher
  #stop = new AbortController()
  #done: Promise<void> = Promise.resolve()
  #discovery: Discovery | undefined
  /** Before label filters and leader election, so that a change of those needs no new discovery. */
  #chosen: Backends
  #selected: Backends
  #registryOptions: Readonly<Record<string, Json>> | undefined

  /** @param lastKnown what the service had before this process started; used until the registry answers. */
  constructor(
    config: SynapseServiceConfig,
    lastKnown: readonly ServiceInstance[] | undefined,
    context: ServiceContext,
  ) {
    this.#context = context
    this.#config = config
    this.#log = context.log.child({ service: config.name })
    const previous = lastKnown === undefined ? undefined : { source: 'previous' as const, instances: lastKnown }
    this.#chosen = chooseBackends(undefined, previous, config)
    this.#selected = selectInstances(this.#chosen, config)
    this.#watcher = this.#startWatcher()
  }

  get config(): SynapseServiceConfig {
    return this.#config
  }

  /** Whether the registry has answered since this process started. */
  get discovered(): boolean {
    return this.#discovery !== undefined
  }

  get backends(): Backends {
    return this.#selected
  }

  /** The instances to remember on disk. */
  get lastKnown(): readonly ServiceInstance[] {
    return this.#chosen.instances
  }

  /** The service's options for one generator: those of the file, with those of the registry over them. */
  optionsFor(generator: GeneratorType): unknown {
    const own = this.#config.generators[generator.type] ?? {}
    const registry = this.#registryOptions?.[generator.type]
    if (registry === undefined) return own
    const merged = mergeRegistryOptions(generator.serviceOptions, own, registry)
    if (merged.ok) return merged.options
    this.#log.warn('generator options of the registry left out', { generator: generator.type, reason: merged.reason })
    return own
  }

  /** Takes an edited configuration; the watcher is only replaced when its own part changed. */
  update(config: SynapseServiceConfig): void {
    const previous = this.#config
    this.#config = config
    if (!isDeepStrictEqual(previous.discovery, config.discovery)) {
      this.#stop.abort()
      this.#discovery = undefined
      this.#watcher = this.#startWatcher()
    }
    this.#choose()
    this.#context.onChange(config.name, undefined)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  state() {
    return {
      name: this.#config.name,
      source: this.#selected.source,
      discovered: this.discovered,
      instances: this.#selected.instances,
      watcher: this.#watcher.state(),
    }
  }

  #startWatcher(): Watcher {
    const { method, options } = this.#config.discovery
    const { clock, metrics, random, sessions, watcherTypes, onBroken } = this.#context
    const context = { service: this.#config.name, clock, log: this.#log, metrics, random, sessions }
    const watcher = watcherTypes.get(method).create(context, options)
    const stop = new AbortController()
    this.#stop = stop
    const run = watcher.run((discovery) => this.#onDiscovery(watcher, discovery), stop.signal)
    this.#done = Promise.all([this.#done, run]).then(
      () => {},
      (error: unknown) => {
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
    this.#registryOptions = discovery.generatorConfig ?? this.#registryOptions
    const before = this.#chosen
    this.#choose()
    if (this.#chosen === before && !optionsChanged && !first) return
    if (this.#chosen !== before) this.#logChange(before)
    this.#context.onChange(this.#config.name, discovery.eventAt)
  }

  #choose(): void {
    this.#chosen = chooseBackends(this.#discovery?.instances, this.#chosen, this.#config)
    const selected = selectInstances(this.#chosen, this.#config)
    if (!isDeepStrictEqual(selected, this.#selected)) this.#selected = selected
  }

  #logChange(before: Backends): void {
    const { source, instances } = this.#chosen
    if (source === 'previous' && before.source !== 'previous') {
      this.#log.warn('registry lists no instance; keeping the previous ones', { instances: instances.length })
    } else if (source === 'none') this.#log.warn('service has no instances', { from: before.instances.length, to: 0 })
    else this.#log.debug('backends changed', { source, from: before.instances.length, to: instances.length })
  }
}
