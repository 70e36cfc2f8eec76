import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../core/log.ts'
import type { Registry } from '../core/registry.ts'
import type { CheckType } from './checks/check.ts'
import type { NerveConfig } from './config.ts'
import { type ServiceContext, ServiceRunner } from './service-runner.ts'
import { stageServices } from './staging.ts'

export interface SupervisorOptions extends ServiceContext {
  readonly checkTypes: Registry<CheckType>
  /** A service's machinery failed: a bug that must not go unseen. */
  readonly onBroken: (error: unknown) => void
}

interface Running {
  readonly runner: ServiceRunner
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** Keeps exactly the configured services running; a live edit touches only what it changes. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #log: Logger
  readonly #services = new Map<string, Running>()
  readonly #leaving = new Set<Promise<void>>()
  #instanceId: string | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#log = options.log
  }

  /**
   * Makes `config` the truth: new services start before removed ones de-register, unchanged ones are not touched.
   * @throws SmartStackError CONFIG_INVALID, and then nothing has changed.
   */
  async apply(config: NerveConfig): Promise<void> {
    const running = new Map([...this.#services].map(([name, { runner }]) => [name, runner.staged]))
    const staged = await stageServices(config.services, running, this.#options.checkTypes, this.#log)
    const renamed = this.#instanceId !== config.instanceId
    this.#instanceId = config.instanceId
    for (const [name, service] of staged) {
      const runner = this.#services.get(name)?.runner
      if (runner === undefined) this.#start(name, new ServiceRunner(service, config.instanceId, this.#options))
      else if (renamed || !isDeepStrictEqual(runner.staged.config, service.config))
        runner.update(service, config.instanceId)
    }
    for (const [name, service] of this.#services) {
      if (!staged.has(name)) this.#stop(name, service)
    }
  }

  /** De-registers every service. Resolves when all are gone or had their time. */
  async stop(): Promise<void> {
    for (const [name, service] of this.#services) this.#stop(name, service)
    await Promise.all(this.#leaving)
  }

  /** One entry per service, in configuration order. */
  state() {
    return [...this.#services.values()].map(({ runner }) => runner.state())
  }

  #start(name: string, runner: ServiceRunner): void {
    const stop = new AbortController()
    const done = runner.run(stop.signal).catch((error: unknown) => this.#options.onBroken(error))
    this.#services.set(name, { runner, stop, done })
  }

  #stop(name: string, { stop, done }: Running): void {
    this.#services.delete(name)
    const leaving = done.finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
    stop.abort()
  }
}
