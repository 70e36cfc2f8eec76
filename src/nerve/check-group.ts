import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import { createCheckRunner } from './check-runner.ts'
import { type CheckResult, type HealthState, outdated, step } from './health.ts'
import type { CheckConfig } from './model.ts'
import { type ServiceHealth, serviceHealth } from './service.ts'
import { closeCheck, type StagedCheck } from './staging.ts'
import type { StartGate } from './start-gate.ts'

export interface CheckGroupOptions {
  readonly service: string
  readonly clock: Clock
  /** Which names the service in each line. */
  readonly log: Logger
  /** Gives each check its phase, from 0 to 1. */
  readonly nextPhase: () => number
  readonly metrics: Metrics
  /** Which the runs of all checks share. Default: each starts when it is due. */
  readonly gate?: StartGate | undefined
  /** A check was run; `status` is what rise and fall make of it. */
  readonly onResult: (name: string, config: CheckConfig, result: CheckResult, status: HealthState['status']) => void
  /** The checks together say something else than before. */
  readonly onHealth: (before: ServiceHealth, health: ServiceHealth) => void
  /** The machinery of a check failed: a bug. */
  readonly onBroken: (error: unknown) => void
}

interface RunningCheck extends StagedCheck {
  state: HealthState
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** The checks of one service at work. Each runs on its own; a change of configuration touches only those it changes. */
export class CheckGroup {
  readonly #options: CheckGroupOptions
  readonly #checks = new Map<string, RunningCheck>()

  constructor(options: CheckGroupOptions) {
    this.#options = options
  }

  /** What runs now. */
  get staged(): ReadonlyMap<string, StagedCheck> {
    return new Map(this.#checks)
  }

  /** What every check says together. */
  health(): ServiceHealth {
    return serviceHealth(new Map([...this.#checks].map(([name, { state }]) => [name, state])))
  }

  state() {
    return [...this.#checks].map(([name, { config, state }]) => ({ name, type: config.type, ...state }))
  }

  /** Makes exactly these run. One that is replaced is closed when its run has ended; its successor starts without a verdict. */
  replace(checks: ReadonlyMap<string, StagedCheck>): void {
    for (const [name, running] of this.#checks) {
      if (checks.get(name)?.check === running.check) continue
      running.stop.abort()
      this.#checks.delete(name)
    }
    for (const [name, staged] of checks) {
      if (!this.#checks.has(name)) this.#start(name, staged)
    }
  }

  /** Ends all. Resolves when they have ended and were told to close. */
  async stop(): Promise<void> {
    const ended = [...this.#checks.values()].map(({ done }) => done)
    this.replace(new Map())
    await Promise.all(ended)
  }

  #start(name: string, { config, check }: StagedCheck): void {
    const { service, clock, log, nextPhase, metrics, gate, onBroken } = this.#options
    const { type, intervalMs, timeoutMs, deadlineMs } = config
    const stop = new AbortController()
    const onResult = (result: CheckResult) => this.#onResult(name, check, result)
    const onOutdated = () => this.#onOutdated(name, check)
    const timing = { intervalMs, timeoutMs, deadlineMs }
    const runner = createCheckRunner({
      name,
      type,
      check,
      service,
      clock,
      phase: nextPhase(),
      metrics,
      gate,
      onResult,
      onOutdated,
      ...timing,
    })
    const done = runner
      .run(stop.signal)
      .catch(onBroken)
      .finally(() => closeCheck(check, log.child({ check: name })))
    this.#checks.set(name, { config, check, state: { status: 'unknown' }, stop, done })
  }

  /** No news of the service, so nobody is told; what the registry says stays, and nothing is registered anew until there is a result. */
  #onOutdated(name: string, check: StagedCheck['check']): void {
    const running = this.#checks.get(name)
    if (running?.check === check) running.state = outdated(running.state)
  }

  #onResult(name: string, check: StagedCheck['check'], result: CheckResult): void {
    const running = this.#checks.get(name)
    if (running?.check !== check) return // a result of a check that was just replaced
    const state = step(running.state, result, running.config)
    const before = state === running.state ? undefined : this.health()
    running.state = state
    this.#options.onResult(name, running.config, result, state.status)
    if (before === undefined) return
    const health = this.health()
    if (health.status !== before.status) this.#options.onHealth(before, health)
  }
}
