import { createBackoff } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { catchUp } from './catch-up.ts'
import type { Client, NodeChildren, NodeData } from './client.ts'
import type { ClientListener } from './client-listener.ts'
import type { AttemptFailure } from './connect-schedule.ts'
import type { Server } from './connection-string.ts'
import { ensurePath } from './ensure-path.ts'
import type { LossCause, SessionMetrics } from './session-metrics.ts'
import type { WatchListener } from './watch-table.ts'
import {
  type CreateOptions,
  type NodeRead,
  type NodeToRead,
  type Session,
  type SessionState,
  type Stat,
  ZooKeeperError,
} from './zookeeper.ts'

/** What a session needs of a client. */
export type SessionClient = Pick<Client, keyof Client>

export interface SessionOptions {
  /** Put in front of every path; empty without a chroot. Made when it is missing, as Airbnb's daemons do. */
  readonly chroot: string
  /** A client for a new session, not connected yet. It tries `first` first: the server that we heard of last. */
  readonly createClient: (listener: ClientListener, first?: Server) => SessionClient
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: SessionMetrics
  /** Spreads the waits after a refused authentication. */
  readonly random: () => number
  /** A session that is away for so many of its timeouts gets a rival, whatever the reason. Default 2. */
  readonly watchdogTimeouts?: number
}

/** How long an orderly end may take. Ephemerals outlive it by the session timeout if it does not succeed. */
const CLOSE_LIMIT_MS = 1000
/** Wrong credentials are mended by people: asking again soon only fills the server's log. */
const AUTH_RETRY = { initialMs: 1000, maxMs: 60_000 } as const

/**
 * One session as its users see it: it outlives connections, and when it is lost a new one takes its place.
 *
 * An ensemble that was wiped or restored from a backup closes the connection of whoever has seen newer transactions
 * than it knows, for ever and without a word. A member without a quorum does the same for a moment. To tell the two
 * apart, a client that was turned away gets a rival, which asks for a new session. When the rival has one, the old
 * client asks that same server once more; if it is turned away again, the rival takes over. So a short outage keeps
 * the session and its ephemerals, and a wiped ensemble is noticed as soon as it serves.
 */
export class SharedSession implements Omit<Session, 'release'> {
  readonly #options: SessionOptions
  readonly #ended = new AbortController()
  readonly #listeners = new Set<(state: SessionState) => void>()
  readonly #closing = new Set<Promise<void>>()
  readonly #authBackoff
  #state: SessionState = { status: 'connecting' }
  #generation = 0
  #current: SessionClient
  #rival: SessionClient | undefined
  #cancelTimer: () => void = () => {}
  #failureLogged = false

  constructor(options: SessionOptions) {
    this.#options = options
    this.#authBackoff = createBackoff({ ...AUTH_RETRY, random: options.random })
    this.#current = this.#createClient()
    options.metrics.stateChanged('connecting')
    this.#current.connect()
  }

  get state(): SessionState {
    return this.#state
  }

  get generation(): number {
    return this.#generation
  }

