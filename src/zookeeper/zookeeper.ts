/** Our view of ZooKeeper: what all code outside this folder may use. The package behind it is client.ts's secret. */

/** Curator's words. `suspended`: the link is cut, the session may still live, nothing may be concluded. `lost`: the session is over and its ephemerals are gone. */
export type SessionStatus = 'connecting' | 'connected' | 'suspended' | 'lost' | 'closed'

export interface SessionState {
  readonly status: SessionStatus
  /** The server's id of the session, hexadecimal; absent until the first connect. */
  readonly sessionId?: string
  /** Why it is not connected, for an operator. */
  readonly reason?: string
}

/** How to reach an ensemble. Two users with equal options share one session. */
export interface EnsembleOptions {
  /** `host:port` each (port 2181 if none; IPv6 in brackets); the last or any may carry a chroot: `zk1:2181,zk2:2181/chroot`. */
  readonly hosts: readonly string[]
  readonly sessionTimeoutMs: number
  /** Digest credentials, `user:password`. Never logged. */
  readonly digest?: string
  readonly tls?: TlsOptions
}

/** TLS to the ensemble. Files are PEM. */
export interface TlsOptions {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
  /** Verify the server's certificate. Default true. */
  readonly verify?: boolean
}

/** The fields of a znode's stat that we use. Ids are hexadecimal strings; compare them for equality only. */
export interface Stat {
  readonly czxid: string
  readonly mzxid: string
  readonly version: number
  /** The owning session's id, or undefined for a persistent node. */
  readonly ephemeralOwner: string | undefined
  readonly numChildren: number
}

export type CreateMode = 'persistent' | 'persistent_sequential' | 'ephemeral' | 'ephemeral_sequential'

export interface CreateOptions {
  readonly mode: CreateMode
  /** Only the session's own digest identity may change the node; all may read. Default false: open to all, as Airbnb's. */
  readonly restrict?: boolean
  /**
   * Take the place of the node of this name: it goes and ours comes in one transaction, so nobody sees a moment without.
   * NO_NODE when there is none. Not for sequential nodes, which have a name of their own. Default false.
   */
  readonly replace?: boolean
  /** Make the parent too, persistent and open to all, in the same transaction. NODE_EXISTS when it is there already. Default false. */
  readonly withParent?: boolean
}

/** A change that a watch saw. Watches fire once. A lost connection fires none: listen to the session's state for that. */
export type WatchEvent = 'created' | 'deleted' | 'changed' | 'children'

/** One of several nodes to be read, with the watch to be set on its data. */
export interface NodeToRead {
  readonly path: string
  readonly watch?: ((event: WatchEvent) => void) | undefined
}

/** What the read of one of several nodes came to. An error is that node's alone, e.g. NO_NODE. */
export type NodeRead = { readonly data: Buffer; readonly stat: Stat } | ZooKeeperError

/**
 * One session with an ensemble, kept alive across connections and replaced by a new one when it is lost. Every operation
 * has a deadline of its own, rejects with ZooKeeperError, and fails at once with CONNECTION_LOSS while not connected.
 */
