import { type Clock, pause } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { LogFields, Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Task } from '../core/tasks.ts'
import { withDeadline } from '../core/time-limit.ts'
import type { Availability } from './availability.ts'
import { HACHECK } from './hacheck-spool.ts'
import { type LoadedManual, ManualFile } from './manual-file.ts'
import {
  type Applied,
  appliedTo,
  type ManualEntries,
  type ManualEntry,
  type ManualService,
  nextExpiry,
  servicesOf,
  splitExpired,
  withEnabled,
  withEntry,
  withoutTarget,
  wordsOf,
} from './manual-state.ts'

/** The clock for people may jump, so an expiry is looked at this often at least. */
const LOOK_EVERY_MS = 60_000
/** A file that could not be written is tried again after this time. */
const SAVE_AGAIN_MS = 10_000
/** A disk that hangs holds up the start of the services, and the end of nerve, for so long each. */
const DISK_MS = 5_000

/** A service as manual state acts on it. */
export interface ControlledService extends ManualService {
  readonly host: string
  readonly availability: Pick<Availability, 'manual' | 'maxWeight' | 'currentWeight' | 'refresh' | 'prepared' | 'drain'>
}

export interface ManualControlOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Where `manual.json` is kept; undefined: nowhere, so a restart forgets. */
  readonly directory: string | undefined
  /** The services as they are now, in configuration order. */
  readonly services: () => readonly ControlledService[]
}

/** What is to be said of a target from now on. */
export type ManualCommand = Omit<ManualEntry, 'since'>

/** Has the word of people: takes it, keeps it on disk, tells the services, and lets it expire. */
export class ManualControl {
  readonly #options: ManualControlOptions
  readonly #problemGauge: { set(value: number): void }
  #file: ManualFile | undefined
  #entries: ManualEntries = []
  /** What hacheck's spool says: it wins, as there, and is not ours to keep. */
  #spool: ManualEntries = []
  #saving: Promise<void> = Promise.resolve()
  /** What of the file could not be read, until somebody says something anew. */
  #damage: string | undefined
  #unsaved: string | undefined
  /** Why the file has not been read yet: until then it is not written either, or what stands in it would be lost. */
  #unread: string | undefined
  /** What was said before the file was read, to be said again then: it is newer. */
  readonly #meanwhile: ((entries: ManualEntries) => ManualEntries)[] = []
  #wake = new AbortController()

