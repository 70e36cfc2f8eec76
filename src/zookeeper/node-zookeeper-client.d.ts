/**
 * What we use of node-zookeeper-client 1.1.3, typed from its source. The published types miss its inner modules and are
 * wrong in places. The package's own client (index.js) is not used: it adds retries and argument guessing to what is
 * declared here, and nothing that we want.
 */

declare module 'node-zookeeper-client/lib/jute/index.js' {
  /** A record of the wire protocol; its fields follow the order of its constructor's arguments. */
  interface JuteRecord {
    byteLength(): number
    /** Reads the fields from `offset` on. Returns how many bytes were read; throws when the buffer is too short. */
    deserialize(buffer: Buffer, offset: number): number
  }

  interface RequestHeader extends JuteRecord {
    xid: number
    readonly type: number
  }

  interface ConnectResponse extends JuteRecord {
    readonly timeOut: number
    readonly sessionId: Buffer
    readonly passwd: Buffer
  }

  interface StatRecord extends JuteRecord {
    readonly czxid: Buffer
    readonly mzxid: Buffer
    readonly version: number
    readonly ephemeralOwner: Buffer
    readonly numChildren: number
  }

  /** The answer's record; which fields are there depends on the request. */
  interface ResponsePayload {
    readonly path?: string
    readonly children?: readonly string[]
    readonly stat?: StatRecord
    /** Of a transaction: one per part. `err` is 0, or why this part, or one before it, failed; `path` is of a create. */
    readonly results?: readonly { readonly type: number; readonly err?: number; readonly path?: string }[]
  }

  /** A part of a transaction. */
  interface TransactionOp {
    readonly type: number
    readonly path: string
    readonly version?: number
    readonly data?: Buffer
    readonly acls?: readonly { toRecord(): JuteRecord }[]
    readonly mode?: number
  }

  interface Response {
    /** Null for answers without a record, e.g. to a delete. */
    readonly payload: ResponsePayload | null
  }

  class Request {
    constructor(header: RequestHeader | null, payload: JuteRecord | null)
    readonly header: RequestHeader | null
    readonly payload: JuteRecord | null
    /** The whole frame, with its length in front. */
    toBuffer(): Buffer
  }

  interface Jute {
    readonly PROTOCOL_VERSION: number
    readonly XID_NOTIFICATION: number
    readonly XID_PING: number
    readonly XID_AUTHENTICATION: number
    readonly OP_CODES: {
      readonly CREATE: number
      readonly DELETE: number
      readonly EXISTS: number
      readonly SET_DATA: number
      readonly GET_CHILDREN2: number
      readonly PING: number
      readonly AUTH: number
      readonly SET_WATCHES: number
      readonly CLOSE_SESSION: number
      readonly MULTI: number
    }
    readonly Request: typeof Request
    readonly TransactionRequest: new (ops: readonly TransactionOp[]) => JuteRecord
    readonly data: {
      readonly ACL: new (perms: number, id: JuteRecord) => JuteRecord
      readonly Id: new (scheme: string, id: string) => JuteRecord
    }
    readonly protocol: {
      readonly AuthPacket: new (type: number, scheme: string, auth: Buffer) => JuteRecord
      readonly ConnectRequest: new (
        version: number,
        lastZxidSeen: Buffer,
        timeOut: number,
        sessionId: Buffer,
        passwd: Buffer,
      ) => JuteRecord
      readonly ConnectResponse: new () => ConnectResponse
      readonly CreateRequest: new (path: string, data: Buffer, acl: readonly JuteRecord[], flags: number) => JuteRecord
      readonly DeleteRequest: new (path: string, version: number) => JuteRecord
      readonly ExistsRequest: new (path: string, watch: boolean) => JuteRecord
      readonly GetChildren2Request: new (path: string, watch: boolean) => JuteRecord
      readonly RequestHeader: new (xid: number, type: number) => RequestHeader
      readonly SetDataRequest: new (path: string, data: Buffer, version: number) => JuteRecord
      readonly SetWatches: new (
        relativeZxid: Buffer,
        dataWatches: readonly string[],
        existWatches: readonly string[],
        childWatches: readonly string[],
      ) => JuteRecord
    }
  }

  const jute: Jute

  // biome-ignore lint/style/noDefaultExport: what Node makes of the package's module.exports
  export { type JuteRecord, jute as default, type RequestHeader, type Response, type ResponsePayload, type StatRecord }
}

declare module 'node-zookeeper-client/lib/ConnectionManager.js' {
  import type { EventEmitter } from 'node:events'
  import type { Socket } from 'node:net'
  import type { RequestHeader, Response } from 'node-zookeeper-client/lib/jute/index.js'

  type Callback = (error: { readonly code: number } | null, response?: Response) => void

  /** What can be sent: a `Request`, or whatever makes a frame of the same form. */
  interface Outgoing {
    readonly header: Pick<RequestHeader, 'xid' | 'type'> | null
    toBuffer(): Buffer
  }

  interface Packet {
    readonly request: Outgoing
    readonly callback: Callback
  }

  interface States {
    readonly DISCONNECTED: number
    readonly CONNECTING: number
    readonly CONNECTED: number
    readonly CLOSING: number
    readonly CLOSED: number
    readonly SESSION_EXPIRED: number
    readonly AUTHENTICATION_FAILED: number
  }

  /** What the package calls when a notification arrives. */
  interface WatcherManager {
    emit(event: { readonly type: number; readonly path: string }): void
  }

  class ConnectionManager extends EventEmitter {
    static readonly STATES: States
    constructor(
      connectionString: string,
      options: { readonly sessionTimeout: number },
      stateListener: (state: number) => void,
    )
    /** One of STATES. */
    state: number
    socket: Socket
    /** Requests that are not written yet. */
    readonly packetQueue: { queue: Packet[] }
    /** Requests that are written and not answered, oldest first. */
    pendingQueue: Packet[]
    watcherManager: WatcherManager
    /** Number of the next request. */
    xid: number
    sessionId: Buffer
    sessionPassword: Buffer
    /** The negotiated timeout in ms; before the first connect, the one we ask for. */
    sessionTimeout: number
    connect(): void
    queue(request: Outgoing, callback?: Callback): void
    /** Handles one buffer that came from the server. */
    onSocketData(buffer: Buffer): void
    /** Writes what is queued. */
    onPacketQueueReadable(): void
  }

  // biome-ignore lint/style/noDefaultExport: what Node makes of the package's module.exports
  export { type Callback, ConnectionManager as default, type Outgoing, type Packet }
}