  subscribe(listener: (state: SessionState) => void): () => void {
    const own = (state: SessionState) => listener(state) // the same function may subscribe twice
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  connected(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = () => settle(() => reject(signal.reason))
      const look = ({ status }: SessionState) => {
        if (status === 'connected') settle(resolve)
        if (status === 'closed')
          settle(() => reject(new ZooKeeperError('CONNECTION_LOSS', 'the session is closed', '/')))
      }
      const unsubscribe = this.subscribe(look)
      const settle = (end: () => void) => {
        unsubscribe()
        signal.removeEventListener('abort', onAbort)
        end()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      look(this.#state)
    })
  }

  async exists(path: string, signal: AbortSignal, watch?: WatchListener): Promise<Stat | undefined> {
    return this.#client('exists', path).exists(this.#full(path), signal, watch)
  }

  async getData(path: string, signal: AbortSignal, watch?: WatchListener): Promise<NodeData> {
    return this.#client('getData', path).getData(this.#full(path), signal, watch)
  }

  async getDataOf(nodes: readonly NodeToRead[], signal: AbortSignal): Promise<readonly NodeRead[]> {
    const client = this.#client('getData', nodes[0]?.path ?? '/')
    return client.getDataOf(
      nodes.map(({ path, watch }) => ({ path: this.#full(path), watch })),
      signal,
    )
  }

  async getChildren(path: string, signal: AbortSignal, watch?: WatchListener): Promise<NodeChildren> {
    return this.#client('getChildren', path).getChildren(this.#full(path), signal, watch)
  }

  async create(path: string, data: Buffer, options: CreateOptions, signal: AbortSignal): Promise<string> {
    const created = await this.#client('create', path).create(this.#full(path), data, options, signal)
    return created.slice(this.#options.chroot.length) || '/'
  }

  async setData(path: string, data: Buffer, signal: AbortSignal): Promise<Stat> {
    return this.#client('setData', path).setData(this.#full(path), data, signal)
  }

  async delete(path: string, signal: AbortSignal): Promise<boolean> {
    return this.#client('delete', path).delete(this.#full(path), signal)
  }

  async ensurePath(path: string, signal: AbortSignal): Promise<void> {
    await ensurePath(this.#client('ensurePath', path), this.#full(path), signal)
  }

  async catchUp(path: string, signal: AbortSignal): Promise<void> {
    await catchUp(this.#client('catchUp', path), this.#full(path), signal)
  }

  /**
   * Ends the session on the server, if it can be reached within a second. Nothing is left behind afterwards. With `keep`
   * the server is not told, so that ephemerals stay until the session times out.
   */
  async close({ keep = false }: { readonly keep?: boolean } = {}): Promise<void> {
    if (this.#state.status === 'closed') return
    this.#change('closed')
    this.#ended.abort(new ZooKeeperError('CONNECTION_LOSS', 'the session was closed', '/'))
    this.#cancelTimer()
    this.#discardRival()
    await Promise.all([this.#current.close(keep ? 0 : CLOSE_LIMIT_MS), ...this.#closing])
    this.#listeners.clear()
  }

  #client(operation: string, path: string): SessionClient {
    const { status, reason } = this.#state
    if (status !== 'closed' && this.#current.connected) return this.#current
    const why = reason === undefined ? status : `${status}: ${reason}`
    throw new ZooKeeperError('CONNECTION_LOSS', `${operation} ${path}: no connection to ZooKeeper (${why})`, path)
  }

  #full(path: string): string {
    if (!path.startsWith('/')) return path // refused by the client, with words
    return path === '/' ? this.#options.chroot || '/' : this.#options.chroot + path
  }

  #createClient(first?: Server): SessionClient {
    const listener: ClientListener = {
      onConnected: () => this.#onConnected(client),
      onDisconnected: (reason) => this.#onDisconnected(client, reason),
      onAttemptFailed: (failure, reason, passDone) => this.#onAttemptFailed(client, failure, reason, passDone),
      onEnded: (cause, reason) => this.#onEnded(client, cause, reason),
    }
    const client = this.#options.createClient(listener, first)
    return client
  }

  #onConnected(client: SessionClient): void {
    if (client === this.#rival) {
      if (client.server !== undefined) this.#current.retryAt(client.server)
      return
    }
    if (client !== this.#current || this.#ended.signal.aborted) return
    this.#cancelTimer()
    this.#discardRival()
    this.#options.metrics.connected()
    void this.#announce(client)
  }

  /** Never rejects. */
  async #announce(client: SessionClient): Promise<void> {
    const { chroot, log } = this.#options
    if (chroot !== '') {
      try {
        await ensurePath(client, chroot, this.#ended.signal)
      } catch (error) {
        log.warn('chroot not made', { chroot, error: messageOf(error) })
      }
      if (client !== this.#current || !client.connected || this.#ended.signal.aborted) return
    }
    this.#change('connected')
  }

  #onDisconnected(client: SessionClient, reason: string): void {
    if (client !== this.#current || this.#ended.signal.aborted) return
    this.#authBackoff.reset()
    const { clock, watchdogTimeouts = 2 } = this.#options
    this.#cancelTimer = clock.after(watchdogTimeouts * client.sessionTimeoutMs, () => this.#startRival())
    this.#change('suspended', reason) // last: a listener may close us
  }

  #onAttemptFailed(client: SessionClient, failure: AttemptFailure, reason: string, passDone: boolean): void {
    if (client !== this.#current || this.#ended.signal.aborted) return
    this.#state = { ...this.#state, reason }
    if (!this.#failureLogged) this.#options.log.warn('ZooKeeper cannot be reached', { reason })
    this.#failureLogged = true
    if (failure !== 'unreachable' && this.#rival?.connected === true) {
      this.#replace('refused', `a new session is accepted, ours is not (${reason})`)
    } else if (failure === 'turned_away' && passDone && client.sessionId !== undefined) this.#startRival()
  }

  #onEnded(client: SessionClient, cause: 'expired' | 'auth_failed', reason: string): void {
    if (client === this.#rival) this.#rival = undefined
    if (client === this.#current && !this.#ended.signal.aborted) this.#replace(cause, reason)
  }

  #startRival(): void {
    if (this.#rival !== undefined) return
    this.#rival = this.#createClient(this.#current.server)
    this.#rival.connect()
  }

  #discardRival(): void {
    if (this.#rival !== undefined) this.#closeLater(this.#rival, CLOSE_LIMIT_MS)
    this.#rival = undefined
  }

  #closeLater(client: SessionClient, limitMs: number): void {
    const closed = client.close(limitMs).finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  /** The session is lost. Its rival takes over if there is one, connected or not. */
  #replace(cause: LossCause, reason: string): void {
    this.#cancelTimer()
    this.#options.metrics.lost(cause)
    const rival = this.#rival
    const old = this.#current
    this.#rival = undefined
    this.#current = rival ?? this.#createClient(old.server)
    this.#generation += 1
    this.#closeLater(old, 0)
    this.#change('lost', reason)
    if (this.#ended.signal.aborted) return // by a listener
    if (rival?.connected === true) this.#onConnected(rival)
    else if (rival === undefined) this.#connectNew(cause)
  }

  #connectNew(cause: LossCause): void {
    const client = this.#current
    if (cause === 'auth_failed')
      this.#cancelTimer = this.#options.clock.after(this.#authBackoff.next(), () => client.connect())
    else client.connect()
  }

  #change(status: SessionState['status'], reason?: string): void {
    const from = this.#state.status
    const sessionId = status === 'connected' || status === 'suspended' ? this.#current.sessionId : undefined
    const details = {
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(reason === undefined ? {} : { reason }),
    }
    const state: SessionState = { status, ...details }
    this.#state = state
    if (from === status) return
    this.#failureLogged = false
    const { log, metrics } = this.#options
    metrics.stateChanged(status)
    log[reason === undefined ? 'info' : 'warn']('ZooKeeper session changed', { from, to: status, ...details })
    for (const listener of [...this.#listeners]) {
      try {
        listener(state)
      } catch (error) {
        log.error('a listener of the ZooKeeper session failed', { to: status, error: messageOf(error) })
      }
    }
  }
}
