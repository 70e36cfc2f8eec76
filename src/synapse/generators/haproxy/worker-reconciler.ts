import type { Clock } from '../../../core/clock.ts'
import { SmartStackError } from '../../../core/errors.ts'
import { type Applied, applyBackends } from './apply.ts'
import type { Backend, ObservedServer } from './model.ts'
import { structureReasons } from './reasons.ts'
import { Tombstones } from './tombstones.ts'
import type { CommandOutcome, WorkerLink } from './worker-link.ts'

/** Everything is read anew this often, whatever is believed. */
const OBSERVE_ALL_MS = 30_000
/** A worker may be replaced while it is being spoken to; its successor is asked the same at once. */
const MAX_ATTEMPTS = 3
/** Reading large backends back rests for so many times as long as it took: it costs a twentieth of the time at the most. */
const READ_BACK_REST = 20

export interface Target {
  readonly backends: ReadonlyMap<string, Backend>
  readonly structure: ReadonlyMap<string, string>
}

export interface WorkerHooks {
  /** Another worker answers; before anything is planned for it, the link is told what it was started with. */
  readonly onNewWorker: (link: WorkerLink, first: boolean) => void
  readonly onAnswered: (outcomes: readonly CommandOutcome[]) => void
  /** Servers that were not as they had been left. */
  readonly onDrift: (outcomes: readonly CommandOutcome[]) => void
}

/** What a pass found and did on one worker. */
export interface WorkerResult {
  readonly outcomes: readonly CommandOutcome[]
  /** Why only a reload can do the rest: sections that are other than wanted ... */
  readonly structureReasons: readonly string[]
  /** ... and servers that HAProxy cannot be given at run time. Both empty: it is as desired. */
  readonly serverReasons: readonly string[]
  /** Whether this backend is as desired, confirmed by HAProxy. */
  readonly isSettled: (backend: string) => boolean
  /** When something is to be done again, ms from now. */
  readonly againMs: number
}

/** Brings one worker into line, pass by pass: looks only at what changed, and at everything every 30 seconds. */
export class WorkerReconciler {
  readonly link: WorkerLink
  readonly tombstones: Tombstones
  readonly #clock: Clock
  readonly #hooks: WorkerHooks
  #first = true
  /** Backends that were confirmed to be like this. */
  #settled = new Map<string, Backend>()
  /** What each backend was last compared with: as long as the same is observed, comparing again finds nothing new. */
  readonly #compared = new Map<string, readonly ObservedServer[]>()
  /** Backends that only a reload can bring into line, and why. */
  #reasons = new Map<string, { readonly backend: Backend; readonly reasons: readonly string[] }>()
  /** Backends whose commands were confirmed, but which are still to be read back. */
  readonly #unread = new Set<string>()
  #readBackAt = 0

  constructor(link: WorkerLink, clock: Clock, deleteDelayMs: number, hooks: WorkerHooks) {
    this.link = link
    this.tombstones = new Tombstones(deleteDelayMs)
    this.#clock = clock
    this.#hooks = hooks
  }

