import { once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { type Backoff, createBackoff } from '../core/backoff.ts'
import { sleep } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { ReconcileLoop, type ReconcileResult } from '../core/reconcile-loop.ts'
import type { Registry } from '../core/registry.ts'
import { withDeadline } from '../core/time-limit.ts'
import type { PluginConfig } from './config.ts'
import {
  type Registration,
  type Reporter,
  type ReporterContext,
  type ReporterType,
  sameRegistration,
} from './reporters/reporter.ts'

/** Followers of a change within this time share its registry write. */
const SETTLE_MS = 20
/** The registry is asked this often whether it still holds what it should, whatever its watches say. */
const RESYNC_MS = 60_000
/**
 * How long nerve, when it stops, may try to remove a registration, the end of the pass under way included; after that the
 * end of its session does it.
 */
const DEREGISTER_MS = 3_000
/** Waits between two tries of that. */
const DEREGISTER_AGAIN = { initialMs: 50, maxMs: 500 } as const
/** Waits between two tries to remove what an earlier place holds. Nothing else waits for it. */
const LEAVE_PLACE_AGAIN = { initialMs: 200, maxMs: 30_000 } as const

/** What a registry shall say now. */
export interface Wanted {
  /** undefined: nothing is known yet, so the registry is left as it is. */
  readonly registration: Registration | undefined
  /** Ask again after this many ms: a change is held back until then. */
  readonly retryInMs?: number | undefined
}

export interface RegistrarOptions extends Omit<ReporterContext, 'onDisturbed'> {
  readonly reporterTypes: Registry<ReporterType>
  readonly wanted: () => Wanted
  /** A pass succeeded; `changed` when the registry says something else than before, or could not be reached before. */
  readonly onReported: (registration: Registration, changed: boolean) => void
  readonly onFailed: () => void
}

/**
 * Keeps one registry saying what a service wants it to say, in a loop of its own: a registry that is away holds up no
 * other. Works from its creation until `stop` or `leave`, which remove the registration.
 */
export class Registrar {
  /** Resolves when the registration is removed, or had its time, and the reporter is closed. */
  readonly done: Promise<void>
  readonly #options: RegistrarOptions
  readonly #loop: ReconcileLoop
  readonly #stop = new AbortController()
  #config: PluginConfig
  #reporter: Reporter
  /** Reporters of an earlier configuration: removed from the registry only after the current one has registered. */
  #retiring: Reporter[] = []
  #applied: Registration | undefined
  /** What the pass that is under way, or has failed, shall make the registry say. */
  #pending: { readonly registration: Registration; readonly isUnderWay: boolean } | undefined
  #lastError: string | undefined
  readonly #leavePlaceBackoff: Backoff
  /** Why an earlier place could not be left, so that it is said once. */
  #leavePlaceError: string | undefined
  #isLeaving = false
  #keeps = false

  constructor(config: PluginConfig, options: RegistrarOptions) {
    const { clock, random } = options
    this.#options = options
    this.#leavePlaceBackoff = createBackoff({ ...LEAVE_PLACE_AGAIN, random })
    this.#config = config
    this.#reporter = this.#createReporter(config)
    this.#loop = new ReconcileLoop({
      clock,
      backoff: createBackoff({ initialMs: 50, maxMs: 2_000, random }),
      settleMs: SETTLE_MS,
      resyncMs: RESYNC_MS,
      reconcile: (signal) => this.#reconcile(signal),
      onError: (error) => this.#onFailed(error),
    })
    this.done = this.#run()
  }

  get config(): PluginConfig {
    return this.#config
  }

  /** What the registry said last, as far as we know. */
  get applied(): Registration | undefined {
    return this.#applied
  }

  /** Whether the registry says this, as far as we know, and nothing else is on its way to it. */
  says(registration: Registration | undefined): boolean {
    if (this.#lastError !== undefined || !this.#isSame(this.#applied, registration)) return false
    return this.#pending === undefined || this.#isSame(this.#pending.registration, registration)
  }

  /** Whether clients may see a registration: we know of one, or one is on its way to a registry that has not answered yet. */
  get mayBeSeen(): boolean {
    if (this.#applied?.kind === 'present' || this.#retiring.length > 0) return true
    return this.#pending?.registration.kind === 'present' && (this.#reporter.mayHold?.() ?? this.#pending.isUnderWay)
  }

  /** Why the last pass failed. */
  get error(): string | undefined {
    return this.#lastError
  }

  /** Whether the registry can be asked, and holds what it should; undefined while it is being connected to for the first time. */
  get isWell(): boolean | undefined {
    if (this.#lastError !== undefined) return false
    return this.#reporter.isWell === undefined ? true : this.#reporter.isWell()
  }

  /** What is wanted has changed. */
  trigger(): void {
    this.#loop.trigger()
  }

  /** Registers as `config` says, then removes what there was before; what is registered stays if the edit does not concern it. */
  replace(config: PluginConfig): void {
    const { type, inputs } = this.#config
    const isOfSameFiles = config.type === type && isDeepStrictEqual(config.inputs, inputs)
    const isTaken = isOfSameFiles && this.#reporter.reconfigure?.(config.options) === true
    const successor = isTaken ? undefined : this.#createReporter(config) // may throw, and then what is registered stays
    this.#config = config
    this.#loop.trigger()
    if (successor === undefined) return
    this.#retiring.push(this.#reporter)
    this.#reporter = successor
    this.#applied = undefined
  }

  /** Removes the registration, however long that takes, and ends. */
  leave(): void {
    this.#isLeaving = true
    this.#loop.trigger()
  }

  /** Removes the registration, for which there are a few seconds, and ends. `keep`: leaves it to the session's timeout. */
  stop({ keep = false }: { readonly keep?: boolean } = {}): void {
    this.#keeps = keep
    this.#stop.abort()
  }

  state(): Readonly<Record<string, unknown>> {
    return this.#reporter.state()
  }

  #createReporter({ type, options }: PluginConfig): Reporter {
    const { service, clock, log, metrics, random, sessions, print, onRenewed, reporterTypes } = this.#options
    const onDisturbed = () => this.#loop.trigger()
    const context = { service, clock, log, metrics, random, sessions, print, onRenewed, onDisturbed }
    return reporterTypes.get(type).create(context, options)
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const passes = this.#loop.run(signal)
    await Promise.race([passes, once(signal, 'abort')])
    await Promise.all([this.#reporter, ...this.#retiring].map((reporter) => this.#end(reporter, passes)))
  }

  async #reconcile(signal: AbortSignal): Promise<ReconcileResult> {
    const reporter = this.#reporter
    const isLeaving = this.#isLeaving
    const { registration, retryInMs } = isLeaving ? ({ registration: ABSENT } as Wanted) : this.#options.wanted()
    if (registration === undefined) return retryInMs === undefined ? {} : { requeueAfterMs: retryInMs }
    this.#pending = { registration, isUnderWay: true }
    const { requeueAfterMs = this.#resyncMs() } = await reporter.reconcile(registration, signal)
    this.#pending = undefined
    if (reporter !== this.#reporter) return {} // an edit came meanwhile: it is retiring itself, until its successor has registered
    if (!isLeaving) this.#onReported(registration)
    const againMs = await this.#leavePlaces(reporter, signal)
    if (isLeaving && againMs === undefined) this.#stop.abort()
    return { requeueAfterMs: Math.min(requeueAfterMs, retryInMs ?? requeueAfterMs, againMs ?? requeueAfterMs) }
  }

  /**
   * Removes what is left at places of an earlier configuration, now that the present one has the registration. A registry
   * there that is away, perhaps for good, is no trouble of the present one. Resolves with the wait until the next try;
   * undefined: nothing is left.
   */
  async #leavePlaces(reporter: Reporter, signal: AbortSignal): Promise<number | undefined> {
    for (const former of [...this.#retiring]) {
      try {
        if (!hasTaken(reporter, former)) await former.reconcile(ABSENT, signal)
      } catch (error) {
        if (signal.aborted) throw error
        this.#onPlaceNotLeft(former, messageOf(error))
        continue
      }
      this.#retiring = this.#retiring.filter((other) => other !== former)
      await this.#close(former)
    }
    if (this.#retiring.length > 0) return this.#leavePlaceBackoff.next()
    this.#leavePlaceBackoff.reset()
    this.#leavePlaceError = undefined
    return undefined
  }

  #onPlaceNotLeft(former: Reporter, reason: string): void {
    if (reason === this.#leavePlaceError) return
    this.#leavePlaceError = reason
    const path = former.state()['path'] ?? undefined
    this.#options.log.warn('former registration not removed, will be retried', { path, reason })
  }

  /** A fleet that a restarted registry set in step falls out of step again. */
  #resyncMs(): number {
    return RESYNC_MS * (0.75 + 0.25 * this.#options.random())
  }

  #onReported(desired: Registration): void {
    const failedBefore = this.#lastError
    const changed = !this.#isSame(this.#applied, desired) || failedBefore !== undefined
    const from = this.#applied?.kind ?? 'unknown'
    this.#lastError = undefined
    this.#applied = desired
    if (changed) {
      const path = this.#reporter.state()['path'] ?? undefined
      const fields = { from, to: desired.kind, path, after_failure: failedBefore }
      this.#options.log.info('registration changed', fields)
    }
    this.#options.onReported(desired, changed)
  }

  #isSame(a: Registration | undefined, b: Registration | undefined): boolean {
    return sameRegistration(a, b, this.#reporter.showsAbsent?.() ?? false)
  }

  #onFailed(error: unknown): void {
    const { log, onFailed } = this.#options
    const message = messageOf(error)
    if (this.#pending !== undefined) this.#pending = { ...this.#pending, isUnderWay: false }
    const isNew = message !== this.#lastError // said once, until it changes
    this.#lastError = message
    if (isNew) log.warn('registration failed, will be retried', { reporter: this.#config.type, reason: message })
    onFailed()
  }

  /**
   * Removes what the reporter has registered, unless that shall stay, and closes it: in time, also when the last of
   * `passes` does not end, e.g. on a disk that hangs.
   */
  async #end(reporter: Reporter, passes: Promise<void>): Promise<void> {
    const { clock, log, service } = this.#options
    const keep = this.#keeps
    const what = keep ? 'the last report' : 'removing the registration'
    const never = new AbortController().signal
    let failure: unknown
    const onFailed = (error: unknown) => {
      failure = error
    }
    try {
      await withDeadline(clock, DEREGISTER_MS, what, never, async (signal) => {
        await passes
        signal.throwIfAborted()
        if (!keep) await this.#remove(reporter, onFailed, signal)
      })
      if (!keep) log.info('registration removed', { service })
    } catch (error) {
      const message = keep ? 'reporter does not end' : 'registration not removed, it ends with its session'
      log.warn(message, { reason: messageOf(failure ?? error) })
    }
    await this.#close(reporter, { keep })
  }

  /** As often as it takes: a registry that is away for a moment, e.g. while it chooses a leader, is no reason to leave anything there. */
  async #remove(reporter: Reporter, onFailed: (error: unknown) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    const backoff = createBackoff({ ...DEREGISTER_AGAIN, random })
    for (;;) {
      try {
        await reporter.reconcile(ABSENT, signal)
        return
      } catch (error) {
        signal.throwIfAborted()
        onFailed(error)
      }
      await sleep(clock, backoff.next(), signal)
    }
  }

  /** Never rejects: nobody could do anything about it. */
  async #close(reporter: Reporter, options?: { readonly keep: boolean }): Promise<void> {
    try {
      await reporter.close(options)
    } catch (error) {
      this.#options.log.warn('reporter not closed cleanly', { reporter: this.#config.type, reason: messageOf(error) })
    }
  }
}

/** Whether what a reporter of an earlier configuration registered is now in the hands of its successor, by another session. */
function hasTaken(successor: Reporter, former: Reporter): boolean {
  const held = former.holds?.()
  return held !== undefined && held === successor.holds?.()
}

const ABSENT: Registration = { kind: 'absent' }
