import { type Backoff, createBackoff } from '../../../core/backoff.ts'
import type { Clock } from '../../../core/clock.ts'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import { WakeUp } from '../../../core/wake-up.ts'
import { CheckedFile } from './checked-file.ts'
import type { ConfigFile } from './config-file.ts'
import type { HaproxyService } from './desired-model.ts'
import type { FileState, KnownFile } from './file-state.ts'
import type { FileText } from './file-text.ts'
import type { HaproxyMetrics, ReloadKind } from './haproxy-metrics.ts'
import type { DesiredState } from './model.ts'
import { PortsTaken, takenPorts } from './port-check.ts'
import type { HaproxyProcess } from './process.ts'
import { structureReasons } from './reasons.ts'
import { createReloadLimiter, type ReloadLimiter } from './reload-limiter.ts'
import type { ServerStateFile } from './server-state-file.ts'

/** The file follows this long after the last change of the servers, so that a burst is written once. */
const WRITE_DELAY_MS = 1_000
/** ... but not longer than this after the first. */
const WRITE_DELAY_MAX_MS = 5_000

/** It looks around at least this often. */
const LONGEST_WAIT_MS = 60_000

export interface ReloaderOptions {
  readonly file: ConfigFile | undefined
  /** `undefined`: somebody else reloads. */
  readonly process: HaproxyProcess | undefined
  /** undefined: a new worker takes all servers for up. */
  readonly states?: ServerStateFile | undefined
  readonly restartIntervalMs: number
  readonly restartJitter: number
  /** What HAProxy shall be now. */
  readonly desired: () => FileState
  /** The text of the file that says so. */
  readonly render: () => FileText
  /** HAProxy was reloaded for these reasons, and runs with the file as it is now. */
  readonly onLoaded: (reasons: readonly string[]) => void
  /** Default: nobody listens. */
  readonly onReloadFailed?: () => void
  /** HAProxy took what was made from these services. */
  readonly onAccepted: (services: readonly HaproxyService[]) => Promise<void>
  /**
   * HAProxy did not take what is desired. @returns whether what is desired now is something else, without those who are to
   * blame.
   */
  readonly isolate: (error: unknown, before: FileState | undefined, signal: AbortSignal) => Promise<boolean>
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  readonly metrics: HaproxyMetrics
}

/**
 * The slow half of the generator, beside its passes: writes the file (checked, replaced as a whole, merged while servers
 * change) and reloads HAProxy when only a reload can apply a change. One thing at a time.
 */
export class Reloader {
  readonly #options: ReloaderOptions
  readonly #file: CheckedFile | undefined
  readonly #limiter: ReloadLimiter
  readonly #retries: Backoff
  #reasons: ReadonlySet<string> = new Set()
  #kind: ReloadKind = 'structure'
  #firstChangeAt: number | undefined
  #writeAt: number | undefined
  /** The text on disk and what it says; undefined while nobody has looked. */
  #onDisk: KnownFile | undefined
  #failure:
    | { readonly structure: DesiredState['structure']; readonly retryAt: number; readonly message: string }
    | undefined
  #lastReload: { readonly at: number; readonly reasons: readonly string[]; readonly ms: number } | undefined
  #reloads = 0
  #queue: Promise<unknown> = Promise.resolve()
  readonly #wakeUp = new WakeUp()

  constructor(options: ReloaderOptions) {
    this.#options = options
    this.#file = options.file && new CheckedFile(options.file, options.clock)
    this.#limiter = createReloadLimiter(options.restartIntervalMs, options.restartJitter, options.random)
    this.#retries = createBackoff({ initialMs: 1_000, maxMs: 60_000, random: options.random })
  }

  /** What the file on disk says, as far as it is known. */
  get fileState(): FileState | undefined {
    return this.#onDisk?.state
  }

  /** The text of the file on disk, as far as it is known. */
  get fileText(): FileText | undefined {
    return this.#onDisk?.text
  }

  /** The last thing that went wrong and still holds. */
  get failure(): string | undefined {
    return this.#failure?.message
  }

