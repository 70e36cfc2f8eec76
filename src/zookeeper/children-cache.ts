import { createBackoff } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { ReconcileLoop, type ReconcileResult } from '../core/reconcile-loop.ts'
import { type ChildEntry, ChildTable } from './child-table.ts'
import { join } from './own-node-spec.ts'
import { type ReadLimit, readLimitOf } from './read-limit.ts'
import { absentAsUndefined, isCode } from './twin-search.ts'
import {
  type ChildrenSnapshot,
  type NodeRead,
  type NodeToRead,
  type Session,
  type WatchEvent,
  ZooKeeperError,
} from './zookeeper.ts'

export interface ChildrenCacheOptions {
  readonly session: Session
  readonly path: string
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  /** Create the path when it is missing, as Airbnb's synapse does. Lacking the right to is no error. Default true. */
  readonly createPath?: boolean
  /** List again after this many ms, plus up to a fifth, whatever the watches say. Default 5 minutes. */
  readonly resyncMs?: number
  /** `none` sets no watch on the children's data: for children whose data never changes under one name. Default `per-child`. */
  readonly watchData?: 'per-child' | 'none'
  /** The data that a child's name carries; such a child is not read. Default: no name carries any. */
  readonly dataInName?: (name: string) => Buffer | undefined
}

/** Follows the children of one path. */
export interface ChildrenCache {
  /**
   * Publishes the complete set of children with their data as soon as it is known, then after each change of it. What
   * cannot be read changes nothing: the last set stands and reading is tried again. Children come sorted by name, and a
   * child's object and Buffer stay the same ones until its data changes. Resolves after an abort.
   */
  run(publish: (snapshot: ChildrenSnapshot) => void, signal: AbortSignal): Promise<void>
}

const RESYNC_MS = 300_000
/** Least ms between the starts of two passes: enough to keep a storm of events from listing without end. */
const SETTLE_MS = 20
/** After a reconnect a fleet lists again; this spreads it. What changed meanwhile the watches tell at once. */
const RECONNECT_SPREAD_MS = 1000
/** How many children a resync reads again, in turn: repairs a lost watch without a storm of reads. */
const RESYNC_READS = 100
const RETRY = { initialMs: 100, maxMs: 10_000 }
/** More tries than any honest race for the path needs. */
const MAX_LIST_TRIES = 5
/** So many children are read with one request, if there are at least a few: the answer of a large fleet stays small. */
const MOST_TOGETHER = 64
const FEWEST_TOGETHER = 4
const NO_DATA = Buffer.alloc(0)

const UNREADABLE = 'watched path cannot be read, the last known children stand'
const MISSING = 'watched path is missing and cannot be created'
const CHILD_UNREADABLE = 'child cannot be read'

export function createChildrenCache(options: ChildrenCacheOptions): ChildrenCache {
  return { run: (publish, signal) => new CacheRun(options, publish).run(signal) }
}

/**
 * One life of a cache. Whatever is not known to be fresh in the present session is read by the next pass; an event only
 * marks what it concerns and asks for a pass, so any number of events merge.
 */
class CacheRun {
  readonly #options: ChildrenCacheOptions
  readonly #session: Session
  readonly #path: string
  readonly #limit: ReadLimit
  readonly #publish: (snapshot: ChildrenSnapshot) => void
  readonly #loop: ReconcileLoop
  readonly #children: ChildTable
  #data: Buffer = NO_DATA
  /** The session in which the children were listed, and the data read; undefined when they are to be read again. */
  #listedIn: number | undefined
  #dataReadIn: number | undefined
  /** Whether there is something to publish beside the children. True at first: an empty set is news then. */
  #changed = true
  #eventAt: number | undefined
  #resyncAt: number
  /** The reasons that were logged and still hold, by message and path. */
  readonly #problems = new Map<string, string>()

