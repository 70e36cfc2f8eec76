import type { Logger } from '../core/log.ts'
import { claimsOf, type NameClaims } from './name-claims.ts'
import { isEphemeral, pathOf, samePlace } from './own-node-spec.ts'
import { absentAsUndefined, findTwins, isCode } from './twin-search.ts'
import { parentOf } from './znode-path.ts'
import {
  type CreateMode,
  type CreateOptions,
  type OwnNode,
  type OwnNodeSpec,
  type Session,
  type Stat,
  type WatchEvent,
  ZooKeeperError,
} from './zookeeper.ts'

export interface OwnNodeOptions {
  readonly session: Session
  /** Part of what every recipe is given; nothing here is left to chance. */
  readonly random: () => number
  readonly log: Logger
  /** Names the owner in log lines: the service. */
  readonly id: string
  /** Asks for another reconcile: the znode vanished or was changed, or ZooKeeper can be reached again. */
  readonly onDisturbed: () => void
  /**
   * The connection is back and so is the session: the znode is there unless somebody removed it meanwhile, so a look at
   * it need not be now. Default: `onDisturbed`.
   */
  readonly onResumed?: () => void
}

/** A znode that we hold, or held in an earlier session. */
interface Held {
  readonly path: string
  readonly spec: OwnNodeSpec
  /** The session that it belongs to; undefined for a persistent one. */
  readonly owner: string | undefined
  readonly generation: number
}

/** A create whose outcome nobody knows: the znode may exist. */
interface Attempt {
  readonly spec: OwnNodeSpec
  readonly generation: number
}

/** What a create does beside. */
type How = Pick<CreateOptions, 'replace' | 'withParent'>

/** More passes than any honest race needs: beyond them somebody else removes or rewrites the znode as fast as we write. */
const MAX_PASSES = 8

/** Keeps one znode present or absent; see OwnNode. Does nothing until the first reconcile. */
export function createOwnNode(options: OwnNodeOptions): OwnNode {
  return new EphemeralNode(options)
}

class EphemeralNode implements OwnNode {
  readonly #session: Session
  readonly #log: Logger
  readonly #onDisturbed: () => void
  readonly #claims: NameClaims
  readonly #unsubscribe: () => void
  readonly #attempts = new Set<Attempt>()
  /** Own znodes to be removed once what is desired holds, by path. */
  readonly #garbage = new Map<string, Held>()
  #held: Held | undefined
  #czxid: string | undefined
  /** The path that our watch is set on, and in which session. */
  #watched: { readonly path: string; readonly generation: number } | undefined
  /** A name that somebody else took from us in this session. Whoever came last keeps it, or both would fight for ever. */
  #taken: { readonly path: string; readonly generation: number } | undefined
  /** Whether what our watch sees is our own doing. */
  #quiet = false
  /** Whether there is, or may be, something to keep or to remove. */
  #busy = false
  /** Whether a former process may have left a persistent znode of ours, which nothing but its data tells. */
  #leftoverPossible = true

