import { nextTick } from 'node:process'
import ConnectionManager, {
  type Callback,
  type Outgoing,
  type Packet,
} from 'node-zookeeper-client/lib/ConnectionManager.js'
import jute from 'node-zookeeper-client/lib/jute/index.js'
import { createBackoff } from '../core/backoff.ts'
import { messageOf } from '../core/errors.ts'
import { type Attempt, type AttemptFailure, ConnectSchedule } from './connect-schedule.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { formatServer, type Server } from './connection-string.ts'
import { AUTH_FAILED, CONNECTION_LOSS, meaningOf } from './error-codes.ts'
import { Link, type LinkEnd } from './link.ts'
import { authRequest, connectFrame, watchRequests } from './opening.ts'
import { type ReplyHeader, readReplyHeader } from './reply-header.ts'
import { type TakesFrame, takesFrame } from './takes-frame.ts'

const { STATES } = ConnectionManager

/** A sidecar wants its ensemble back soon: a pass over all servers at least every 250 ms, spread by half for the herd. */
const RECONNECT = { initialMs: 50, maxMs: 250 } as const
/** Requests are numbered from 1 (old servers treat 0 as a sign of trouble) to what fits in the field. */
const FIRST_XID = 1
const MAX_XID = 0x7fff_ffff

const PING = new jute.Request(new jute.protocol.RequestHeader(jute.XID_PING, jute.OP_CODES.PING), null).toBuffer()

/**
 * The package's connection manager, made fit for a daemon. The package keeps the queue of requests, matches the
 * answers to them and decodes both; connecting, framing, pings, watches, errors and the end are done here and in Link.
 */
export class Connection extends ConnectionManager {
  readonly #options: ConnectionOptions
  readonly #schedule: ConnectSchedule
  #link: Link | undefined
  #server: Server | undefined
  #cancelWait: () => void = () => {}
  #lastZxid = 0n
  #closing: { readonly finish: () => void; readonly done: Promise<void> } | undefined