  constructor(options: ChildrenCacheOptions, publish: (snapshot: ChildrenSnapshot) => void) {
    const { clock, random, session, path, dataInName = () => undefined } = options
    this.#options = options
    this.#session = session
    this.#path = path
    this.#limit = readLimitOf(session)
    this.#publish = publish
    this.#children = new ChildTable({ dataInName, onEvent: () => this.#wake() })
    this.#resyncAt = clock.now() + this.#resyncMs()
    this.#loop = new ReconcileLoop({
      clock,
      backoff: createBackoff({ ...RETRY, random }),
      settleMs: SETTLE_MS,
      resyncMs: RESYNC_MS,
      reconcile: (signal) => this.#pass(signal),
      onError: (error) => this.#onError(error),
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    let { generation } = this.#session
    let wasConnected = this.#session.state.status === 'connected'
    const unsubscribe = this.#session.subscribe(({ status }) => {
      if (status !== 'connected') return
      // A new session has none of our watches: all is read at once, whatever this says. So it is before anything was read.
      if (wasConnected && generation === this.#session.generation) this.#resyncSoon()
      wasConnected = true
      generation = this.#session.generation
      this.#loop.trigger()
    })
    try {
      await this.#loop.run(signal)
    } finally {
      unsubscribe()
      this.#children.clear() // the session still holds our watches, and they hold us
    }
  }

  async #pass(signal: AbortSignal): Promise<ReconcileResult> {
    const { clock } = this.#options
    if (this.#session.state.status !== 'connected') return {} // being connected again triggers
    const { generation } = this.#session
    if (clock.now() >= this.#resyncAt) this.#resync()
    const eventAt = this.#eventAt ?? clock.now()
    this.#eventAt = undefined
    try {
      await this.#refresh(signal)
      if (generation !== this.#session.generation)
        throw new ZooKeeperError('SESSION_EXPIRED', 'what was read in two sessions is not one set', this.#path)
      if (this.#changed || this.#children.changed) this.#publishSnapshot(eventAt)
    } catch (error) {
      this.#eventAt = eventAt
      throw error
    }
    this.#mended(UNREADABLE, this.#path)
    return { requeueAfterMs: this.#resyncAt - clock.now() }
  }

  #publishSnapshot(eventAt: number): void {
    this.#publish({ children: this.#children.children(), data: this.#data, eventAt })
    this.#changed = false
    this.#children.changed = false
  }

  /** Reads whatever is not known to be fresh. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const { generation } = this.#session
    if (this.#listedIn !== generation) this.#children.merge(await this.#list(signal))
    await Promise.all([
      this.#dataReadIn === generation ? undefined : this.#readData(signal),
      this.#readChildren(this.#children.due(generation), signal),
    ])
  }

  async #readChildren(due: readonly ChildEntry[], signal: AbortSignal): Promise<void> {
    const together = this.#session.getDataOf !== undefined && due.length >= FEWEST_TOGETHER ? MOST_TOGETHER : 1
    const batches = Array.from({ length: Math.ceil(due.length / together) }, (_, index) =>
      due.slice(index * together, (index + 1) * together),
    )
    await this.#limit.forEach(batches, (batch) => this.#readBatch(batch, signal))
  }

  async #readBatch(batch: readonly ChildEntry[], signal: AbortSignal): Promise<void> {
    for (const child of batch) this.#children.markRead(child, this.#session.generation)
    const isWatched = this.#options.watchData !== 'none'
    const nodes = batch.map((child) => ({
      path: join(this.#path, child.name),
      watch: isWatched ? child.onEvent : undefined,
    }))
    try {
      const answers = await readNodes(this.#session, nodes, signal)
      for (const [index, child] of batch.entries()) this.#take(child, nodes[index]?.path ?? '', answers[index])
    } catch (error) {
      for (const child of batch) this.#children.markRead(child, undefined)
      throw error
    }
  }

  #take(child: ChildEntry, path: string, answer: NodeRead | undefined): void {
    if (answer instanceof ZooKeeperError) {
      // One child that must not be read is no reason to lose the others; what it said before stands.
      if (isRefusal(answer)) {
        this.#report(CHILD_UNREADABLE, path, answer)
        return
      }
      if (!isCode(answer, 'NO_NODE')) throw answer
      this.#children.drop(child)
    } else if (answer !== undefined) this.#children.store(child, answer.data)
    this.#mended(CHILD_UNREADABLE, path)
  }

  /** The names of the children; none while the path does not exist. */
  async #list(signal: AbortSignal): Promise<readonly string[]> {
    this.#listedIn = this.#session.generation // before the read: an event during it asks for another
    try {
      for (let tries = 0; tries < MAX_LIST_TRIES; tries++) {
        const read = this.#limit.run(() => this.#session.getChildren(this.#path, signal, this.#onPathEvent))
        const listed = await absentAsUndefined(read)
        if (listed !== undefined) {
          this.#mended(MISSING, this.#path)
          return listed.children
        }
        if (!(await this.#makePath(signal))) return []
      }
      throw new ZooKeeperError('NO_NODE', 'it vanishes as fast as it is made', this.#path)
    } catch (error) {
      this.#listedIn = undefined
      throw error
    }
  }

  /** Makes the missing path if that is wanted and allowed; otherwise watches for it. False: it is still missing. */
  async #makePath(signal: AbortSignal): Promise<boolean> {
    if (this.#options.createPath ?? true) {
      try {
        await this.#session.ensurePath(this.#path, signal)
        return true
      } catch (error) {
        if (!isRefusal(error)) throw error
        this.#report(MISSING, this.#path, error)
      }
    }
    return (await this.#session.exists(this.#path, signal, this.#onPathEvent)) !== undefined
  }

  async #readData(signal: AbortSignal): Promise<void> {
    this.#dataReadIn = this.#session.generation
    try {
      const read = this.#limit.run(() => this.#session.getData(this.#path, signal, this.#onPathEvent))
      const data = (await absentAsUndefined(read))?.data ?? NO_DATA
      if (data.equals(this.#data)) return
      this.#data = data
      this.#changed = true
    } catch (error) {
      this.#dataReadIn = undefined
      throw error
    }
  }

  readonly #onPathEvent = (event: WatchEvent): void => {
    if (event !== 'changed') this.#listedIn = undefined
    if (event !== 'children') this.#dataReadIn = undefined
    this.#wake()
  }

  #wake(): void {
    this.#eventAt ??= this.#options.clock.now()
    this.#loop.trigger()
  }

  #resync(): void {
    this.#resyncAt = this.#options.clock.now() + this.#resyncMs()
    this.#listedIn = undefined
    this.#dataReadIn = undefined
    this.#children.refreshSome(RESYNC_READS)
  }

  #resyncSoon(): void {
    const { clock, random } = this.#options
    this.#resyncAt = Math.min(this.#resyncAt, clock.now() + RECONNECT_SPREAD_MS * random())
  }

  #resyncMs(): number {
    const { resyncMs = RESYNC_MS, random } = this.#options
    return resyncMs * (1 + 0.2 * random())
  }

  #onError(error: unknown): void {
    // What the session itself reports is not repeated by each of its caches.
    if (error instanceof ZooKeeperError && error.retryable) return
    this.#report(UNREADABLE, this.#path, error)
  }

  /** Logs a problem once, not at each retry. */
  #report(message: string, path: string, error: unknown): void {
    const key = `${message} ${path}`
    const reason = messageOf(error)
    if (this.#problems.get(key) === reason) return
    this.#problems.set(key, reason)
    this.#options.log.warn(message, { path, reason })
  }

  #mended(message: string, path: string): void {
    if (this.#problems.size > 0) this.#problems.delete(`${message} ${path}`)
  }
}

/** Whether the server understood and said no: asking again soon changes nothing. */
function isRefusal(error: unknown): boolean {
  return isCode(error, 'NO_AUTH') || isCode(error, 'BAD_ARGUMENTS')
}

/** Several with one request where the session can. An error that a later attempt mends is one of the whole reading. */
async function readNodes(
  session: Session,
  nodes: readonly NodeToRead[],
  signal: AbortSignal,
): Promise<readonly NodeRead[]> {
  if (nodes.length > 1 && session.getDataOf !== undefined) return session.getDataOf(nodes, signal)
  const readAlone = ({ path, watch }: NodeToRead) =>
    session.getData(path, signal, watch).catch((error: unknown) => {
      if (error instanceof ZooKeeperError && !error.retryable) return error
      throw error
    })
  return Promise.all(nodes.map(readAlone))
}
