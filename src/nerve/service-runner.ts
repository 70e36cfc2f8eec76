import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Ping } from '../core/pings.ts'
import type { Registry } from '../core/registry.ts'
import type { SessionPool } from '../zookeeper/zookeeper.ts'
import { Availability } from './availability.ts'
import { createGoNerveMetrics, type GoNerveMetrics } from './blablacar/metrics.ts'
import { CheckGroup } from './check-group.ts'
import type { PluginConfig, ServiceConfig } from './config.ts'
import type { NerveEvent } from './events.ts'
import { type Applied, entryState, type ManualService, manualStateOf, NOTHING_SAID } from './manual-state.ts'
import { admit, createRateLimit, editRateLimit, type RateLimitState, unlimited } from './rate-limit.ts'
import { Registrar, type Wanted } from './registrar.ts'
import type { Registration, ReporterType } from './reporters/reporter.ts'
import { forcedReason, type ServiceHealth } from './service.ts'
import { ServiceMetrics } from './service-metrics.ts'
import type { StagedService } from './staging.ts'
import type { StartGate } from './start-gate.ts'

export interface ServiceContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  readonly sessions: SessionPool
  readonly reporterTypes: Registry<ReporterType>
  /** What people say of a service now. Default: nothing. */
  readonly manual?: (service: ManualService) => Applied
  /** Gives each check its phase, so that those of all services spread. Default: by chance. */
  readonly nextPhase?: () => number
  /** Which the runs of all checks share. Default: each starts when it is due. */
  readonly gate?: StartGate
  /** Gets what happens, e.g. to count it. Default: nobody listens. */
  readonly onEvent?: (event: NerveEvent) => void
  /** Writes to standard output, for reporters that do; rejects when that fails. Default: nowhere. */
  readonly print?: (text: string) => Promise<void>
}

/** One service at work: its checks run, their verdict becomes a registration, and a loop keeps the registry saying so. */
export class ServiceRunner {
  readonly #context: ServiceContext
  readonly #log: Logger
  readonly #metrics: ServiceMetrics
  readonly #onEvent: (event: NerveEvent) => void
  readonly #checks: CheckGroup
  /** What comes between the checks and the registries, and may be changed by hand. */
  readonly availability: Availability
  #goNerveMetrics: GoNerveMetrics
  #config: ServiceConfig
  #instanceId: string
  #registrars: readonly Registrar[] = []
  /** Of reporters that the configuration no longer has: they remove their registrations. */
  readonly #leaving = new Set<Registrar>()
  #rateLimit: RateLimitState
  /** What some registry says of the service, whichever was the first. */
  #reported: Registration['kind'] | undefined
  #onBroken: (error: unknown) => void = () => {}
  #onLeave: () => void = () => {}
  /** An edit took the service out. */
  #isLeaving = false

  constructor(staged: StagedService, instanceId: string, context: ServiceContext) {
    const { clock, log, metrics, random, onEvent = () => {} } = context
    this.#context = context
    this.#onEvent = onEvent
    this.#instanceId = instanceId
    this.#config = staged.config
    this.#log = log.child({ service: staged.config.name })
    this.#metrics = new ServiceMetrics(metrics, staged.config.name)
    this.#goNerveMetrics = createGoNerveMetrics(metrics, staged.config)
    this.#checks = this.#createChecks()
    this.availability = new Availability({
      clock,
      random,
      log: this.#log,
      config: () => this.#config,
      instanceId: () => this.#instanceId,
      health: () => this.#checks.health(),
      manual: () => this.#manual(),
      isReported: (which) => this.#isReported(which),
      onChange: () => this.#onChange(),
      onHookFailed: (kind) => this.#goNerveMetrics.hookFailed(kind),
    })
    this.#rateLimit = createRateLimit(staged.config.rateLimiting ?? unlimited, clock.now())
    this.#replaceReporters(staged.config.reporters)
    this.#checks.replace(staged.checks)
  }

