import type { Outgoing } from 'node-zookeeper-client/lib/ConnectionManager.js'
import jute, { type JuteRecord, type ResponsePayload } from 'node-zookeeper-client/lib/jute/index.js'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { BulkReads } from './bulk-reads.ts'
import type { ClientListener } from './client-listener.ts'
import { Connection } from './connection.ts'
import type { Server } from './connection-string.ts'
import type { Dial } from './dial.ts'
import { NO_NODE } from './error-codes.ts'
import { GetDataRequest, type NodeData } from './get-data.ts'
import { type Operation, type OperationName, type OperationResult, Operations } from './operations.ts'
import { type WatchKind, type WatchListener, WatchTable, watchEventOf } from './watch-table.ts'
import { parentOf, pathProblem } from './znode-path.ts'
import { type CreateMode, type CreateOptions, type Stat, ZooKeeperError } from './zookeeper.ts'

export interface ClientOptions {
  /** Tried in this order. */
  readonly servers: readonly Server[]
  /** One of them that may be starting just now: it may take a connection and never answer it. */
  readonly starting?: Server | undefined
  readonly sessionTimeoutMs: number
  /** Each operation is given up after this time. */
  readonly operationTimeoutMs: number
  /** `user:password`. */
  readonly digest: string | undefined
  readonly dial: Dial
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly listener: ClientListener
  readonly onSettled: (operation: OperationName, result: OperationResult, ms: number) => void
}

interface OperationRequest<T> {
  readonly operation: Operation
  /** ZooKeeper's number of the operation. */
  readonly type: number
  readonly record: JuteRecord
  /** Length of the data that it carries. */
  readonly dataBytes?: number
  /** Makes the value of the answer. */
  readonly decode: (payload: ResponsePayload | null) => T
  /** Makes the value when there is no such node. Without it that is an error. */
  readonly ifMissing?: () => T
}

export type { NodeData } from './get-data.ts'

export interface NodeChildren {
  readonly children: readonly string[]
  readonly stat: Stat
}

/** ZooKeeper's numbers of the kinds of node. */
const MODE: Readonly<Record<CreateMode, number>> = {
  persistent: 0,
  ephemeral: 1,
  persistent_sequential: 2,
  ephemeral_sequential: 3,
}

const READ = 1
const ALL = 31
const OPEN_TO_ALL = [new jute.data.ACL(ALL, new jute.data.Id('world', 'anyone'))]
const READ_ONLY_FOR_OTHERS = [
  new jute.data.ACL(ALL, new jute.data.Id('auth', '')),
  new jute.data.ACL(READ, new jute.data.Id('world', 'anyone')),
]

/** Version number with which a write does not look at the version of the node. */
const ANY_VERSION = -1
/**
 * ZooKeeper's default jute.maxbuffer (1 MiB less one byte) with room for a path and an ACL. The server answers a longer
 * request by closing the connection of all who share it.
 */
const MAX_DATA_BYTES = 0xf_ffff - 4096
/** The owner of a persistent node. */
const NOBODY = '0x0'

/**
 * One ZooKeeper session with promises. It lives until the session ends; who wants another session makes another client.
 * Nothing is ever repeated here: whether a failed create may be tried again is not for a client to guess.
 */
export class Client {
  readonly #options: ClientOptions
  readonly #connection: Connection
  readonly #operations: Operations
  readonly #watches = new WatchTable()
  readonly #bulkReads: BulkReads

