import { outcomesByBackend } from './change-log.ts'
import { serverOf } from './commands.ts'
import { afterLook, afterRefusal, hastened, nextDeletionAt, planDeletions, updateTombstones } from './deletions.ts'
import type { Backend, ObservedServer, RuntimeCommand, Tombstone } from './model.ts'
import type { CommandOutcome, WorkerLink } from './worker-link.ts'

/** So that a thousand deletions do not hold up a change that comes meanwhile; the rest follows in the next pass. */
const MOST_AT_ONCE = 200

/** Deletions gather for this long: each takes a look at connections, and none is urgent. */
const GATHER_MS = 2_000
/** Unless there are more than may be deleted at once: what is left makes each pass over its service longer. */
const BACKLOG_MS = 250
/** So long they wait for a pass that has nothing else to do. */
const PATIENCE_MS = 2_000

/** What deleting takes of a worker. */
type Deleter = Pick<WorkerLink, 'assume' | 'connections' | 'execute' | 'observe'>

/** The servers of one worker that are in maintenance because their instances are gone, until they are deleted. */
export class Tombstones {
  readonly #deleteDelayMs: number
  #byBackend = new Map<string, Map<string, Tombstone>>()
  /** Deletions are not looked at before. */
  #restsUntil = Number.NEGATIVE_INFINITY

  constructor(deleteDelayMs: number) {
    this.#deleteDelayMs = deleteDelayMs
  }

  get size(): number {
    let size = 0
    for (const tombstones of this.#byBackend.values()) size += tombstones.size
    return size
  }

  /** A new worker has none: its file lists only servers that are wanted. */
  clear(): void {
    this.#byBackend.clear()
  }

  /** Takes note of an observation of this backend. */
  update(backend: Backend, observed: readonly ObservedServer[], now: number): void {
    const previous = this.#byBackend.get(backend.name)?.values() ?? []
    const tombstones = updateTombstones([...previous], {
      desired: { configText: '', structure: new Map(), backends: new Map([[backend.name, backend]]) },
      observed: {
        pid: undefined,
        structure: undefined,
        configText: undefined,
        backends: new Map([[backend.name, observed]]),
      },
      now,
      deleteDelayMs: this.#deleteDelayMs,
    })
    if (tombstones.length === 0) this.#byBackend.delete(backend.name)
    else this.#byBackend.set(backend.name, new Map(tombstones.map((tombstone) => [tombstone.name, tombstone])))
  }

  /** When the next deletion is due, on `clock.now()`; undefined when none is. */
  nextAt(): number | undefined {
    const next = nextDeletionAt(this.#all())
    return next === undefined ? undefined : Math.max(next, this.#restsUntil)
  }

  /** Whether deletions have waited long enough for a pass without changes, which they would hold up. */
  isLate(now: number): boolean {
    const next = this.nextAt()
    return next !== undefined && now >= next + PATIENCE_MS
  }

  /**
   * Deletes what is due and was found without connections twice, a few at a time. What HAProxy refuses is tried again later, never at once.
   */
  async deleteDue(link: Deleter, now: number, signal: AbortSignal): Promise<readonly CommandOutcome[]> {
    const due = now < this.#restsUntil ? [] : planDeletions(this.#all(), now)
    if (due.length === 0) return []
    const quiet = await this.#look(link, due, signal)
    const ready: RuntimeCommand[] = []
    for (const command of due) {
      const name = serverOf(command)
      const isQuiet = quiet.has(keyOf(command.backend, name))
      if (isQuiet && this.#byBackend.get(command.backend)?.get(name)?.busyLooks === 0) ready.push(command)
      else this.#change(command.backend, name, (known) => afterLook(known, isQuiet, now))
    }
    this.#restsUntil = now + (ready.length > MOST_AT_ONCE ? BACKLOG_MS : GATHER_MS)
    const commands = ready.slice(0, MOST_AT_ONCE)
    const outcomes = await link.execute(commands, [], signal)
    const doubtful = this.#take(link, outcomes, now)
    if (doubtful.length > 0) await link.observe(doubtful, signal)
    return outcomes
  }

  /**
   * HAProxy says which servers it has deleted: to know that, there is no need to look at all the others.
   * @returns the backends in which something is other than believed.
   */
  #take(link: Deleter, outcomes: readonly CommandOutcome[], now: number): readonly string[] {
    const doubtful: string[] = []
    for (const [backend, done] of outcomesByBackend(outcomes)) {
      const gone = done.filter(isGone).map(({ command }) => command)
      const left = done.filter((outcome) => !isGone(outcome))
      link.assume(backend, gone)
      for (const command of gone) this.#remove(backend, serverOf(command))
      for (const { command } of left) this.#change(backend, serverOf(command), (known) => afterRefusal(known, now))
      if (left.length > 0) doubtful.push(backend)
    }
    return doubtful
  }

  #all(): readonly Tombstone[] {
    const all = [...this.#byBackend.values()].flatMap((tombstones) => [...tombstones.values()])
    return hastened(all, this.#deleteDelayMs)
  }

  /** Those of these servers that nothing is connected to. */
  async #look(link: Deleter, due: readonly RuntimeCommand[], signal: AbortSignal): Promise<Set<string>> {
    const quiet = new Set<string>()
    const servers = new Set(due.map((command) => keyOf(command.backend, serverOf(command))))
    for (const [key, { used, idle }] of await link.connections(servers, signal)) {
      if (used + idle === 0) quiet.add(key)
    }
    return quiet
  }

  #remove(backend: string, name: string): void {
    const tombstones = this.#byBackend.get(backend)
    tombstones?.delete(name)
    if (tombstones?.size === 0) this.#byBackend.delete(backend)
  }

  #change(backend: string, name: string, change: (tombstone: Tombstone) => Tombstone): void {
    const tombstones = this.#byBackend.get(backend)
    const tombstone = tombstones?.get(name)
    if (tombstone !== undefined) tombstones?.set(name, change(tombstone))
  }
}

const isGone = ({ answer: { result } }: CommandOutcome) => result === 'ok' || result === 'no-change'

function keyOf(backend: string, name: string): string {
  return `${backend}/${name}`
}
