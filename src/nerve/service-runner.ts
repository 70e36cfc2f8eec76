import { isDeepStrictEqual } from 'node:util'
import { createBackoff } from '../core/backoff.ts'
import { type Clock, withDeadline } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import { ReconcileLoop, type ReconcileResult } from '../core/reconcile-loop.ts'
import type { Registry } from '../core/registry.ts'
import type { InstancePayload } from '../core/service-instance.ts'
import type { SessionPool } from '../zookeeper/zookeeper.ts'
import { createCheckRunner } from './check-runner.ts'
import type { ServiceConfig } from './config.ts'
import { type CheckResult, type HealthState, step } from './health.ts'
import type { Registration, Reporter, ReporterType } from './reporters/reporter.ts'
import { registration, type ServiceHealth, serviceHealth } from './service.ts'
import { createServiceMetrics, type ServiceMetrics } from './service-metrics.ts'
import type { StagedCheck, StagedService } from './staging.ts'

/** Followers of a change within this time share its registry write. */
const SETTLE_MS = 20
/** The registry is asked this often whether it still holds what it should, whatever its watches say. */
const RESYNC_MS = 60_000
/** How long a service that goes away may try to remove its registration; after that its session's end does it. */
const DEREGISTER_MS = 3_000

export interface ServiceContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  readonly sessions: SessionPool
  readonly reporterTypes: Registry<ReporterType>
}

interface RunningCheck extends StagedCheck {
  state: HealthState
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** One service at work: its checks run, their verdict becomes a registration, and a loop keeps the registry saying so. */
export class ServiceRunner {
  readonly #context: ServiceContext
  readonly #log: Logger
  readonly #metrics: ServiceMetrics
  readonly #loop: ReconcileLoop
  readonly #checks = new Map<string, RunningCheck>()
  #config: ServiceConfig
  #instanceId: string
  #reporter: Reporter
  /** Reporters of an earlier configuration: removed from the registry only after the current one has registered. */
  #retiring: Reporter[] = []
  #applied: Registration | undefined
  #lastError: string | undefined
  #onBroken: (error: unknown) => void = () => {}

