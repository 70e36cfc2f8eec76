import type { Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { AttemptFailure } from './connect-schedule.ts'
import { formatServer, type Server } from './connection-string.ts'
import type { Dial } from './dial.ts'
import { FrameSplitter } from './frame-splitter.ts'
import { Heartbeat } from './heartbeat.ts'

/** Longest answer that is believed; a listing of a million children stays below it. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024

/** How far a link came: nothing yet, TCP and TLS, or an open session. */
export type LinkStage = 'dialled' | 'reached' | 'established'

/** How a link ended. */
export interface LinkEnd {
  /** With the server's address in front, for an operator. */
  readonly reason: string
  /** Why it did not come to a session; undefined when it had one. */
  readonly failure: AttemptFailure | undefined
  /** How long the session was open on it. */
  readonly livedMs: number
}

export interface LinkListener {
  /** Bytes may be written now. */
  onReached(link: Link): void
  /** One whole frame, with its length field. What it throws ends the link. */
  onFrame(link: Link, frame: Buffer): void
  /** The socket takes bytes again after it was full. */
  onDrain(): void
  /** Called once, unless the link was dropped by its owner. */
  onEnd(end: LinkEnd): void
}

export interface LinkOptions {
  readonly server: Server
  readonly dial: Dial
  readonly clock: Clock
  /** For TCP, TLS and the server's answer together. */
  readonly handshakeMs: number
  /** For the server's answer alone, once it is asked; no more than is left of `handshakeMs`. */
  readonly answerMs: number
  readonly listener: LinkListener
}

/**
 * One connection to one server, from the first packet to the last. It has an end however the other side behaves: an
 * error, a close, a bad frame, no answer to the handshake, or silence; and after its end nothing of it is heard again.
 */
export class Link {
  readonly server: Server
  readonly socket: Socket
  readonly #options: LinkOptions
  readonly #splitter = new FrameSplitter(MAX_FRAME_BYTES)
  readonly #dialledAt: number
  #cancelHandshake: () => void
  #stage: LinkStage | 'over' = 'dialled'
  #heartbeat: Heartbeat | undefined
  #establishedAt = 0

  /** @throws what `dial` throws. */
  constructor(options: LinkOptions) {
    const { server, dial, clock, handshakeMs } = options
    const { socket, readyEvent } = dial(server)
    this.server = server
    this.socket = socket
    this.#options = options
    this.#dialledAt = clock.now()
    this.#cancelHandshake = this.#limitHandshake(handshakeMs, handshakeMs)
    socket.on(readyEvent, () => this.#onReached())
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('drain', () => {
      if (this.#stage !== 'over') options.listener.onDrain()
    })
    socket.on('error', (error) => this.end(messageOf(error)))
    socket.on('end', () => this.end('closed by the server'))
    socket.on('close', () => this.end('closed by the server'))
  }

  /** The server has given a session: from now on pings go out and silence ends the link. */
  establish(sessionTimeoutMs: number, ping: Buffer): void {
    const { clock } = this.#options
    this.#cancelHandshake()
    this.#stage = 'established'
    this.#establishedAt = clock.now()
    this.#heartbeat = new Heartbeat({
      clock,
      sessionTimeoutMs,
      ping: () => this.socket.write(ping),
      onSilent: (ms) => this.end(`silent for ${Math.round(ms)} ms`),
    })
  }

  /** Ends it for a reason that its owner found. */
  end(reason: string): void {
    this.#end(reason, this.#stage === 'dialled' ? 'unreachable' : 'turned_away')
  }

  /** Ends it without a word to the listener. Late and repeated calls are harmless. */
  drop(): void {
    this.#stage = 'over'
    this.#cancelHandshake()
    this.#heartbeat?.stop()
    this.socket.destroy()
  }

  #onReached(): void {
    if (this.#stage !== 'dialled') return
    this.#stage = 'reached'
    const { answerMs, clock, handshakeMs, listener } = this.#options
    this.#cancelHandshake()
    const leftMs = handshakeMs - (clock.now() - this.#dialledAt)
    this.#cancelHandshake = this.#limitHandshake(Math.min(answerMs, leftMs), Math.min(answerMs, handshakeMs))
    listener.onReached(this)
  }

  /** @param toldMs the limit as it is set, for the operator. */
  #limitHandshake(ms: number, toldMs: number): () => void {
    const reason = `no answer to the handshake within ${Math.round(toldMs)} ms`
    return this.#options.clock.after(ms, () => this.#end(reason, 'silent'))
  }

  #onData(chunk: Buffer): void {
    if (this.#stage === 'over') return
    this.#heartbeat?.heard()
    try {
      for (const frame of this.#splitter.push(chunk)) {
        this.#options.listener.onFrame(this, frame)
        if (this.#isOver()) return
      }
    } catch (error) {
      this.end(`unreadable answer: ${messageOf(error)}`)
    }
  }

  /** A method, because the compiler cannot know that a listener may end the link. */
  #isOver(): boolean {
    return this.#stage === 'over'
  }

  #end(problem: string, failure: AttemptFailure): void {
    const stage = this.#stage
    if (stage === 'over') return
    this.drop()
    const established = stage === 'established'
    this.#options.listener.onEnd({
      reason: `${formatServer(this.server)}: ${problem}`,
      failure: established ? undefined : failure,
      livedMs: established ? this.#options.clock.now() - this.#establishedAt : 0,
    })
  }
}