  /** What is configured and running now; staging reuses its unchanged checks. */
  get staged(): StagedService {
    return { config: this.#config, checks: this.#checks.staged }
  }

  /** Takes an edited configuration: unchanged checks go on, and the registration stays until the edited ones have a verdict. */
  update({ config, checks }: StagedService, instanceId: string): void {
    if (!isDeepStrictEqual(this.#config.rateLimiting, config.rateLimiting))
      this.#rateLimit = editRateLimit(this.#rateLimit, config.rateLimiting ?? unlimited, this.#context.clock.now())
    this.#config = config
    this.#instanceId = instanceId
    this.#goNerveMetrics.remove()
    this.#goNerveMetrics = createGoNerveMetrics(this.#context.metrics, config)
    this.#replaceReporters(config.reporters)
    this.#checks.replace(checks)
    this.availability.refresh()
  }

  /**
   * Runs until `signal` aborts because nerve stops, or until `leave`; then removes the registration. @throws only when a
   * check's machinery itself fails: a bug.
   */
  async run(signal: AbortSignal): Promise<void> {
    let broken: { readonly error: unknown } | undefined
    const ended = new Promise<void>((resolve) => {
      this.#onBroken = (error) => {
        broken = { error }
        resolve()
      }
      this.#onLeave = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.availability.refresh() // a service without checks is available from the start
    if (!signal.aborted && !this.#isLeaving) await ended
    await this.#end(broken === undefined, signal)
    if (broken !== undefined) throw broken.error
  }

  /**
   * The configuration no longer has the service. Its sessions may go on with others, and keep alive whatever it leaves
   * there, so its registration is removed however long that takes, unless nerve stops.
   */
  leave(): void {
    this.#isLeaving = true
    this.#onLeave()
  }

  /** Takes the service down, unless it shall outlive nerve, and gives its clients the time that is configured for them. */
  async #end(orderly: boolean, signal: AbortSignal): Promise<void> {
    const { drain, hooks, downOnShutdown = true } = this.#config
    const goesDown = downOnShutdown || this.#isLeaving
    const isDrained = orderly && goesDown && (drain ?? hooks) !== undefined
    // Told before the checks end: none is as good as all up.
    if (isDrained) await Promise.all([this.availability.shutDown(), this.#checks.stop()])
    const deregistered = this.#deregister(!goesDown, signal)
    await Promise.all([this.#checks.stop(), this.availability.stop(), deregistered])
    this.#metrics.remove()
    this.#goNerveMetrics.remove()
  }

  async #deregister(keep: boolean, signal: AbortSignal): Promise<void> {
    const registrars = [...this.#registrars, ...this.#leaving]
    const stop = () => registrars.map((registrar) => registrar.stop({ keep }))
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted || !this.#isLeaving) stop()
    else for (const registrar of registrars) registrar.leave()
    await Promise.all(registrars.map(({ done }) => done))
    signal.removeEventListener('abort', stop)
  }

  state() {
    const { health, maxWeight, currentWeight, manual, phase, draining = null, isSettled } = this.availability
    const { availability, weight } = this.availability.applied
    return {
      name: this.#config.name,
      host: this.#config.host,
      port: this.#config.port,
      weight: this.#config.weight ?? null,
      status: health.status,
      reason: health.status === 'up' ? (forcedReason(manual) ?? null) : health.reason,
      availability: {
        ...{ manual: manual.kind, phase, currentWeight, maxWeight, draining, isSettled },
        byHand: availability === undefined ? null : entryState(availability),
        weightByHand: weight === undefined ? null : entryState(weight),
      },
      registered: this.#registrars.some(isPresent),
      checks: this.#checks.state(),
      reporter: this.#registrars[0]?.state() ?? {},
      reporters: this.#registrars.map((registrar) => ({
        type: registrar.config.type,
        registered: isPresent(registrar),
        error: registrar.error ?? null,
        ...registrar.state(),
      })),
      error: this.#registrars.flatMap(({ error }) => error ?? []).join('; ') || null,
    }
  }

  /** Whether clients may see the service in some registry. */
  get mayBeSeen(): boolean {
    return [...this.#registrars, ...this.#leaving].some((registrar) => registrar.mayBeSeen)
  }

  /**
   * Whether every registry can be asked and holds what it should, and how often Airbnb's nerve would look. undefined while
   * one is being connected to for the first time, which Airbnb's nerve waits for.
   */
  ping(): Ping | undefined {
    const { name, checkIntervalMs } = this.#config
    const well = this.#registrars.map(({ isWell }) => isWell)
    if (well.includes(undefined) && !well.includes(false)) return undefined
    return { service: name, ok: !well.includes(false), everyMs: checkIntervalMs }
  }

  #manual(): Applied {
    const { name, port, excludeFromGlobalDisable = false } = this.#config
    return this.#context.manual?.({ name, port, excludeFromGlobalDisable }) ?? NOTHING_SAID
  }

  #onChange(): void {
    const { kind } = manualStateOf(this.availability.applied)
    this.#metrics.manual(kind)
    this.#goNerveMetrics.weight(this.availability.currentWeight)
    for (const registrar of this.#registrars) registrar.trigger()
  }

  #isReported(which: 'any' | 'all'): boolean {
    const desired = this.availability.registration()
    const says = (registrar: Registrar) => registrar.says(desired)
    return which === 'any' ? this.#registrars.some(says) : this.#registrars.every(says)
  }

  /** Unchanged reporters go on; an edited one registers at its new place before it leaves the old one. */
  #replaceReporters(configs: readonly PluginConfig[]): void {
    const before = [...this.#registrars]
    const unchanged = configs.map((config) => {
      const at = before.findIndex((registrar) => isDeepStrictEqual(registrar.config, config))
      return at === -1 ? undefined : before.splice(at, 1)[0]
    })
    this.#registrars = configs.map((config, index) => {
      const known = unchanged[index]
      if (known !== undefined) return known
      const predecessor = before.shift()
      predecessor?.replace(config)
      return predecessor ?? this.#createRegistrar(config)
    })
    for (const registrar of before) {
      this.#leaving.add(registrar)
      void registrar.done.finally(() => this.#leaving.delete(registrar))
      registrar.leave()
    }
  }

  #createRegistrar(config: PluginConfig): Registrar {
    const { clock, metrics, random, sessions, reporterTypes, print = async () => {} } = this.#context
    const service = this.#config.name
    const report = (ok: boolean) => this.#onEvent({ kind: 'report', service, ok })
    return new Registrar(config, {
      ...{ service, clock, log: this.#log, metrics, random, sessions, reporterTypes, print },
      onRenewed: (result) => this.#onEvent({ kind: 'renewal', ...result }),
      wanted: () => this.#wanted(),
      onReported: ({ kind }, changed) => {
        this.#metrics.reports.success.inc()
        this.#metrics.registered(this.#registrars.some(isPresent))
        if (!changed) return
        report(true)
        if (this.#reported === kind) return
        this.#reported = kind
        this.#onEvent({ kind: 'transition', service, status: kind === 'present' ? 'up' : 'down' })
      },
      onFailed: () => {
        this.#metrics.reports.failure.inc()
        this.#goNerveMetrics.reportFailed(config.type)
        report(false)
      },
    })
  }

  #createChecks(): CheckGroup {
    const { clock, random, nextPhase = random, metrics, gate } = this.#context
    const service = this.#config.name
    return new CheckGroup({
      ...{ service, clock, log: this.#log, nextPhase, metrics, gate },
      onResult: (check, config, result, status) => {
        this.#log.debug('check has run', { check, ...result, status })
        if (!result.ok) this.#goNerveMetrics.checkFailed(config)
        if (status !== 'unknown') this.#onEvent({ kind: 'check', service, check, status })
      },
      onHealth: (before, health) => this.#onHealth(before, health),
      onBroken: (error) => this.#onBroken(error),
    })
  }

  #onHealth(before: ServiceHealth, health: ServiceHealth): void {
    const reason = health.status === 'up' ? 'all checks pass' : health.reason
    const fields = { from: before.status, to: health.status, reason }
    if (health.status === 'down') this.#log.warn('service health changed', fields)
    else this.#log.info('service health changed', fields)
    this.#metrics.up(health.status === 'up')
    this.#metrics.transitions[health.status === 'up' ? 'up' : 'down'].inc()
    this.availability.refresh()
  }

  /** What the registries shall say; as long as a change is held back, what the last one made of it. */
  #wanted(): Wanted {
    const desired = this.availability.registration()
    if (desired === undefined) return { registration: undefined }
    const isByHand = desired.kind === 'absent' && desired.byHand === true // no flapping: it never waits
    const limit = isByHand ? unlimited : (this.#config.rateLimiting ?? unlimited)
    const { state, newlyThrottled, retryInMs } = admit(this.#rateLimit, desired.kind, limit, this.#context.clock.now())
    if (newlyThrottled) this.#onThrottled(this.#rateLimit.released, desired.kind, retryInMs)
    this.#rateLimit = state
    if (state.released === undefined) return { registration: undefined, retryInMs }
    const { released } = state
    return { registration: released === desired.kind ? desired : this.availability.heldBack(released), retryInMs }
  }

  #onThrottled(from: Registration['kind'] | undefined, to: Registration['kind'], retryInMs: number | undefined): void {
    const service = this.#config.name
    const shadowMode = this.#config.rateLimiting?.shadowMode ?? true
    const message = shadowMode ? 'rate_limiting would hold back a change' : 'change held back by rate_limiting'
    this.#log.warn(message, { from: from ?? 'unknown', to, retry_in_ms: retryInMs })
    this.#metrics.throttled[shadowMode ? 'shadow' : 'enforced'].inc()
    this.#onEvent({ kind: 'throttled', service, shadowMode })
  }
}

const isPresent = ({ applied }: Registrar): boolean => applied?.kind === 'present'

export type ServiceState = ReturnType<ServiceRunner['state']>
