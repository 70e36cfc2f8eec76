import { isDeepStrictEqual } from 'node:util'
import { rejectOnAbort } from '../core/clock.ts'
import type { Task } from '../core/tasks.ts'
import { runAll } from '../core/tasks.ts'
import type { SynapseConfig } from './config.ts'
import { GeneratorRunner, type GeneratorRunnerContext } from './generator-runner.ts'
import type { KnownInstances } from './last-known-good.ts'
import { Service, type ServiceContext } from './service.ts'

export interface SupervisorOptions extends Omit<ServiceContext, 'onChange' | 'onBroken'> {
  /** What each service had before this process started. */
  readonly lastKnown: KnownInstances
  /** The instances of some service changed: time to write them down. */
  readonly onInstances: () => void
  readonly onBroken: (error: unknown) => void
  readonly firstPass: GeneratorRunnerContext['firstPass']
}

/** Keeps exactly the configured services watched and every generator informed; a live edit touches only what it changes. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #services = new Map<string, Service>()
  readonly #generators = new Map<string, GeneratorRunner>()
  readonly #leaving = new Set<Promise<void>>()

  constructor(config: SynapseConfig, options: SupervisorOptions) {
    this.#options = options
    for (const generator of config.generators) {
      const runner = new GeneratorRunner(options.generatorTypes.get(generator.type), generator, {
        ...options,
        services: () => [...this.#services.values()],
      })
      this.#generators.set(generator.type, runner)
    }
    this.apply(config)
  }

  /** The generators' work. Ends when `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    const tasks: Task[] = [...this.#generators.values()].map((runner) => ({
      name: `generator ${runner.type}`,
      run: (inner) => runner.run(inner),
    }))
    return runAll(tasks, signal, (task, error) =>
      this.#options.log.error('generator failed while stopping', { task, error }),
    )
  }

  /** Makes `config` the truth. Unchanged services keep their watcher; the order of services is that of the file. */
  apply(config: SynapseConfig): void {
    const before = new Map(this.#services)
    this.#services.clear()
    for (const serviceConfig of config.services) {
      const { name } = serviceConfig
      const service = before.get(name)
      before.delete(name)
      if (service === undefined) this.#services.set(name, this.#createService(serviceConfig))
      else {
        this.#services.set(name, service)
        if (!isDeepStrictEqual(service.config, serviceConfig)) service.update(serviceConfig)
      }
    }
    for (const service of before.values()) this.#retire(service)
    for (const generator of config.generators) this.#generators.get(generator.type)?.configure(generator)
  }

  /** Stops every watcher. What they found stays: it is served, shown and remembered until the end. */
  async stop(): Promise<void> {
    for (const service of this.#services.values()) this.#retire(service)
    await Promise.all(this.#leaving)
  }

  /** Services that the registry has not answered for yet. */
  undiscovered(): readonly string[] {
    return [...this.#services.values()].filter(({ discovered }) => !discovered).map(({ config }) => config.name)
  }

  /** Generators whose first pass has not succeeded yet, with the reason. */
  unready(): readonly string[] {
    return [...this.#generators.values()].flatMap((runner) => runner.unready ?? [])
  }

  /** Resolves when every generator has made its first pass, well or not, or when `signal` aborts. */
  async passed(signal: AbortSignal): Promise<void> {
    const passed = Promise.all([...this.#generators.values()].map((runner) => runner.passed))
    await rejectOnAbort(passed, signal).catch((reason: unknown) => {
      if (!signal.aborted) throw reason
    })
  }

  /** How each service's watcher is. */
  pings() {
    return [...this.#services.values()].map((service) => service.ping())
  }

  lastKnown(): KnownInstances {
    return new Map([...this.#services].map(([name, service]) => [name, service.lastKnown]))
  }

  state() {
    return {
      services: [...this.#services.values()].map((service) => service.state()),
      generators: Object.fromEntries([...this.#generators].map(([type, runner]) => [type, runner.state()])),
    }
  }

  #createService(config: SynapseConfig['services'][number]): Service {
    const { lastKnown, onInstances, onBroken } = this.#options
    const onChange = (service: string, eventAt: number | undefined) => {
      for (const runner of this.#generators.values()) runner.changed(service, eventAt)
      onInstances()
    }
    return new Service(config, lastKnown.get(config.name), { ...this.#options, onChange, onBroken })
  }

  #retire(service: Service): void {
    const leaving = service.stop().finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }
}
