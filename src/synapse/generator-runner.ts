import { isDeepStrictEqual } from 'node:util'
import { createBackoff } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import { ReconcileLoop, type ReconcileResult } from '../core/reconcile-loop.ts'
import { runAll } from '../core/tasks.ts'
import type { GeneratorConfig } from './config.ts'
import type { SynapseEvent } from './events.ts'
import { FirstDiscovery } from './first-discovery.ts'
import type { Generator, GeneratorEvent, GeneratorService, GeneratorType } from './generators/generator.ts'
import type { Service } from './service.ts'

/** The first change is applied at once; followers within this time are merged into one pass. */
const SETTLE_MS = 50
/** A pass without a cause, to repair what nobody told us of. */
const RESYNC_MS = 30_000

export interface GeneratorRunnerContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  /** How long the first pass waits, ms, for the registry to answer for one more service, and for all of them. */
  readonly firstPass: { readonly quietMs: number; readonly awayMs: number; readonly longestMs: number }
  /** All services, in configuration order. */
  readonly services: () => readonly Service[]
  /** Gets what happens, e.g. to count it. Default: nobody listens. */
  readonly onEvent?: (event: SynapseEvent) => void
}

/** Drives one generator: gathers what changed, and calls it until the world is as the services say. */
export class GeneratorRunner {
  readonly #type: GeneratorType
  readonly #context: GeneratorRunnerContext
  readonly #generator: Generator<unknown>
  readonly #loop: ReconcileLoop
  readonly #discovery: FirstDiscovery
  /** With the fingerprints of the files it refers to: an edited template is an edit too. */
  #config: GeneratorConfig
  /** Changed services and when the oldest unapplied registry event of each arrived. */
  #pending = new Map<string, number | undefined>()
  #succeeded = false
  /** Settles when the first pass has ended, well or not. */
  readonly passed: Promise<void>
  #firstPassEnded: () => void = () => {}
  #lastError: string | undefined

  constructor(type: GeneratorType, config: GeneratorConfig, context: GeneratorRunnerContext) {
    const { clock, metrics, random } = context
    const log = context.log.child({ generator: type.type })
    this.passed = new Promise((resolve) => {
      this.#firstPassEnded = resolve
    })
    this.#type = type
    this.#config = config
    this.#context = context
    const onEvent = (event: GeneratorEvent) => context.onEvent?.(event)
    const trigger = () => this.#loop.trigger()
    this.#generator = type.create({ clock, log, metrics, random, trigger, onEvent }, config.options)
    const failures = metrics.counter('synapse_generator_failures_total', 'Passes that failed.', ['generator'])
    failures.inc({ generator: type.type }, 0)
    const undiscovered = () => context.services().filter(({ discovered }) => !discovered)
    const missing = () => undiscovered().length
    const isAway = () => undiscovered().every((service) => service.isAway)
    this.#discovery = new FirstDiscovery({ clock, missing, isAway, ...context.firstPass })
    this.#loop = new ReconcileLoop({
      clock,
      backoff: createBackoff({ initialMs: 100, maxMs: 5_000, random }),
      settleMs: SETTLE_MS,
      resyncMs: RESYNC_MS,
      reconcile: (signal) => this.#reconcile(signal),
      onError: (error, retryInMs) => {
        failures.inc({ generator: type.type })
        context.onEvent?.({ kind: 'generator-failed', generator: type.type })
        const message = messageOf(error)
        if (message !== this.#lastError)
          log.error('generator failed, will be retried', { reason: message, retry_in_ms: Math.round(retryInMs) })
        this.#lastError = message
      },
    })
  }

  get type(): string {
    return this.#type.type
  }

  /** Why this generator is not ready; undefined when its first pass has succeeded. */
  get unready(): string | undefined {
    if (this.#succeeded) return undefined
    return `generator ${this.type}: ${this.#lastError ?? 'the first pass has not ended'}`
  }

  /** A service changed. The first registry event since the last success counts for the propagation histogram. */
  changed(service: string, eventAt: number | undefined): void {
    this.#pending.set(service, this.#pending.get(service) ?? eventAt)
    this.#discovery.look()
    this.#loop.trigger()
  }

  /** Takes top-level options; the next pass applies them if they changed. */
  configure(config: GeneratorConfig): void {
    if (!isDeepStrictEqual(this.#config, config)) this.#generator.configure(config.options)
    this.#config = config
    this.#loop.trigger() // the list of services may have changed too
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#discovery.wait(signal), this.#prepare(signal)])
    const loop = { name: 'passes', run: (inner: AbortSignal) => this.#loop.run(inner) }
    await runAll([loop, ...this.#generator.tasks], signal, (task, error) =>
      this.#context.log.error('generator task failed while stopping', { task, reason: messageOf(error) }),
    )
  }

  state() {
    return { ...this.#generator.state(), error: this.#lastError ?? null }
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    try {
      await this.#generator.prepare?.(this.#services(new Map()), signal)
    } catch (error) {
      this.#context.log.debug('not prepared, the first pass tries again', {
        generator: this.type,
        reason: messageOf(error),
      })
    }
  }

  #services(events: ReadonlyMap<string, number | undefined>): readonly GeneratorService<unknown>[] {
    return this.#context.services().map((service) => {
      const eventAt = events.get(service.config.name)
      return {
        name: service.config.name,
        options: service.optionsFor(this.#type),
        backends: service.backends,
        ...(eventAt === undefined ? {} : { eventAt }),
      }
    })
  }

  async #reconcile(signal: AbortSignal): Promise<ReconcileResult> {
    const taken = this.#pending
    this.#pending = new Map()
    if (taken.size > 0) this.#context.onEvent?.({ kind: 'generator-pass', generator: this.type })
    try {
      const result = await this.#generator.reconcile(this.#services(taken), signal)
      if (this.#lastError !== undefined)
        this.#context.log.info('generator recovered', { generator: this.type, after: this.#lastError })
      this.#succeeded = true
      this.#lastError = undefined
      return result
    } catch (error) {
      for (const [name, eventAt] of taken) this.#pending.set(name, eventAt ?? this.#pending.get(name))
      throw error
    } finally {
      this.#firstPassEnded()
    }
  }
}