  /** The file was found like this at the start. */
  found(file: KnownFile): void {
    this.#onDisk = file
  }

  /** HAProxy did not take what is wanted: an older file is put back, and the wanted one is tried again later. */
  async fallBack(older: KnownFile, reason: unknown): Promise<void> {
    this.#failed(reason)
    await this.#putBack(older)
  }

  /** Asks HAProxy about a file that is not to be written, so that a like one needs no check. */
  async learn({ text, state }: KnownFile, signal: AbortSignal): Promise<void> {
    await this.#exclusive(async () => this.#file?.learn(text, state, signal))
  }

  /** HAProxy does not start: what was taken for good without a check is checked the next time. */
  distrust(): void {
    this.#file?.distrust()
  }

  /** Servers changed at run time: the file follows in a moment. */
  serversChanged(): void {
    if (this.#options.file === undefined) return
    const now = this.#options.clock.now()
    this.#firstChangeAt ??= now
    this.#writeAt = Math.min(now + WRITE_DELAY_MS, this.#firstChangeAt + WRITE_DELAY_MAX_MS)
    this.#wakeUp.wake()
  }

  /** Only a reload can do this; an empty list takes earlier wishes back. Merged with what is waiting. */
  want(reasons: ReadonlySet<string>, kind: ReloadKind): void {
    this.#reasons = reasons
    this.#kind = kind
    if (reasons.size > 0) this.#wakeUp.wake()
  }

  /**
   * Writes the file now if it does not say what shall run, e.g. before HAProxy is started.
   * @param unproven also with another structure, because HAProxy cannot start with the one in the file.
   */
  flush(signal: AbortSignal, unproven = false): Promise<void> {
    return this.#exclusive(async () => {
      await this.#options.states?.clear() // HAProxy is about to start, and what was down may be up again
      if (!unproven && this.awaitsReload) return
      await this.#write(signal)
      await this.#accepted()
    })
  }

  /** Lives until the signal aborts; then writes what is still due, so that the next start finds it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#wakeUp.wait(this.#options.clock, Math.min(this.#waitMs(), LONGEST_WAIT_MS), signal)
      if (signal.aborted) break
      if (this.#waitMs() > 0) continue // woken by news that can wait
      await this.#exclusive(() => this.#work(signal)).catch((error: unknown) => {
        if (!signal.aborted) this.#failed(error)
      })
    }
    if (this.#writeAt !== undefined)
      await this.flush(new AbortController().signal).catch((error) => this.#failed(error))
  }

  state() {
    return {
      reloads: this.#reloads,
      last_reload:
        this.#lastReload === undefined
          ? null
          : { ...this.#lastReload, at: new Date(this.#lastReload.at).toISOString() },
      waiting_for_reload: [...this.#reasons],
      file_error: this.#failure?.message ?? null,
    }
  }

  /** ms until something is to be done; infinite while nothing is. */
  #waitMs(): number {
    const now = this.#options.clock.now()
    if (this.#mustReload) return Math.max(this.#limiter.waitMs(now), this.#retryMs(now))
    const dueAt = this.#writeAt ?? this.#file?.checkAt ?? Number.POSITIVE_INFINITY
    if (!Number.isFinite(dueAt) || this.awaitsReload) return Number.POSITIVE_INFINITY
    return Math.max(dueAt - now, this.#retryMs(now))
  }

  get #mustReload(): boolean {
    return this.#reasons.size > 0 && this.#options.process !== undefined
  }

  /**
   * Whether the structure is another than that of the file. It is then written with the reload that proves it, not before:
   * a HAProxy that dies meanwhile starts from a file that has run already.
   */
  get awaitsReload(): boolean {
    const { process, desired } = this.#options
    if (process === undefined || this.#onDisk === undefined) return false
    const { structure, backends } = desired()
    const { text, state } = this.#onDisk
    if (structureReasons(state.structure, structure, backends).length > 0) return true
    // The same object the next time.
    if (state.structure !== structure) this.#onDisk = { text, state: { ...state, structure } }
    return false
  }

  /** A configuration that failed is tried again later, a changed one at once. */
  #retryMs(now: number): number {
    if (this.#failure === undefined) return 0
    return this.#failure.structure === this.#options.desired().structure ? this.#failure.retryAt - now : 0
  }

  async #work(signal: AbortSignal): Promise<void> {
    if (this.#mustReload) await this.#reload(signal)
    else await this.#write(signal)
    this.#retries.reset()
    if (this.#failure !== undefined)
      this.#options.log.info('haproxy configuration accepted', { after: this.#failure.message })
    this.#failure = undefined
    await this.#accepted()
  }

  async #accepted(): Promise<void> {
    const services = this.#onDisk?.state.services
    if (services !== undefined) await this.#options.onAccepted(services)
  }

  async #reload(signal: AbortSignal): Promise<void> {
    const { clock, log, metrics, onLoaded, isolate } = this.#options
    const reasons = [...this.#reasons]
    const kind = this.#kind
    const before = this.#onDisk
    if ((await this.#write(signal)) === 'isolated') return // the next pass says which reasons are left
    const started = clock.now()
    this.#limiter.begin(started)
    try {
      await this.#takeFile(signal)
    } catch (error) {
      if (signal.aborted) throw error
      metrics.reloads.inc({ kind, result: 'failed' })
      this.#options.onReloadFailed?.()
      if (before !== undefined && before !== this.#onDisk) await this.#putBack(before)
      if (await isolate(error, before?.state, signal)) return
      throw error
    }
    const ms = Math.round(clock.now() - started)
    this.#reloads += 1
    this.#lastReload = { at: clock.wallTime(), reasons, ms }
    metrics.reloads.inc({ kind, result: 'ok' })
    log.info('haproxy reloaded', { reasons, ms })
    this.#reasons = new Set()
    onLoaded(reasons)
  }

  async #takeFile(signal: AbortSignal): Promise<void> {
    const { process, states } = this.#options
    const reload = async () => process?.reload(signal)
    await (states?.during(reload, signal) ?? reload())
  }

  /** @returns whether somebody had to be left out for it. */
  async #write(signal: AbortSignal): Promise<'written' | 'isolated'> {
    const { file, desired, render, metrics, isolate } = this.#options
    if (file === undefined) return 'written'
    const before = this.#onDisk
    this.#firstChangeAt = undefined
    this.#writeAt = undefined
    for (let result: 'written' | 'isolated' = 'written'; ; result = 'isolated') {
      const state = desired()
      const text = render()
      try {
        if (this.#mustReload) await this.#refuseTakenPorts(state)
        const { text: onDisk } = this.#onDisk ?? {}
        await this.#file?.write(text, state, { onDisk, mustCheck: this.#mustReload }, signal)
        this.#onDisk = { text, state }
        return result
      } catch (error) {
        if (signal.aborted) throw error
        metrics.configFailures.inc()
        if (!(await isolate(error, before?.state, signal))) throw error
      }
    }
  }

  async #refuseTakenPorts({ structure }: FileState): Promise<void> {
    if (this.#options.process?.mode !== 'managed') return
    const taken = await takenPorts(structure, this.#onDisk?.state.structure)
    if (taken.length > 0) throw new PortsTaken(taken)
  }

  async #putBack(before: KnownFile): Promise<void> {
    await this.#options.file?.put(before.text)
    this.#onDisk = before
  }

  #failed(error: unknown): void {
    const { clock, desired, log } = this.#options
    const message = messageOf(error)
    const retryMs = this.#retries.next()
    if (message !== this.#failure?.message) {
      log.error('haproxy configuration not applied, the last good one stays', {
        reason: message,
        wanted: [...this.#reasons],
        retry_in_ms: Math.round(retryMs),
      })
    }
    this.#failure = { structure: desired().structure, retryAt: clock.now() + retryMs, message }
    this.#writeAt ??= clock.now() // what was not written is still due
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work)
    this.#queue = result.catch(() => undefined) // its caller hears of the failure
    return result
  }
}