export interface Session {
  readonly state: SessionState
  /** Counts sessions: rises by one each time a new session replaces a lost one. */
  readonly generation: number
  /** The same object for all who share this session; what recipes keep per session hangs on it. Default: the session itself. */
  readonly shared?: object
  /** Calls back on each change of state. The returned function unsubscribes. */
  subscribe(listener: (state: SessionState) => void): () => void
  /** Resolves once connected; rejects with signal.reason. */
  connected(signal: AbortSignal): Promise<void>
  exists(path: string, signal: AbortSignal, watch?: (event: WatchEvent) => void): Promise<Stat | undefined>
  getData(
    path: string,
    signal: AbortSignal,
    watch?: (event: WatchEvent) => void,
  ): Promise<{ readonly data: Buffer; readonly stat: Stat }>
  /**
   * Reads nodes with as few requests as the server takes; some dozens at a time. Resolves in their order. A watch that fires
   * may have seen a change that the read saw too. Default: there is no such thing, read them one by one.
   */
  getDataOf?: ((nodes: readonly NodeToRead[], signal: AbortSignal) => Promise<readonly NodeRead[]>) | undefined
  getChildren(
    path: string,
    signal: AbortSignal,
    watch?: (event: WatchEvent) => void,
  ): Promise<{ readonly children: readonly string[]; readonly stat: Stat }>
  /** Returns the path with the sequence number, if any. */
  create(path: string, data: Buffer, options: CreateOptions, signal: AbortSignal): Promise<string>
  setData(path: string, data: Buffer, signal: AbortSignal): Promise<Stat>
  /** Deletes the node whatever its version. Resolves false when it did not exist. */
  delete(path: string, signal: AbortSignal): Promise<boolean>
  /** Creates the missing persistent parents of a path and the path itself; never touches what exists. */
  ensurePath(path: string, signal: AbortSignal): Promise<void>
  /** Resolves when reads see all that was done before, over whichever member of the ensemble. Makes `path` if it is missing. */
  catchUp(path: string, signal: AbortSignal): Promise<void>
  /**
   * Gives the session back to the pool; the last user's release closes it on the server, so its ephemerals go at once.
   * If one of its users asked to `keep`, the server is not told: what is left stays until the session times out.
   */
  release(options?: { readonly keep?: boolean }): Promise<void>
}

/** Hands out sessions, one per ensemble and credentials. */
export interface SessionPool {
  acquire(options: EnsembleOptions): Session
  /** One entry per open session, for the status page. */
  state(): readonly { readonly ensemble: string; readonly users: number; readonly session: SessionState }[]
  /** Closes every session, orderly where connected. */
  close(): Promise<void>
}

export type ZooKeeperErrorCode =
  | 'CONNECTION_LOSS'
  | 'SESSION_EXPIRED'
  | 'OPERATION_TIMEOUT'
  | 'NO_NODE'
  | 'NODE_EXISTS'
  | 'NOT_EMPTY'
  | 'NO_AUTH'
  | 'AUTH_FAILED'
  | 'BAD_ARGUMENTS'
  | 'OTHER'

/** A failed ZooKeeper operation. `code` for decisions, `message` names the operation and the path. */
export class ZooKeeperError extends Error {
  readonly code: ZooKeeperErrorCode
  readonly path: string

  constructor(code: ZooKeeperErrorCode, message: string, path: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ZooKeeperError'
    this.code = code
    this.path = path
  }

  /** Whether the same call can succeed later without anybody's doing. */
  get retryable(): boolean {
    return this.code === 'CONNECTION_LOSS' || this.code === 'SESSION_EXPIRED' || this.code === 'OPERATION_TIMEOUT'
  }
}

/** Keeps one znode of ours present with a payload, or absent: Curator's PersistentNode. */
export interface OwnNode {
  /**
   * Makes ZooKeeper hold the node as desired. Rejects when it could not; safe to call again with the same value. Notices
   * own nodes left by a create whose answer was lost, replaces a foreign node of the same non-sequential name, removes twins.
   */
  reconcile(desired: OwnNodeSpec | undefined, signal: AbortSignal): Promise<void>
  /** The full path while the node is known to exist. */
  readonly path: string | undefined
  /**
   * Tells this znode from any other of its path, also from one that was made there later; two that keep the same znode, over
   * different sessions, have the same. undefined until it was read.
   */
  readonly identity: string | undefined
  /** Whether the node may exist: it is known to, or its create is under way or was never answered. */
  readonly mayExist: boolean
  close(): void
}

export interface OwnNodeSpec {
  /** The existing or missing parent; created when missing, never overwritten. */
  readonly parent: string
  /** The child name up to the sequence number, e.g. `i-abc_`. */
  readonly prefix: string
  readonly data: Buffer
  readonly mode: CreateMode
  readonly restrict?: boolean
}

/** The complete set of a path's children with their data, kept fresh. */
export interface ChildrenSnapshot {
  readonly children: readonly { readonly name: string; readonly data: Buffer }[]
  /** Data of the watched path itself. */
  readonly data: Buffer
  /** When the event that led to this snapshot arrived, on `clock.now()`. */
  readonly eventAt: number
}