  constructor(options: ClientOptions) {
    const { servers, starting, sessionTimeoutMs, digest, dial, clock, random, listener } = options
    this.#options = options
    this.#operations = new Operations({ clock, deadlineMs: options.operationTimeoutMs, onSettled: options.onSettled })
    this.#connection = new Connection({
      servers,
      starting,
      sessionTimeoutMs,
      digest,
      dial,
      clock,
      random,
      listener: {
        onConnected: () => listener.onConnected(),
        onDisconnected: (reason) => listener.onDisconnected(reason),
        onAttemptFailed: (failure, reason, passDone) => listener.onAttemptFailed(failure, reason, passDone),
        onEnded: (cause, reason) => {
          this.#operations.close()
          listener.onEnded(cause, reason)
        },
        onNotification: (type, path) => this.#notify(type, path),
        watchedPaths: () => this.#watches.paths(),
      },
    })
    this.#bulkReads = new BulkReads({
      connection: this.#connection,
      operations: this.#operations,
      watches: this.#watches,
      readAlone: ({ path, watch }, signal) => this.getData(path, signal, watch),
      onRefused: (error) => options.log.info('reading znodes one by one from now on', { reason: messageOf(error) }),
    })
  }

  get connected(): boolean {
    return this.#connection.connected
  }

  /** The session's id as ZooKeeper's logs write it, `0x...`; undefined until a server gave one. */
  get sessionId(): string | undefined {
    return this.#connection.hasSession ? hex(this.#connection.sessionId) : undefined
  }

  /** As negotiated, in ms; until then, as asked for. */
  get sessionTimeoutMs(): number {
    return this.#connection.sessionTimeout
  }

  /** The member that was tried last: while connected, the one that it is connected to. */
  get server(): Server | undefined {
    return this.#connection.server
  }

  connect(): void {
    this.#connection.connect()
  }

  /** While not connected: tries this server now. */
  retryAt(server: Server): void {
    this.#connection.retryAt(server)
  }

  /** Ends the session, orderly if that is possible within `limitMs`; 0: the server is not told. Always resolves. */
  async close(limitMs: number): Promise<void> {
    await this.#connection.closeSession(limitMs)
    this.#operations.close()
  }

  exists(path: string, signal: AbortSignal, watch?: WatchListener): Promise<Stat | undefined> {
    const add = (kind: WatchKind) => watch !== undefined && this.#watches.add(kind, path, watch)
    return this.#request<Stat | undefined>({
      operation: { name: 'exists', path, signal },
      type: jute.OP_CODES.EXISTS,
      record: new jute.protocol.ExistsRequest(path, watch !== undefined),
      decode: (payload) => {
        add('data')
        return statOf(payload)
      },
      ifMissing: () => {
        add('exist')
        return undefined
      },
    })
  }

  getData(path: string, signal: AbortSignal, watch?: WatchListener): Promise<NodeData> {
    const request = new GetDataRequest(path, watch !== undefined)
    return this.#send({ name: 'getData', path, signal }, request, () => {
      if (watch !== undefined) this.#watches.add('data', path, watch)
      return request.answer
    })
  }

  getDataOf(...read: Parameters<BulkReads['read']>): ReturnType<BulkReads['read']> {
    return this.#bulkReads.read(...read)
  }

  getChildren(path: string, signal: AbortSignal, watch?: WatchListener): Promise<NodeChildren> {
    return this.#request({
      operation: { name: 'getChildren', path, signal },
      type: jute.OP_CODES.GET_CHILDREN2,
      record: new jute.protocol.GetChildren2Request(path, watch !== undefined),
      decode: (payload) => {
        if (watch !== undefined) this.#watches.add('child', path, watch)
        return { children: payload?.children ?? [], stat: statOf(payload) }
      },
    })
  }

  /** Returns the path with the sequence number, if any. */
  create(path: string, data: Buffer, options: CreateOptions, signal: AbortSignal): Promise<string> {
    const { mode, restrict, replace = false, withParent = false } = options
    if (restrict === true && this.#options.digest === undefined) {
      return Promise.reject(badArguments('create', path, 'a restricted node needs digest credentials'))
    }
    const acl = restrict === true ? READ_ONLY_FOR_OTHERS : OPEN_TO_ALL
    const flags = MODE[mode]
    const first = [...(replace ? [removal(path)] : []), ...(withParent ? [persistent(parentOf(path))] : [])]
    const [type, record] =
      first.length > 0
        ? [jute.OP_CODES.MULTI, new jute.TransactionRequest([...first, creation(path, data, acl, flags)])]
        : [jute.OP_CODES.CREATE, new jute.protocol.CreateRequest(path, data, acl, flags)]
    return this.#request({
      operation: { name: 'create', path, signal },
      type,
      record,
      dataBytes: data.length,
      decode: (payload) => payload?.path ?? payload?.results?.at(-1)?.path ?? path,
    })
  }

  setData(path: string, data: Buffer, signal: AbortSignal): Promise<Stat> {
    return this.#request({
      operation: { name: 'setData', path, signal },
      type: jute.OP_CODES.SET_DATA,
      record: new jute.protocol.SetDataRequest(path, data, ANY_VERSION),
      dataBytes: data.length,
      decode: statOf,
    })
  }

  /** Deletes the node whatever its version. Resolves false when it did not exist. */
  delete(path: string, signal: AbortSignal): Promise<boolean> {
    return this.#request({
      operation: { name: 'delete', path, signal },
      type: jute.OP_CODES.DELETE,
      record: new jute.protocol.DeleteRequest(path, ANY_VERSION),
      decode: () => true,
      ifMissing: () => false,
    })
  }

  #request<T>({ operation, type, record, dataBytes = 0, decode, ifMissing }: OperationRequest<T>): Promise<T> {
    const { name, path } = operation
    if (dataBytes > MAX_DATA_BYTES) return Promise.reject(badArguments(name, path, `${dataBytes} bytes are too many`))
    return this.#send(operation, new jute.Request(new jute.protocol.RequestHeader(0, type), record), decode, ifMissing)
  }

  #send<T>(
    operation: Operation,
    request: Outgoing,
    decode: OperationRequest<T>['decode'],
    ifMissing?: () => T,
  ): Promise<T> {
    const problem = pathProblem(operation.path)
    if (problem !== undefined)
      return Promise.reject(badArguments(operation.name, operation.path, `bad path: ${problem}`))
    return this.#operations.run<T>(operation, ({ succeed, fail }) => {
      this.#connection.queue(request, (error, response) => {
        const code = error?.code ?? failedPart(response?.payload ?? null)
        if (code === undefined) succeed(() => decode(response?.payload ?? null))
        else if (code === NO_NODE && ifMissing !== undefined) succeed(ifMissing)
        else fail(code)
      })
    })
  }

  #notify(type: number, path: string): void {
    const event = watchEventOf(type)
    if (event === undefined) return
    for (const listener of this.#watches.take(event, path)) {
      try {
        listener(event)
      } catch (error) {
        this.#options.log.error('a watch callback failed', { path, event, error: messageOf(error) })
      }
    }
  }
}