  constructor(options: ManualControlOptions) {
    this.#options = options
    this.#file = options.directory === undefined ? undefined : new ManualFile(options.directory)
    this.#problemGauge = options.metrics.gauge(
      'nerve_manual_state_problem',
      'Whether manual state was damaged, or cannot be kept over a restart as it should.',
    )
  }

  /**
   * Reads what was said before a restart. To be called before the first service starts. Never rejects, and takes no more
   * than a few seconds: what a disk that hangs gives later counts from then on.
   */
  async load(): Promise<void> {
    const { clock, log } = this.#options
    const file = this.#file
    if (file === undefined) return this.#showProblem()
    const loading = file.load(clock.wallTime())
    try {
      await this.#inTime(`reading ${file.path}`, loading)
    } catch (error) {
      this.#unread = `${messageOf(error)}: does its disk hang? What was disabled by hand is registered until it can be read, and nothing is kept; say it anew with smartstack nerve disable`
      log.error('manual state cannot be read', { reason: this.#unread })
      this.#showProblem()
      void loading.then((loaded) => this.#onLoaded(loaded))
      return
    }
    await this.#onLoaded(await loading)
  }

  async #onLoaded({ entries, problem }: LoadedManual): Promise<void> {
    const { clock, log, services } = this.#options
    const { standing, expired } = splitExpired(entries, clock.wallTime())
    this.#damage = problem
    if (problem !== undefined) log.error('manual state is damaged', { reason: problem })
    for (const entry of standing) log.info('still said by hand', fieldsOf(entry))
    for (const entry of expired) log.info('manual state expired while nerve was away', fieldsOf(entry))
    const isLate = this.#unread !== undefined
    this.#unread = undefined
    const words = { entries: this.#meanwhile.reduce((said, again) => again(said), standing), spool: this.#spool }
    if (isLate) this.#follow(words, services(), { target: 'all', says: 'what manual.json said, which was read late' })
    else this.#entries = words.entries
    if (isLate || problem !== undefined || expired.length > 0) await this.#save()
    this.#showProblem()
  }

  /** Waits for a disk, and not for ever. @throws SmartStackError DEADLINE. */
  #inTime(what: string, work: Promise<unknown>): Promise<unknown> {
    return withDeadline(this.#options.clock, DISK_MS, what, new AbortController().signal, () => work)
  }

  /** What holds for a service now. */
  appliedTo(service: ManualService): Applied {
    return standing(service, this.#words, this.#options.clock.wallTime())
  }

  get #words(): Words {
    return { entries: this.#entries, spool: this.#spool }
  }

  /** Everything that was said and stands, and whether a restart keeps it. */
  get status() {
    const now = this.#options.clock.wallTime()
    return {
      entries: [...splitExpired(this.#entries, now).standing, ...splitExpired(this.#spool, now).standing],
      /** Where it is kept; null: nowhere. */
      file: this.#file?.path ?? null,
      kept: this.#file !== undefined && this.#unsaved === undefined && this.#unread === undefined,
      problem: this.#problem ?? null,
    }
  }

  /**
   * Takes a command: the services follow at once, and it is on disk when the promise resolves, or `status` says why not.
   * Repeating what is said keeps its reason, if no other is given, and its time.
   */
  say(command: ManualCommand): Promise<void> {
    const services = this.#options.services()
    const { says, target } = command
    const before = this.#entries.find((entry) => entry.target === target && wordsOf(entry.says) === wordsOf(says))
    const reason = command.reason === '' ? (before?.reason ?? '') : command.reason
    const since = before?.reason === reason ? before.since : this.#options.clock.wallTime()
    const entry = { ...command, reason, since }
    const entries = this.#apply((said) =>
      says.kind === 'enabled' ? withEnabled(said, { ...entry, says }, services) : withEntry(said, entry, services),
    )
    this.#damage = undefined
    return this.#change(entries, servicesOf(target, services), fieldsOf(entry))
  }

  /** Takes back what was said of a target, of one aspect or both. What is said of a broader one holds then. */
  forget(target: string, aspect: keyof Applied | undefined, by: string | undefined): Promise<void> {
    const services = this.#options.services()
    const entries = this.#apply((said) => withoutTarget(said, target, aspect, services))
    this.#damage = undefined
    return this.#change(entries, servicesOf(target, services), { target, says: 'nothing', by })
  }

  #apply(change: (entries: ManualEntries) => ManualEntries): ManualEntries {
    if (this.#unread !== undefined) this.#meanwhile.push(change)
    return change(this.#entries)
  }

  /** Takes over what hacheck's spool says now. */
  followSpool(spool: ManualEntries): void {
    const line = { target: 'hacheck_spool', says: 'something else', by: HACHECK }
    this.#follow({ entries: this.#entries, spool }, this.#options.services(), line)
  }

  /** Keeps it in another directory from now on; undefined: in memory. */
  async keepIn(directory: string | undefined): Promise<void> {
    const file = directory === undefined ? undefined : new ManualFile(directory)
    if (file?.path === this.#file?.path) return
    this.#file = file
    this.#unsaved = undefined
    await this.#save()
  }

  /** Lets entries expire, and tries again to write what could not be written. */
  get task(): Task {
    return { name: 'manual state', run: (signal) => this.#run(signal) }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      this.#wake = new AbortController()
      const woken = this.#wake.signal
      const expiry = nextExpiry(this.#entries) ?? Number.POSITIVE_INFINITY
      const againMs = this.#unsaved === undefined ? LOOK_EVERY_MS : SAVE_AGAIN_MS
      const waitMs = Math.max(0, Math.min(expiry - clock.wallTime(), againMs))
      await pause(clock, waitMs, AbortSignal.any([signal, woken]))
      if (!signal.aborted && !woken.aborted) await this.#expire()
    }
    const path = this.#file?.path
    await this.#inTime(`writing ${path}`, this.#saving).catch((error: unknown) => this.#onUnsaved(path, error))
  }

  async #expire(): Promise<void> {
    const { standing, expired } = splitExpired(this.#entries, this.#options.clock.wallTime())
    const [first] = expired
    if (first !== undefined) {
      const reason = `expired: ${wordsOf(first.says)} ${first.reason}`.trim()
      await this.#change(standing, this.#options.services(), { ...fieldsOf(first), says: 'nothing', reason })
    } else if (this.#unsaved !== undefined) await this.#save()
  }

  async #change(entries: ManualEntries, meant: readonly ControlledService[], line: LogFields): Promise<void> {
    this.#follow({ entries, spool: this.#spool }, meant, line)
    this.#wake.abort()
    await this.#save()
  }

  /** Makes `words` what holds, and tells the services that are meant, and the log. */
  #follow(words: Words, meant: readonly ControlledService[], { says, ...line }: LogFields): void {
    const { clock, log } = this.#options
    const now = clock.wallTime()
    const changed = meant.flatMap((service) => {
      const [before, after] = [standing(service, this.#words, EVER), standing(service, words, now)]
      if (before.availability === after.availability && before.weight === after.weight) return []
      const { reason } = after.availability ?? {}
      return [{ service, from: describe(before), to: describe(after), reason }]
    })
    this.#entries = words.entries
    this.#spool = words.spool
    const told = changed.filter(({ from, to }) => from !== to)
    for (const { service, from, to, reason } of told)
      log.info('changed by hand', { service: service.name, from, to, reason, ...line })
    if (told.length === 0) log.info('said by hand, which changes no service now', { says, ...line })
    for (const { service } of changed) service.availability.refresh()
  }

  /** Resolves when what is said by then is on disk, or `status` says why not. */
  async #save(): Promise<void> {
    if (this.#unread !== undefined) return
    this.#saving = this.#saving.then(() => this.#write()) // one after another
    const path = this.#file?.path
    await this.#inTime(`writing ${path}`, this.#saving).catch((error: unknown) => this.#onUnsaved(path, error))
    this.#showProblem()
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const path = this.#file?.path
    try {
      await this.#file?.save(this.#entries)
      if (this.#unsaved !== undefined) this.#options.log.info('manual state is kept again', { path })
      this.#unsaved = undefined
    } catch (error) {
      this.#onUnsaved(path, error)
    }
    this.#showProblem()
  }

  #onUnsaved(path: string | undefined, error: unknown): void {
    const unsaved = `cannot write ${path}, so a restart forgets what was changed by hand: ${messageOf(error)}`
    if (unsaved !== this.#unsaved)
      this.#options.log.error('manual state is not kept', { path, reason: messageOf(error) })
    this.#unsaved = unsaved
    this.#wake.abort() // the next look comes sooner
  }

  get #problem(): string | undefined {
    const problems = [this.#unread, this.#damage, this.#unsaved].flatMap((problem) => problem ?? [])
    return problems.length === 0 ? undefined : problems.join('\n')
  }

  #showProblem(): void {
    this.#problemGauge.set(this.#problem === undefined ? 0 : 1)
  }
}

/** A time before anything expired: what was said held until now. */
const EVER = Number.NEGATIVE_INFINITY

interface Words {
  readonly entries: ManualEntries
  readonly spool: ManualEntries
}

function standing(service: ManualService, { entries, spool }: Words, now: number): Applied {
  const own = appliedTo(service, entries, now)
  return { ...own, availability: appliedTo(service, spool, now).availability ?? own.availability }
}

/** `disabled`, `enabled, weight 10`. */
function describe({ availability, weight }: Applied): string {
  const state = availability === undefined ? 'enabled' : wordsOf(availability.says)
  return weight === undefined ? state : `${state}, ${wordsOf(weight.says)}`
}

function fieldsOf({ target, says, reason, by, expiresAt }: ManualEntry) {
  const until = expiresAt === undefined ? undefined : new Date(expiresAt).toISOString()
  return { target, says: wordsOf(says), reason, by, until }
}