  constructor(staged: StagedService, instanceId: string, context: ServiceContext) {
    const { clock, log, metrics, random } = context
    this.#context = context
    this.#instanceId = instanceId
    this.#config = staged.config
    this.#log = log.child({ service: staged.config.name })
    this.#metrics = createServiceMetrics(metrics, staged.config.name)
    this.#reporter = this.#createReporter(staged.config)
    this.#loop = new ReconcileLoop({
      clock,
      backoff: createBackoff({ initialMs: 50, maxMs: 2_000, random }),
      settleMs: SETTLE_MS,
      resyncMs: RESYNC_MS,
      reconcile: (signal) => this.#reconcile(signal),
      onError: (error) => this.#onReportFailed(error),
    })
    this.#replaceChecks(staged.checks)
  }

  /** What is configured and running now; staging reuses its unchanged checks. */
  get staged(): StagedService {
    return { config: this.#config, checks: new Map(this.#checks) }
  }

  /** Takes an edited configuration: unchanged checks go on, and the registration stays until the edited ones have a verdict. */
  update({ config, checks }: StagedService, instanceId: string): void {
    const previous = this.#config
    this.#config = config
    this.#instanceId = instanceId
    if (!isDeepStrictEqual(previous.reporter, config.reporter)) {
      this.#retiring.push(this.#reporter)
      this.#reporter = this.#createReporter(config)
      this.#applied = undefined
    }
    this.#replaceChecks(checks)
    this.#loop.trigger()
  }

  /** Runs until `signal` aborts, then removes the registration. @throws only when a check's machinery itself fails: a bug. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const onAbort = () => stop.abort(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    let broken: { readonly error: unknown } | undefined
    this.#onBroken = (error) => {
      broken = { error }
      stop.abort(error)
    }
    await this.#loop.run(stop.signal)
    signal.removeEventListener('abort', onAbort)
    const ended = [...this.#checks.values()].map(({ done }) => done)
    this.#replaceChecks(new Map())
    await this.#deregister()
    await Promise.all(ended)
    this.#metrics.remove()
    if (broken !== undefined) throw broken.error
  }

  /** What every check says together. */
  health(): ServiceHealth {
    return serviceHealth(new Map([...this.#checks].map(([name, { state }]) => [name, state])))
  }

  state() {
    const health = this.health()
    return {
      name: this.#config.name,
      host: this.#config.host,
      port: this.#config.port,
      weight: this.#config.weight ?? null,
      status: health.status,
      reason: health.status === 'up' ? null : health.reason,
      registered: this.#applied?.kind === 'present',
      checks: [...this.#checks].map(([name, { config, state }]) => ({ name, type: config.type, ...state })),
      reporter: this.#reporter.state(),
      error: this.#lastError ?? null,
    }
  }

  #payload(): InstancePayload {
    const { host, publishedPort, weight, haproxyServerOptions, labels } = this.#config
    return { host, port: publishedPort, name: this.#instanceId, weight, haproxyServerOptions, labels }
  }

  #createReporter({ name, reporter: { type, options } }: ServiceConfig): Reporter {
    const { clock, metrics, random, sessions, reporterTypes } = this.#context
    return reporterTypes
      .get(type)
      .create(
        { service: name, clock, log: this.#log, metrics, random, sessions, onDisturbed: () => this.#loop.trigger() },
        options,
      )
  }

  #replaceChecks(checks: ReadonlyMap<string, StagedCheck>): void {
    for (const [name, running] of this.#checks) {
      if (checks.get(name)?.check === running.check) continue
      running.stop.abort()
      this.#checks.delete(name)
    }
    for (const [name, staged] of checks) {
      if (!this.#checks.has(name)) this.#startCheck(name, staged)
    }
  }

  #startCheck(name: string, { config, check }: StagedCheck): void {
    const { clock, random, metrics } = this.#context
    const { type, intervalMs, timeoutMs } = config
    const stop = new AbortController()
    const onResult = (result: CheckResult) => this.#onResult(name, check, result)
    const service = this.#config.name
    const runner = createCheckRunner({
      name,
      type,
      check,
      intervalMs,
      timeoutMs,
      clock,
      random,
      metrics,
      service,
      onResult,
    })
    const done = runner
      .run(stop.signal)
      .catch((error: unknown) => this.#onBroken(error))
      .finally(() => check.close?.())
    this.#checks.set(name, { config, check, state: { status: 'unknown' }, stop, done })
  }

  #onResult(name: string, check: StagedCheck['check'], result: CheckResult): void {
    const running = this.#checks.get(name)
    if (running?.check !== check) return // a result of a check that was just replaced
    const before = this.health()
    const checkBefore = running.state.status
    running.state = step(running.state, result, running.config)
    if (running.state.status === checkBefore) return
    const health = this.health()
    if (health.status === before.status) return
    const reason = health.status === 'up' ? 'all checks pass' : health.reason
    const fields = { from: before.status, to: health.status, reason }
    if (health.status === 'down') this.#log.warn('service health changed', fields)
    else this.#log.info('service health changed', fields)
    this.#metrics.up.set(health.status === 'up' ? 1 : 0)
    this.#metrics.transitions[health.status === 'up' ? 'up' : 'down'].inc()
    this.#loop.trigger()
  }

  async #reconcile(signal: AbortSignal): Promise<ReconcileResult> {
    const desired = registration(this.health(), this.#payload())
    if (desired === undefined) return {}
    const result = await this.#reporter.reconcile(desired, signal)
    this.#onReported(desired)
    for (const reporter of [...this.#retiring]) {
      await reporter.reconcile({ kind: 'absent' }, signal)
      this.#retiring = this.#retiring.filter((other) => other !== reporter)
      await reporter.close()
    }
    return result
  }

  #onReported(desired: Registration): void {
    const failedBefore = this.#lastError
    this.#lastError = undefined
    this.#metrics.reports.success.inc()
    this.#metrics.registered.set(desired.kind === 'present' ? 1 : 0)
    if (isDeepStrictEqual(this.#applied, desired) && failedBefore === undefined) return
    const from = this.#applied?.kind ?? 'unknown'
    this.#applied = desired
    const path = this.#reporter.state()['path'] ?? undefined
    this.#log.info('registration changed', { from, to: desired.kind, path, after_failure: failedBefore })
  }

  #onReportFailed(error: unknown): void {
    this.#metrics.reports.failure.inc()
    const message = messageOf(error)
    if (message === this.#lastError) return // said once, until it changes
    this.#lastError = message
    this.#log.warn('registration failed, will be retried', { reason: message })
  }

  async #deregister(): Promise<void> {
    const reporters = [this.#reporter, ...this.#retiring]
    const never = new AbortController().signal
    await Promise.all(
      reporters.map(async (reporter) => {
        try {
          await withDeadline(this.#context.clock, DEREGISTER_MS, 'removing the registration', never, (signal) =>
            reporter.reconcile({ kind: 'absent' }, signal),
          )
          this.#log.info('registration removed', { service: this.#config.name })
        } catch (error) {
          this.#log.warn('registration not removed, it ends with its session', { reason: messageOf(error) })
        }
        await reporter.close()
      }),
    )
  }
}
