import type { Clock } from '../core/clock.ts'
import {
  type EnsembleOptions,
  type Session,
  type SessionPool,
  ZooKeeperError,
  type ZooKeeperErrorCode,
} from './zookeeper.ts'

export type ObservedOperation =
  | 'connected'
  | 'exists'
  | 'getData'
  | 'getChildren'
  | 'create'
  | 'setData'
  | 'delete'
  | 'ensurePath'

/** What the users of a session pool do. `hosts` are those of the configuration. */
export type ZooKeeperEvent =
  /** A session was asked for; `reused` when another user had it already. */
  | { readonly kind: 'session'; readonly hosts: readonly string[]; readonly reused: boolean }
  | { readonly kind: 'session-lost'; readonly hosts: readonly string[] }
  /** An operation has ended, one way or the other. */
  | {
      readonly kind: 'operation'
      readonly hosts: readonly string[]
      readonly operation: ObservedOperation
      readonly path: string
      readonly ms: number
      readonly ok: boolean
      /** Why it failed, as far as ZooKeeper said. */
      readonly error?: ZooKeeperErrorCode
    }

/** The same pool, telling what its users do with it. */
export function observePool(pool: SessionPool, clock: Clock, onEvent: (event: ZooKeeperEvent) => void): SessionPool {
  return {
    acquire(options) {
      const before = pool.state().length
      const session = pool.acquire(options)
      onEvent({ kind: 'session', hosts: options.hosts, reused: pool.state().length === before })
      return new ObservedSession(session, options, clock, onEvent)
    },
    state: () => pool.state(),
    close: () => pool.close(),
  }
}

class ObservedSession implements Session {
  readonly #session: Session
  readonly #hosts: readonly string[]
  readonly #clock: Clock
  readonly #onEvent: (event: ZooKeeperEvent) => void
  readonly getDataOf: Session['getDataOf']

  constructor(session: Session, { hosts }: EnsembleOptions, clock: Clock, onEvent: (event: ZooKeeperEvent) => void) {
    this.#session = session
    this.#hosts = hosts
    this.#clock = clock
    this.#onEvent = onEvent
    // Nodes that are read together count as one read.
    const getDataOf = session.getDataOf?.bind(session)
    this.getDataOf =
      getDataOf && ((nodes, signal) => this.#timed('getData', nodes[0]?.path ?? '/', getDataOf(nodes, signal)))
    // Ends with the release of the session.
    session.subscribe(({ status }) => {
      if (status === 'lost') onEvent({ kind: 'session-lost', hosts })
    })
  }

  get state() {
    return this.#session.state
  }

  get generation() {
    return this.#session.generation
  }

  get shared(): object {
    return this.#session.shared ?? this.#session
  }

  subscribe(listener: Parameters<Session['subscribe']>[0]) {
    return this.#session.subscribe(listener)
  }

  connected(signal: AbortSignal) {
    return this.#timed('connected', '/', this.#session.connected(signal))
  }

  exists(...args: Parameters<Session['exists']>) {
    return this.#timed('exists', args[0], this.#session.exists(...args))
  }

  getData(...args: Parameters<Session['getData']>) {
    return this.#timed('getData', args[0], this.#session.getData(...args))
  }

  getChildren(...args: Parameters<Session['getChildren']>) {
    return this.#timed('getChildren', args[0], this.#session.getChildren(...args))
  }

  create(...args: Parameters<Session['create']>) {
    return this.#timed('create', args[0], this.#session.create(...args))
  }

  setData(...args: Parameters<Session['setData']>) {
    return this.#timed('setData', args[0], this.#session.setData(...args))
  }

  delete(...args: Parameters<Session['delete']>) {
    return this.#timed('delete', args[0], this.#session.delete(...args))
  }

  ensurePath(...args: Parameters<Session['ensurePath']>) {
    return this.#timed('ensurePath', args[0], this.#session.ensurePath(...args))
  }

  /** Not told: it does nothing for anybody. */
  catchUp(path: string, signal: AbortSignal) {
    return this.#session.catchUp(path, signal)
  }

  release(options?: { readonly keep?: boolean }): Promise<void> {
    return this.#session.release(options)
  }

  async #timed<T>(operation: ObservedOperation, path: string, result: Promise<T>): Promise<T> {
    const started = this.#clock.now()
    const tell = (outcome: { readonly ok: boolean; readonly error?: ZooKeeperErrorCode }) => {
      const ms = this.#clock.now() - started
      this.#onEvent({ kind: 'operation', hosts: this.#hosts, operation, path, ms, ...outcome })
    }
    try {
      const value = await result
      tell({ ok: true })
      return value
    } catch (error) {
      tell(error instanceof ZooKeeperError ? { ok: false, error: error.code } : { ok: false })
      throw error
    }
  }
}