  /** @throws SmartStackError HAPROXY_SOCKET or DEADLINE when the worker, and its successor, do not answer. */
  async reconcile(target: Target, signal: AbortSignal): Promise<WorkerResult> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(target, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (attempt === MAX_ATTEMPTS || !isLostConnection(error)) throw error
      }
    }
  }

  /** Reasons to reload that concern this service's backend alone, for the status page. */
  notes(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#reasons].map(([name, { reasons }]) => [name, reasons]))
  }

  async #attempt(target: Target, signal: AbortSignal): Promise<WorkerResult> {
    const { link } = this
    if ((await link.connect(signal)) === 'new') this.#forget()
    const all = this.#mustObserveAll()
    if (all) await this.#observeAll(target, signal)
    const late = all ? NOTHING : await this.#readBack(signal)
    const isNews = (name: string) => all || late.has(name)
    const due = new Map<string, Backend>()
    for (const backend of target.backends.values()) {
      const isDue = !this.#isKnown(backend) || (isNews(backend.name) && this.#looksOther(backend))
      if (isDue && this.#exists(backend)) due.set(backend.name, backend)
    }
    const settled = all ? new Map() : new Map([...this.#settled].filter(([name]) => due.has(name) && !late.has(name)))
    const { onAnswered } = this.#hooks
    // What was not as confirmed is repaired under the eyes of this pass, and where that fails, by a reload.
    const mayWait = (name: string) => !isNews(name)
    const applied = await applyBackends(link, due, { settled, mayWait, onAnswered }, signal)
    for (const name of applied.unread) this.#unread.add(name)
    this.#reportDrift(target, applied, isNews)
    this.#settle(due, applied)
    const now = this.#clock.now()
    // Where changes come one after the other, the next of them waits for what this pass does.
    const mayDelete = applied.outcomes.length === 0 || this.tombstones.isLate(now)
    const deleted = mayDelete ? await this.tombstones.deleteDue(link, now, signal) : []
    if (deleted.length > 0) this.#hooks.onAnswered(deleted)
    this.#dropGone(target)
    return {
      outcomes: applied.outcomes,
      structureReasons: this.#structureReasons(target),
      serverReasons: [...this.#reasons.values()].flatMap(({ reasons }) => reasons),
      isSettled: (name) => this.#isSettled(name, target),
      againMs: this.#againMs(),
    }
  }

  #forget(): void {
    this.#settled.clear()
    this.#compared.clear()
    this.#reasons.clear()
    this.#unread.clear()
    this.tombstones.clear()
    this.#hooks.onNewWorker(this.link, this.#first)
    this.#first = false
  }

  /** HAProxy lists servers, so a backend without any shows only when it is asked for, or in what the worker was started with. */
  async #observeAll({ backends }: Target, signal: AbortSignal): Promise<void> {
    const { link } = this
    await link.observeAll(signal)
    this.#unread.clear()
    if (link.structure !== undefined) return
    const unseen = [...backends.keys()].filter((name) => !link.observed.has(name))
    await link.observe(unseen, signal)
  }

  /** Reads back what has waited for it, unless it was done a moment ago. @returns the names of what was read. */
  async #readBack(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const started = this.#clock.now()
    if (this.#unread.size === 0 || started < this.#readBackAt) return NOTHING
    const names = [...this.#unread]
    this.#unread.clear()
    try {
      await this.link.observe(names, signal)
    } catch (error) {
      this.link.doubt()
      throw error
    }
    const now = this.#clock.now()
    this.#readBackAt = now + READ_BACK_REST * (now - started)
    return new Set(names)
  }

  #mustObserveAll(): boolean {
    const { observedAt } = this.link
    return observedAt === undefined || this.#clock.now() - observedAt >= OBSERVE_ALL_MS
  }

  /** Whether HAProxy has the section; a backend without servers is only known from what the worker was started with. */
  #exists({ name }: Backend): boolean {
    return this.link.observed.has(name) || this.link.structure?.has(`backend ${name}`) === true
  }

  #isKnown(backend: Backend): boolean {
    return this.#settled.get(backend.name) === backend || this.#reasons.get(backend.name)?.backend === backend
  }

  #looksOther({ name }: Backend): boolean {
    return this.link.observed.get(name) !== this.#compared.get(name)
  }

  #isSettled(name: string, { backends }: Target): boolean {
    const settled = this.#settled.get(name)
    return settled !== undefined && settled === backends.get(name) && !this.#unread.has(name)
  }

  /** What was looked at anew and had to be changed, although nothing else was wanted. */
  #reportDrift(target: Target, { outcomes }: Applied, isNews: (name: string) => boolean): void {
    const drifted = outcomes.filter(({ command: { backend } }) => {
      const wanted = target.backends.get(backend)
      return isNews(backend) && wanted !== undefined && this.#settled.get(backend) === wanted
    })
    if (drifted.length > 0) this.#hooks.onDrift(drifted)
  }

  #settle(due: ReadonlyMap<string, Backend>, { reloadReasons }: Applied): void {
    const now = this.#clock.now()
    for (const [name, backend] of due) {
      const reasons = reloadReasons.get(name)
      if (reasons === undefined) {
        this.#settled.set(name, backend)
        this.#reasons.delete(name)
      } else {
        this.#settled.delete(name)
        this.#reasons.set(name, { backend, reasons })
      }
      const observed = this.link.observed.get(name) ?? []
      this.#compared.set(name, observed)
      this.tombstones.update(backend, observed, now)
    }
  }

  #dropGone(target: Target): void {
    for (const name of this.#settled.keys()) if (!target.backends.has(name)) this.#settled.delete(name)
    for (const name of this.#reasons.keys()) if (!target.backends.has(name)) this.#reasons.delete(name)
    for (const name of this.#compared.keys()) if (!target.backends.has(name)) this.#compared.delete(name)
  }

  #structureReasons({ structure, backends }: Target): readonly string[] {
    if (this.link.structure === structure) return []
    const reasons = structureReasons(this.link.structure, structure, backends)
    if (this.link.structure !== undefined) {
      if (reasons.length === 0) this.link.structure = structure // the same object the next time
      return reasons
    }
    const missing = [...backends.values()].filter((backend) => !this.#exists(backend))
    return [...reasons, ...missing.map(({ service }) => `service ${service} has no backend in it`)]
  }

  #againMs(): number {
    const now = this.#clock.now()
    const observeAt = (this.link.observedAt ?? now) + OBSERVE_ALL_MS
    const deleteAt = this.tombstones.nextAt() ?? Number.POSITIVE_INFINITY
    const readBackAt = this.#unread.size > 0 ? this.#readBackAt : Number.POSITIVE_INFINITY
    return Math.max(1, Math.min(observeAt, deleteAt, readBackAt) - now)
  }
}

const NOTHING: ReadonlySet<string> = new Set()

function isLostConnection(error: unknown): boolean {
  return error instanceof SmartStackError && error.code === 'HAPROXY_SOCKET'
}