  constructor({ session, log, id, onDisturbed, onResumed = onDisturbed }: OwnNodeOptions) {
    this.#session = session
    this.#log = log.child({ id })
    this.#onDisturbed = onDisturbed
    this.#claims = claimsOf(session)
    this.#unsubscribe = session.subscribe(({ status }) => {
      if (status !== 'connected' || !this.#busy) return
      if (this.path === undefined) onDisturbed()
      else onResumed()
    })
  }

  get path(): string | undefined {
    const held = this.#held
    if (held === undefined) return undefined
    const gone = held.owner !== undefined && (this.#session.state.status === 'lost' || this.#isOfFormerSession(held))
    return gone ? undefined : held.path
  }

  get identity(): string | undefined {
    return this.path === undefined || this.#czxid === undefined ? undefined : `${this.path} ${this.#czxid}`
  }

  get mayExist(): boolean {
    const mayBeThere = (attempt: Attempt) => !isEphemeral(attempt.spec.mode) || !this.#isOfFormerSession(attempt)
    return this.path !== undefined || [...this.#attempts].some(mayBeThere)
  }

  async reconcile(desired: OwnNodeSpec | undefined, signal: AbortSignal): Promise<void> {
    this.#busy = true
    if (this.#held !== undefined && this.#mustGo(this.#held, desired)) this.#retire(this.#held)
    if (desired?.mode === 'persistent_sequential' && this.#leftoverPossible)
      this.#attempts.add({ spec: desired, generation: this.#session.generation })
    await this.#settleAttempts(desired, signal)
    this.#leftoverPossible = false
    if (desired !== undefined) await this.#makePresent(desired, signal)
    await this.#sweep(signal)
    this.#busy = desired !== undefined
  }

  close(): void {
    this.#unsubscribe()
    this.#watched = undefined
    if (this.#held !== undefined) this.#claims.release(this.#held.path, this)
  }

  #mustGo(held: Held, desired: OwnNodeSpec | undefined): boolean {
    return (
      desired === undefined ||
      !samePlace(held.spec, desired) ||
      (held.owner !== undefined && this.#isOfFormerSession(held))
    )
  }

  #isOfFormerSession({ generation }: { readonly generation: number }): boolean {
    return generation !== this.#session.generation
  }

  async #makePresent(spec: OwnNodeSpec, signal: AbortSignal): Promise<void> {
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const held = this.#held ?? this.#reclaim(spec) ?? (await this.#create(spec, signal))
      if (held === undefined) continue
      const found = await this.#read(held, signal)
      if (found === undefined) this.#forget(held)
      else if (found.equals(spec.data)) return
      else await this.#write(held.path, spec.data, signal) // and look again: the write used up our watch
    }
    throw new ZooKeeperError('OTHER', 'somebody changes the znode as fast as we do', pathOf(spec))
  }

  /** Creates the znode; undefined when it has to be tried again. */
  async #create(spec: OwnNodeSpec, signal: AbortSignal, how: How = {}): Promise<Held | undefined> {
    const path = pathOf(spec)
    const { mode, restrict = false } = spec
    // Known not to be sent, so nobody need look for its twin afterwards.
    if (this.#session.state.status !== 'connected')
      throw new ZooKeeperError('CONNECTION_LOSS', `cannot create ${path}: not connected`, path)
    const attempt = { spec, generation: this.#session.generation }
    const owner = this.#ownerOf(mode)
    this.#attempts.add(attempt)
    try {
      const created = await this.#quietly(() =>
        this.#session.create(path, spec.data, { mode, restrict, ...how }, signal),
      )
      this.#attempts.delete(attempt)
      this.#log.info('znode created', { path: created })
      return this.#hold({ path: created, spec, owner, generation: attempt.generation })
    } catch (error) {
      if (error instanceof ZooKeeperError && !error.retryable) this.#attempts.delete(attempt)
      if (isCode(error, 'NODE_EXISTS')) return how.withParent ? undefined : this.#takeName(path, spec, signal)
      if (!isCode(error, 'NO_NODE')) throw error
    }
    return how.withParent || spec.parent === '/' ? undefined : this.#createWithParent(spec, signal)
  }

  /** Many services at once find an empty ZooKeeper: what they share is made once, the rest by one transaction for each. */
  async #createWithParent(spec: OwnNodeSpec, signal: AbortSignal): Promise<Held | undefined> {
    await this.#session.ensurePath(parentOf(spec.parent), signal)
    return this.#create(spec, signal, { withParent: true })
  }

  /** Our name exists: it is ours, or it is replaced, unless its owner took it from us. */
  async #takeName(path: string, spec: OwnNodeSpec, signal: AbortSignal): Promise<Held | undefined> {
    const stat = await this.#watching(path, (watch) => this.#session.exists(path, signal, watch))
    if (stat === undefined) return undefined
    if (this.#taken?.path === path && !this.#isOfFormerSession(this.#taken)) throw this.#takenError(path, stat)
    if (stat.ephemeralOwner === this.#ownerOf(spec.mode) && !this.#garbage.has(path)) return this.#adopt(path, spec)
    this.#log.warn('znode of our name replaced', { path, owner: stat.ephemeralOwner ?? 'none' })
    this.#watched = undefined
    return this.#create(spec, signal, { replace: true })
  }

  /** The data of our znode, under watch; undefined when it does not exist. */
  async #read(held: Held, signal: AbortSignal): Promise<Buffer | undefined> {
    const node = await absentAsUndefined(
      this.#watching(held.path, (watch) => this.#session.getData(held.path, signal, watch)),
    )
    if (node === undefined) return undefined
    if (node.stat.ephemeralOwner === held.owner && this.#claims.holderOf(held.path) === this) {
      this.#czxid = node.stat.czxid
      return node.data
    }
    this.#forget(held)
    this.#taken = { path: held.path, generation: this.#session.generation }
    throw this.#takenError(held.path, node.stat)
  }

  async #write(path: string, data: Buffer, signal: AbortSignal): Promise<void> {
    // When it vanished meanwhile, the next look sees that.
    await absentAsUndefined(this.#quietly(() => this.#session.setData(path, data, signal)))
  }

  /** Finds what creates without an answer left behind: takes one if it is what is desired, and has the others removed. */
  async #settleAttempts(desired: OwnNodeSpec | undefined, signal: AbortSignal): Promise<void> {
    for (const attempt of this.#attempts) {
      const { spec } = attempt
      const diedWithSession = isEphemeral(spec.mode) && this.#isOfFormerSession(attempt)
      const twins = diedWithSession ? [] : await findTwins(this.#session, spec, this.#ownerOf(spec.mode), signal)
      for (const path of twins) {
        if (this.#claims.holderOf(path) !== undefined) continue
        if (this.#held === undefined && desired !== undefined && samePlace(spec, desired)) this.#adopt(path, spec)
        else this.#garbage.set(path, { ...attempt, path, owner: this.#ownerOf(spec.mode) })
        this.#log.info('znode of an unanswered create found', { path })
      }
      this.#attempts.delete(attempt)
    }
  }

  /** Removes own znodes that are no longer wanted, unless their name belongs to somebody else by now, or to us again. */
  async #sweep(signal: AbortSignal): Promise<void> {
    for (const [path, { owner }] of this.#garbage) {
      const stat = await this.#session.exists(path, signal)
      const ours = stat !== undefined && stat.ephemeralOwner === owner && this.#claims.holderOf(path) === undefined
      if (ours && (await this.#session.delete(path, signal))) this.#log.info('znode removed', { path })
      this.#garbage.delete(path)
    }
  }

  /** Takes a znode that exists already for ours. */
  #adopt(path: string, spec: OwnNodeSpec): Held {
    return this.#hold({ path, spec, owner: this.#ownerOf(spec.mode), generation: this.#session.generation })
  }

  #hold(held: Held): Held {
    this.#held = held
    this.#czxid = undefined
    this.#claims.take(held.path, this)
    return held
  }

  /** Takes back a znode that was to be removed and could not be: what is desired again is there already. */
  #reclaim(spec: OwnNodeSpec): Held | undefined {
    for (const held of this.#garbage.values()) {
      const diedWithSession = held.owner !== undefined && this.#isOfFormerSession(held)
      if (diedWithSession || !samePlace(held.spec, spec) || this.#claims.holderOf(held.path) !== undefined) continue
      this.#garbage.delete(held.path)
      return this.#hold(held)
    }
    return undefined
  }

  #forget(held: Held): void {
    this.#held = undefined
    this.#claims.release(held.path, this)
  }

  /** Lets go of a znode that is to be removed as soon as what is desired holds; the new comes before the old goes. */
  #retire(held: Held): void {
    this.#garbage.set(held.path, held)
    this.#forget(held)
    this.#watched = undefined
  }

  /** Runs a read that sets our watch on `path`, unless it is set already. */
  async #watching<T>(path: string, read: (watch?: (event: WatchEvent) => void) => Promise<T>): Promise<T> {
    if (this.#watched?.path === path && !this.#isOfFormerSession(this.#watched)) return read()
    const watched = { path, generation: this.#session.generation }
    this.#watched = watched
    const fired = (event: WatchEvent) => {
      if (this.#watched !== watched) return
      this.#watched = undefined
      if (this.#quiet) return
      if (event === 'deleted' && this.#held?.path === path) this.#log.warn('znode vanished', { path })
      this.#onDisturbed()
    }
    try {
      return await read(fired)
    } catch (error) {
      this.#watched = undefined
      throw error
    }
  }

  /** Runs a change of ours, which our own watch need not report. */
  async #quietly<T>(change: () => Promise<T>): Promise<T> {
    this.#quiet = true
    try {
      return await change()
    } finally {
      this.#quiet = false
    }
  }

  #ownerOf(mode: CreateMode): string | undefined {
    return isEphemeral(mode) ? this.#session.state.sessionId : undefined
  }

  #takenError(path: string, { ephemeralOwner }: Stat): ZooKeeperError {
    const owner = ephemeralOwner === undefined ? 'a persistent znode' : `session ${ephemeralOwner}`
    const whose = ephemeralOwner === this.#session.state.sessionId ? 'another service of this process' : owner
    return new ZooKeeperError('NODE_EXISTS', `${path} was taken over by ${whose}: is the instance id used twice?`, path)
  }
}
