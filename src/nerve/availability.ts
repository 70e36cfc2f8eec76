import { pause } from '../core/clock.ts'
import { drainClients } from './drain.ts'
import type { HookContext } from './hooks.ts'
import type { ServiceConfig } from './model.ts'
import type { Registration } from './reporters/reporter.ts'
import { absence, effectiveHealth, type ManualState, payloadOf, registration, type ServiceHealth } from './service.ts'
import { weightAt } from './warm-up.ts'
import { WarmUpRunner } from './warm-up-runner.ts'

/** The weight of a service whose configuration gives none. */
const WHOLE_WEIGHT = 255
/** How long taking a service down waits for the registries to take it; after that its clients go by their own checks. */
const REPORT_MS = 3_000
const LOOK_EVERY_MS = 20

export interface AvailabilityOptions extends HookContext {
  /** The configuration as it is now. */
  readonly config: () => ServiceConfig
  readonly instanceId: () => string
  /** What the checks say now. */
  readonly health: () => ServiceHealth
  /** Whether registries hold what `registration` says: any of them, or all. */
  readonly isReported: (which: 'any' | 'all') => boolean
  /** What the registries shall say may have changed. */
  readonly onChange: () => void
}

interface Draining {
  readonly shutdown: boolean
  readonly stop: AbortController
  readonly done: Promise<void>
}

/**
 * What is made of the checks' word before it is registered: somebody may have disabled or forced the service, and its
 * weight grows after each return.
 */
export class Availability {
  readonly #options: AvailabilityOptions
  readonly #warmUp: WarmUpRunner
  #manual: ManualState = { kind: 'enabled' }
  /** Set by hand; wins over the configuration. */
  #weight: number | undefined
  #draining: Draining | undefined

  constructor(options: AvailabilityOptions) {
    this.#options = options
    this.#warmUp = new WarmUpRunner({
      ...options,
      accepted: () => options.isReported('any'),
      onChange: options.onChange,
    })
  }

  get manual(): ManualState {
    return this.#manual
  }

  /** The health that counts. */
  get health(): ServiceHealth {
    return effectiveHealth(this.#options.health(), this.#manual)
  }

  /** The weight when warm. */
  get maxWeight(): number {
    return this.#weight ?? this.#options.config().weight ?? WHOLE_WEIGHT
  }

  /** The weight now; 0 while the service is not available. */
  get currentWeight(): number {
    return this.health.status === 'up' ? weightAt(this.#warmUp.state, this.maxWeight) : 0
  }

  get phase() {
    return this.#warmUp.state.phase
  }

  /** What the registries shall say; undefined: leave them as they are. */
  registration(): Registration | undefined {
    const { config, instanceId } = this.#options
    const { phase } = this.#warmUp.state
    const { health } = this
    if (health.status === 'up' && (phase === 'cold' || phase === 'preparing')) return undefined
    const payload = this.#payload(this.currentWeight)
    return registration(health, payload, (reason) => absence(config(), instanceId(), reason))
  }

  /** What the registries go on saying while a change is held back. */
  heldBack(kind: Registration['kind']): Registration {
    return kind === 'absent' ? { kind } : { kind, payload: this.#payload(this.maxWeight) }
  }

  /** Looks again at the checks and the configuration. */
  refresh(): void {
    const { status } = this.health
    if (status !== 'unknown') this.#warmUp.follow(status === 'up') // an edited check has no verdict, which is no news
    this.#options.onChange()
  }

  /** Lets the checks decide, or with `force` takes the service for available whatever they say. Resolves when it is prepared. */
  async enable(force: boolean): Promise<void> {
    this.#draining?.stop.abort()
    this.#setManual({ kind: force ? 'forced' : 'enabled' })
    await this.#warmUp.prepared()
  }

  /**
   * Takes the service down and resolves when its clients have had their time. `shutdown`: nerve stops, so the command for
   * that runs too. A second call joins the first.
   */
  disable(shutdown: boolean): Promise<void> {
    const draining = this.#draining
    if (draining?.shutdown === shutdown && !draining.stop.signal.aborted) return draining.done
    draining?.stop.abort()
    this.#setManual({ kind: 'disabled' })
    const stop = new AbortController()
    const done = this.#drain(shutdown, stop.signal)
    const mine = { shutdown, stop, done }
    this.#draining = mine
    return done.finally(() => {
      if (this.#draining === mine) this.#draining = undefined
    })
  }

  /** The weight when warm, until it is set again or nerve ends. undefined: the configuration's. */
  setWeight(weight: number | undefined): void {
    if (weight !== this.#weight) this.#options.log.info('weight set by hand', { weight })
    this.#weight = weight
    this.#options.onChange()
  }

  /** Ends what runs. */
  async stop(): Promise<void> {
    this.#draining?.stop.abort()
    await this.#warmUp.stop()
  }

  #payload(weight: number) {
    const { config, instanceId } = this.#options
    const service = config()
    const isWeighted = (this.#weight ?? service.weight) !== undefined || service.warmUp !== undefined
    return payloadOf(service, instanceId(), isWeighted ? weight : undefined)
  }

  #setManual(manual: ManualState): void {
    if (manual.kind !== this.#manual.kind)
      this.#options.log.info('changed by hand', { from: this.#manual.kind, to: manual.kind })
    this.#manual = manual
    this.refresh()
  }

  async #drain(shutdown: boolean, signal: AbortSignal): Promise<void> {
    const { clock, config, isReported } = this.#options
    const { drain, hooks } = config()
    const started = clock.now()
    while (!signal.aborted && !isReported('all') && clock.now() - started < REPORT_MS) {
      await pause(clock, LOOK_EVERY_MS, signal)
    }
    await drainClients({ drain, hooks, shutdown, started }, this.#options, signal)
  }
}
