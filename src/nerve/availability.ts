import { pause } from '../core/clock.ts'
import { drainBounds, drainClients } from './drain.ts'
import type { HookContext } from './hooks.ts'
import { type Applied, manualStateOf, manualWeightOf, NOTHING_SAID } from './manual-state.ts'
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
  /** A number in [0, 1). */
  readonly random: () => number
  /** What the checks say now. */
  readonly health: () => ServiceHealth
  /** What people say now; after a change `refresh` is called. Default: nothing. */
  readonly manual?: (() => Applied) | undefined
  /** Whether registries hold what `registration` says: any of them, or all. */
  readonly isReported: (which: 'any' | 'all') => boolean
  /** What the registries shall say may have changed. */
  readonly onChange: () => void
}

interface Draining {
  readonly shutdown: boolean
  readonly stop: AbortController
  readonly done: Promise<void>
  /** What has taken its place before it was over. */
  successor?: Promise<void>
  /** On the clock that never jumps, and on the one for people. */
  readonly started: number
  readonly since: number
}

/**
 * What is made of the checks' word before it is registered: somebody may have disabled or forced the service, and its
 * weight grows after each return.
 */
export class Availability {
  readonly #options: AvailabilityOptions
  readonly #warmUp: WarmUpRunner
  /** What `refresh` has seen last. */
  #wasDisabled: boolean
  /** nerve stops, which takes the service down whatever people say. */
  #isEnding = false
  #draining: Draining | undefined

  constructor(options: AvailabilityOptions) {
    this.#options = options
    this.#wasDisabled = this.manual.kind === 'disabled' // nobody's clients have to go then: it never was registered
    const { clock, log, onHookFailed, config, random, isReported, onChange } = options
    this.#warmUp = new WarmUpRunner({
      clock,
      log,
      onHookFailed,
      config,
      random,
      onChange,
      accepted: () => isReported('any'),
    })
  }

  /** What people say now. */
  get applied(): Applied {
    return this.#options.manual?.() ?? NOTHING_SAID
  }

  get manual(): ManualState {
    return this.#isEnding ? { kind: 'disabled' } : manualStateOf(this.applied)
  }

  /** The health that counts. */
  get health(): ServiceHealth {
    return effectiveHealth(this.#options.health(), this.manual)
  }

  /** The weight when warm. */
  get maxWeight(): number {
    return manualWeightOf(this.applied) ?? this.#options.config().weight ?? WHOLE_WEIGHT
  }

  /** The weight that registries hold now; 0 while the service is not available. Without a verdict they are left as they are. */
  get currentWeight(): number {
    return this.health.status === 'down' ? 0 : weightAt(this.#warmUp.state, this.maxWeight)
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
    const isByHand = this.manual.kind === 'disabled' && !this.#isEnding
    const ifPresent = this.#payload(this.maxWeight)
    return registration(health, payload, (reason) => absence(config(), instanceId(), { reason, isByHand, ifPresent }))
  }

  /** What the registries go on saying while a change is held back. */
  heldBack(kind: Registration['kind']): Registration {
    return kind === 'absent' ? { kind } : { kind, payload: this.#payload(this.maxWeight) }
  }

  /**
   * Looks again at the checks, the configuration and what people say. A service that was just disabled begins to drain;
   * one that is not any more stops that. What has not changed goes on: a warm-up that is done is not started anew.
   */
  refresh(): void {
    const isDisabled = this.manual.kind === 'disabled'
    if (!isDisabled) this.#draining?.stop.abort()
    const { status } = this.health
    if (status !== 'unknown') this.#warmUp.follow(status === 'up') // an edited check has no verdict, which is no news
    this.#options.onChange()
    if (isDisabled && !this.#wasDisabled && !this.#isEnding) void this.#startDrain(false) // `stop` waits for it
    this.#wasDisabled = isDisabled
  }

  /** Resolves when the service, if it is about to become available, is prepared for that. */
  prepared(): Promise<void> {
    return this.#warmUp.prepared()
  }

  /**
   * Resolves when the clients of a disabled service have had their time. `shutdown`: nerve stops, or is about to, so the
   * command for that runs too. Joins the drain that runs if that does as much, else takes its place; a drain that is over is
   * done once more, as go-nerve does.
   */
  drain(shutdown: boolean): Promise<void> {
    const draining = this.#draining
    const isRunning = draining !== undefined && !draining.stop.signal.aborted
    if (isRunning && (draining.shutdown || !shutdown)) return draining.done
    return this.#startDrain(shutdown)
  }

  /** Takes the service down because nerve stops. Resolves as `drain` does. */
  shutDown(): Promise<void> {
    this.#isEnding = true
    this.refresh()
    return this.drain(true)
  }

  /** The drain that runs: since when (ms since 1970), and how many ms of it are left, the least and the most. */
  get draining() {
    const draining = this.#draining
    if (draining === undefined || draining.stop.signal.aborted) return undefined
    const passed = this.#options.clock.now() - draining.started
    const { leastMs, mostMs } = drainBounds(this.#options.config())
    return { since: draining.since, leastMs: Math.max(0, leastMs - passed), mostMs: Math.max(0, mostMs - passed) }
  }

  /** Whether there is something that registries shall say, and all of them do. */
  get isSettled(): boolean {
    return this.registration() !== undefined && this.#options.isReported('all')
  }

  /** Ends what runs. */
  async stop(): Promise<void> {
    this.#draining?.stop.abort()
    await Promise.all([this.#draining?.done, this.#warmUp.stop()])
  }

  #payload(weight: number) {
    const { config, instanceId } = this.#options
    const service = config()
    const given = manualWeightOf(this.applied) ?? service.weight
    const isWeighted = given !== undefined || service.warmUp !== undefined
    return payloadOf(service, instanceId(), isWeighted ? weight : undefined)
  }

  #startDrain(shutdown: boolean): Promise<void> {
    const { clock } = this.#options
    const former = this.#draining
    const [started, since] = [clock.now(), clock.wallTime()]
    const stop = new AbortController()
    const over = this.#drain(shutdown, started, stop.signal).finally(() => {
      if (this.#draining?.stop === stop) this.#draining = undefined
    })
    const draining: Draining = { shutdown, stop, started, since, done: over.then(() => draining.successor) }
    this.#draining = draining
    if (former !== undefined && !former.stop.signal.aborted) {
      former.successor = draining.done // whoever waits for it waits for clients that still have time
      former.stop.abort()
    }
    return draining.done
  }

  async #drain(shutdown: boolean, started: number, signal: AbortSignal): Promise<void> {
    const { clock, config, isReported } = this.#options
    const { drain, hooks } = config()
    await Promise.resolve() // who disables for a shutdown says so next: no command may have been started by then
    while (!signal.aborted && !isReported('all') && clock.now() - started < REPORT_MS) {
      await pause(clock, LOOK_EVERY_MS, signal)
    }
    await drainClients({ drain, hooks, shutdown, started }, this.#options, signal)
  }
}