  constructor(options: ConnectionOptions) {
    // The package cannot read IPv6 and keeps blanks: it gets a stand-in, the servers come from our schedule.
    super('stand-in:1', { sessionTimeout: options.sessionTimeoutMs }, () => {})
    this.#options = options
    this.#schedule = new ConnectSchedule({
      servers: options.servers,
      backoff: createBackoff({ ...RECONNECT, random: options.random }),
      maxHandshakeMs: options.sessionTimeoutMs / 3,
      starting: options.starting,
    })
    this.watcherManager = { emit: ({ type, path }) => options.listener.onNotification(type, path) }
  }

  get connected(): boolean {
    return this.state === STATES.CONNECTED
  }

  /** The member that was tried last: while connected, the one that it is connected to. */
  get server(): Server | undefined {
    return this.#server
  }

  /** Whether a server has ever given us a session. */
  get hasSession(): boolean {
    return this.sessionId.some((byte) => byte !== 0)
  }

  get #reconnects(): boolean {
    return this.state === STATES.CONNECTING || this.state === STATES.DISCONNECTED
  }

  /** Starts, and from then on reconnects by itself. Calling it again is harmless. */
  override connect(): void {
    if (this.state === STATES.DISCONNECTED) this.#attempt()
  }

  /** While not connected: drops the current attempt or wait and tries this server now. */
  retryAt(server: Server): void {
    if (this.state !== STATES.CONNECTING) return
    this.#cancelWait()
    this.#link?.drop()
    this.#attempt(server)
  }

  /** Fails with CONNECTION_LOSS at once while not connected: a queue would hold requests for as long as an outage lasts. */
  override queue(request: Outgoing, callback: Callback): void {
    if (!this.connected) {
      callback({ code: CONNECTION_LOSS })
      return
    }
    if (this.xid > MAX_XID) this.xid = FIRST_XID
    this.#gatherWrites()
    super.queue(request, callback)
  }

  /** Requests made in one go leave in one system call: with thousands of reads that saves half of their cost. */
  #gatherWrites(): void {
    const socket = this.#link?.socket
    if (socket === undefined || socket.writableCorked > 0) return
    socket.cork()
    nextTick(() => socket.uncork()) // after all that the answers in one packet have led to
  }

  /**
   * Ends the session. The server is told, if need be over a new connection, so that ephemerals go at once; after
   * `limitMs` it is left to find out by itself. Always resolves.
   */
  closeSession(limitMs: number): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.done
    let resolve = () => {}
    const done = new Promise<void>((settle) => {
      resolve = settle
    })
    const cancelLimit = this.#options.clock.after(limitMs, () => finish())
    const finish = () => {
      cancelLimit()
      this.#shutDown(STATES.CLOSED, CONNECTION_LOSS)
      resolve()
    }
    this.#closing = { finish, done }
    if (this.connected && limitMs > 0) this.#sendClose()
    else if (!this.#reconnects || !this.hasSession || limitMs <= 0) finish()
    return done
  }

  #sendClose(): void {
    this.state = STATES.CLOSING
    const header = new jute.protocol.RequestHeader(0, jute.OP_CODES.CLOSE_SESSION)
    super.queue(new jute.Request(header, null), () => this.#closing?.finish())
  }

  #attempt(preferred?: Server): void {
    this.state = STATES.CONNECTING
    const attempt = this.#schedule.next(preferred)
    if (attempt.waitMs <= 0) this.#open(attempt)
    else this.#cancelWait = this.#options.clock.after(attempt.waitMs, () => this.#open(attempt))
  }

  #open({ server, handshakeMs, answerMs }: Attempt): void {
    const { clock, dial } = this.#options
    this.#server = server
    const listener = {
      onReached: (link: Link) => link.socket.write(this.#connectFrame()),
      onFrame: (link: Link, frame: Buffer) => this.#onFrame(link, frame),
      onDrain: () => this.onPacketQueueReadable(),
      onEnd: (end: LinkEnd) => this.#onEnd(end),
    }
    try {
      this.#link = new Link({ server, dial, clock, handshakeMs, answerMs, listener })
      this.socket = this.#link.socket
    } catch (error) {
      // TLS files that cannot be read. Reported later, as every other failure: never from within connect().
      const reason = `${formatServer(server)}: ${messageOf(error)}`
      this.#cancelWait = clock.after(0, () => this.#onAttemptFailed('unreachable', reason))
    }
  }

  #connectFrame(): Buffer {
    const { sessionId, sessionPassword: password } = this
    return connectFrame({
      zxid: this.#zxidBytes(),
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      sessionId,
      password,
    })
  }

  #onFrame(link: Link, frame: Buffer): void {
    if (this.state === STATES.CONNECTING) {
      this.#onConnectResponse(link, frame)
      return
    }
    const header = readReplyHeader(frame)
    if (header.xid === jute.XID_PING) return
    if (header.xid === jute.XID_NOTIFICATION) this.onSocketData(frame)
    else if (header.xid === jute.XID_AUTHENTICATION) this.#onAuthReply(header)
    else this.#onReply(frame, header)
  }

  #onConnectResponse(link: Link, frame: Buffer): void {
    const response = new jute.protocol.ConnectResponse()
    response.deserialize(frame, 4)
    if (response.timeOut <= 0) {
      this.#onSessionOver('expired', 'the ensemble does not know the session any more')
      return
    }
    this.sessionId = response.sessionId
    this.sessionPassword = response.passwd
    this.sessionTimeout = response.timeOut
    this.xid = FIRST_XID
    link.establish(response.timeOut, PING)
    this.state = STATES.CONNECTED
    if (this.#closing !== undefined) {
      this.#sendClose()
      return
    }
    this.packetQueue.queue = this.#preamble(link)
    this.onPacketQueueReadable()
    if (this.#options.digest === undefined) this.#options.listener.onConnected()
  }

  /** What goes first on every connection: who we are, then what we watch, before anybody's request. */
  #preamble(link: Link): Packet[] {
    const { digest, listener } = this.#options
    const identity = digest === undefined ? [] : [{ request: authRequest(digest), callback: () => {} }]
    const callback: Callback = (error) => {
      if (error !== null) link.end(`watches not set: ${meaningOf(error.code).text}`)
    }
    const watches = watchRequests(this.#zxidBytes(), listener.watchedPaths())
    return [...identity, ...watches.map((request) => ({ request, callback }))]
  }

  /** Sets data watches. What changed after the newest transaction that we know of fires at once. */
  watchData(paths: readonly string[], callback: Callback): void {
    const requests = watchRequests(this.#zxidBytes(), { data: paths, exist: [], child: [] })
    for (const request of requests) this.queue(request, callback)
  }

  #onAuthReply({ error }: ReplyHeader): void {
    if (error === 0) this.#options.listener.onConnected()
    else this.#onSessionOver('auth_failed', `authentication refused: ${meaningOf(error).text}`)
  }

  /** Errors are handled here: the package throws on numbers that it does not know, and loses a request on a mismatch. */
  #onReply(frame: Buffer, { xid, zxid, error }: ReplyHeader): void {
    const packet = this.pendingQueue[0]
    if (packet?.request.header?.xid !== xid) throw new Error(`request ${xid} waits for no answer`)
    if (zxid > this.#lastZxid) this.#lastZxid = zxid
    if (error !== 0) {
      this.pendingQueue.shift()
      packet.callback({ code: error })
      return
    }
    if (takesFrame(packet.request)) this.#onFrameOf(packet, packet.request, frame)
    else this.#onRecord(packet, frame)
  }

  #onFrameOf({ callback }: Packet, request: TakesFrame, frame: Buffer): void {
    request.take(frame) // while it waits, so that it fails with the others when it cannot be read
    this.pendingQueue.shift()
    callback(null)
  }

  #onRecord(packet: Packet, frame: Buffer): void {
    try {
      this.onSocketData(frame)
    } catch (cause) {
      packet.callback({ code: CONNECTION_LOSS }) // the package took it off the queue before it failed
      throw cause
    }
  }

  #zxidBytes(): Buffer {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(this.#lastZxid)
    return bytes
  }

  #onEnd({ reason, failure, livedMs }: LinkEnd): void {
    this.#link = undefined
    if (this.state === STATES.CLOSING) {
      this.#closing?.finish()
      return
    }
    if (failure !== undefined) {
      this.#onAttemptFailed(failure, reason)
      return
    }
    this.#schedule.ended(livedMs)
    this.state = STATES.DISCONNECTED
    this.#failRequests(CONNECTION_LOSS)
    this.#options.listener.onDisconnected(reason)
    this.connect()
  }

  #onAttemptFailed(failure: AttemptFailure, reason: string): void {
    this.#schedule.failed(failure)
    this.state = STATES.DISCONNECTED
    this.#options.listener.onAttemptFailed(failure, reason, this.#schedule.passDone)
    this.connect()
  }

  #onSessionOver(cause: 'expired' | 'auth_failed', reason: string): void {
    if (this.#closing !== undefined) {
      this.#closing.finish()
      return
    }
    if (cause === 'expired') this.#shutDown(STATES.SESSION_EXPIRED, CONNECTION_LOSS)
    else this.#shutDown(STATES.AUTHENTICATION_FAILED, AUTH_FAILED)
    this.#options.listener.onEnded(cause, reason)
  }

  #shutDown(state: number, code: number): void {
    this.state = state
    this.#cancelWait()
    this.#link?.drop()
    this.#link = undefined
    this.#failRequests(code)
  }

  #failRequests(code: number): void {
    const packets = [...this.pendingQueue, ...this.packetQueue.queue]
    this.pendingQueue = []
    this.packetQueue.queue = []
    for (const { callback } of packets) callback({ code })
  }
}