/** Parts of a transaction. */
const removal = (path: string) => ({ type: jute.OP_CODES.DELETE, path, version: ANY_VERSION })
const persistent = (path: string) => creation(path, Buffer.alloc(0), OPEN_TO_ALL, MODE.persistent)

function creation(path: string, data: Buffer, acl: readonly JuteRecord[], mode: number) {
  const acls = acl.map((record) => ({ toRecord: () => record }))
  return { type: jute.OP_CODES.CREATE, path, data, acls, mode }
}

/** Why a transaction failed, by the first of its parts that did. */
function failedPart(payload: ResponsePayload | null): number | undefined {
  return payload?.results?.find(({ err = 0 }) => err !== 0)?.err
}

function badArguments(name: OperationName, path: string, problem: string): ZooKeeperError {
  return new ZooKeeperError('BAD_ARGUMENTS', `${name} ${path}: ${problem}`, path)
}

function statOf(payload: ResponsePayload | null): Stat {
  const stat = payload?.stat
  if (stat === undefined) throw new RangeError('the answer has no stat')
  const { czxid, mzxid, version, ephemeralOwner, numChildren } = stat
  const owner = hex(ephemeralOwner)
  return {
    czxid: hex(czxid),
    mzxid: hex(mzxid),
    version,
    ephemeralOwner: owner === NOBODY ? undefined : owner,
    numChildren,
  }
}

function hex(id: Buffer): string {
  return `0x${id.readBigUInt64BE().toString(16)}`
}
