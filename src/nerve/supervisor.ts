import { isDeepStrictEqual } from 'node:util'
import { pause } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Registry } from '../core/registry.ts'
import type { CheckType } from './checks/check.ts'
import type { NerveConfig } from './config.ts'
import type { NerveEvent } from './events.ts'
import type { ControlledService } from './manual-control.ts'
import { findsNamesake, type ManualService, NOTHING_SAID } from './manual-state.ts'
import { type ServiceContext, ServiceRunner, type ServiceState } from './service-runner.ts'
import { stageServices } from './staging.ts'

export interface SupervisorOptions extends ServiceContext {
  readonly checkTypes: Registry<CheckType>
  /** A service's machinery failed: a bug that must not go unseen. */
  readonly onBroken: (error: unknown) => void
}

/** A service that runs, and how it is. */
export interface ManagedService extends ControlledService {
  state(): ServiceState
}

interface Running {
  readonly runner: ServiceRunner
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** How long a service that has another name now waits until it is registered by that (as Airbnb's nerve, reference airbnb.md 2.9). */
const HAND_OVER_MS = 30_000
const LOOK_EVERY_MS = 20

/** Keeps exactly the configured services running; a live edit touches only what it changes. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #log: Logger
  readonly #services = new Map<string, Running>()
  /** Taken out by an edit, and not gone yet. */
  readonly #leaving = new Set<Running>()
  #isStopping = false
  readonly #onEvent: (event: NerveEvent) => void
  #instanceId: string | undefined
  #names: ReadonlySet<string> = new Set()

  constructor(options: SupervisorOptions) {
    const { manual = () => NOTHING_SAID } = options
    this.#options = { ...options, manual: (service) => manual(this.#amongOthers(service)) }
    this.#log = options.log
    this.#onEvent = options.onEvent ?? (() => {})
  }

  /**
   * Makes `config` the truth: new services start before removed ones de-register, unchanged ones are not touched.
   * @throws SmartStackError CONFIG_INVALID, and then nothing has changed.
   */
  async apply(config: NerveConfig): Promise<void> {
    const running = new Map([...this.#services].map(([name, { runner }]) => [name, runner.staged]))
    const staged = await stageServices(config.services, running, this.#options.checkTypes, this.#log)
    if (this.#isStopping) return // nobody would end what it starts
    const renamed = this.#instanceId !== config.instanceId
    this.#instanceId = config.instanceId
    const namesBefore = this.#names
    this.#names = new Set(staged.keys())
    const added: ServiceRunner[] = []
    for (const [name, service] of staged) {
      const runner = this.#services.get(name)?.runner
      if (runner === undefined)
        added.push(this.#start(name, new ServiceRunner(service, config.instanceId, this.#options)))
      else if (renamed || !isDeepStrictEqual(runner.staged.config, service.config)) {
        this.#onEvent({ kind: 'service-launched', service: name, reason: 'update' })
        runner.update(service, config.instanceId)
        this.#onEvent({ kind: 'service-reaped', service: name, reason: 'update' })
      }
    }
    for (const [name, service] of this.#services) {
      if (staged.has(name)) continue
      this.#onEvent({ kind: 'service-reaped', service: name, reason: 'old' })
      this.#remove(name, service, added.find(isSameInstance(service.runner)))
    }
    for (const { runner } of this.#services.values()) {
      const { config: service } = runner.staged
      if (findsNamesake(service, namesBefore) !== findsNamesake(service, this.#names)) runner.availability.refresh()
    }
  }

  /**
   * De-registers every service. Resolves when all are gone or had their time; until then they are still told of. No edit
   * takes effect any more.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    const running = [...this.#services.values(), ...this.#leaving]
    for (const { stop } of running) stop.abort()
    await Promise.all(running.map(({ done }) => done))
  }

  /** Whether clients may see one of the services, so that its end must be waited for. */
  get mayBeSeen(): boolean {
    return [...this.#services.values(), ...this.#leaving].some(({ runner }) => runner.mayBeSeen)
  }

  /** The services as people act on them, in configuration order. */
  services(): readonly ManagedService[] {
    return [...this.#services.values()].map(({ runner }) => {
      const { name, host, port, excludeFromGlobalDisable = false } = runner.staged.config
      return {
        ...this.#amongOthers({ name, port, excludeFromGlobalDisable }),
        host,
        availability: runner.availability,
        state: () => runner.state(),
      }
    })
  }

  /** One entry per service, in configuration order. */
  state() {
    return [...this.#services.values()].map(({ runner }) => runner.state())
  }

  /** How each service and its registries are, as Airbnb's nerve looks at them. */
  pings() {
    const running = [...this.#services.values()].filter(({ stop }) => !stop.signal.aborted)
    return running.flatMap(({ runner }) => runner.ping() ?? [])
  }

  #amongOthers(service: ManualService): ManualService {
    return { ...service, hasNamesake: findsNamesake(service, this.#names) }
  }

  #start(name: string, runner: ServiceRunner): ServiceRunner {
    const stop = new AbortController()
    this.#onEvent({ kind: 'service-launched', service: name, reason: 'new' })
    this.#onEvent({ kind: 'service-started', service: name })
    const done = this.#supervise(name, runner, stop.signal)
    this.#services.set(name, { runner, stop, done })
    return runner
  }

  /** Never rejects. */
  async #supervise(service: string, runner: ServiceRunner, signal: AbortSignal): Promise<void> {
    try {
      await runner.run(signal)
      this.#onEvent({ kind: 'service-stopped', service, cause: { kind: 'orderly' } })
    } catch (error) {
      this.#onEvent({ kind: 'service-stopped', service, cause: { kind: 'failure', error } })
      this.#options.onBroken(error)
    }
  }

  /** @param successor what the service has become; it goes when that has taken its place. Default: at once. */
  #remove(name: string, running: Running, successor?: ServiceRunner): void {
    const { runner, stop, done } = running
    this.#services.delete(name)
    this.#leaving.add(running)
    void done.finally(() => this.#leaving.delete(running))
    if (successor === undefined) runner.leave()
    else void this.#untilSettled(successor, stop.signal).then(() => runner.leave())
  }

  async #untilSettled({ availability }: ServiceRunner, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const until = clock.now() + HAND_OVER_MS
    const isSettled = () => availability.isSettled || availability.health.status === 'down'
    while (!signal.aborted && !isSettled() && clock.now() < until) await pause(clock, LOOK_EVERY_MS, signal)
  }
}

/** Whether a service is another one under a new name. */
const isSameInstance = (one: ServiceRunner) => (other: ServiceRunner) => {
  const [{ host, port }, { host: otherHost, port: otherPort }] = [one.staged.config, other.staged.config]
  return host === otherHost && port === otherPort
}
