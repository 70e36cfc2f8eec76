import type { Backoff } from '../core/backoff.ts'
import type { Server } from './connection-string.ts'

/** How an attempt to connect failed: no connection at all, closed by the server before it answered, or no answer. */
export type AttemptFailure = 'unreachable' | 'turned_away' | 'silent'

export interface Attempt {
  readonly server: Server
  /** Wait this long before it, ms. */
  readonly waitMs: number
  /** Time for TCP, TLS and the server's answer together, ms. */
  readonly handshakeMs: number
  /** Time for the server's answer alone, from when it can be asked, ms. */
  readonly answerMs: number
}

export interface ConnectScheduleOptions {
  /** Tried in this order, again and again. */
  readonly servers: readonly Server[]
  readonly backoff: Backoff
  /** Longest time for one handshake, ms. */
  readonly maxHandshakeMs: number
  /** One that may be starting just now, as far as another client can tell. */
  readonly starting?: Server | undefined
}

/**
 * A restarting ZooKeeper may accept and then never answer, so the first handshakes are cut short; 1 s still lets a
 * recovered ensemble have everybody back within 2 s.
 */
const FIRST_HANDSHAKE_MS = 1000

/**
 * ZooKeeper 3.8 never answers many of the connections that it takes in the first 50 ms after it has opened its port, and
 * serves half a second later. So of a server that refused us until now, or turned away another client of ours, the first
 * answer is waited for shortly. One that has turned us away itself, or that we come from, gets the whole time: it may
 * have thousands of clients to greet.
 */
const STARTING_ANSWER_MS = 250

/** A connection that ends sooner was no success: it does not shorten the waits. */
const STABLE_MS = 1000

/**
 * Decides which server is tried next, when, and for how long: the first attempt after a lost connection goes out at
 * once, to the next server; after each pass over all servers there is a growing wait. Handshakes get longer only while
 * servers stay silent, so that an overloaded ensemble is not hammered with attempts that nobody waits for.
 */
export class ConnectSchedule {
  readonly #servers: readonly Server[]
  readonly #backoff: Backoff
  readonly #maxHandshakeMs: number
  /** Servers that may not answer because they are just starting. */
  readonly #starting: Set<Server>
  #tried: Server | undefined
  #next = 0
  #attempts = 0
  #silent = 0

  constructor({ servers, backoff, maxHandshakeMs, starting }: ConnectScheduleOptions) {
    this.#servers = servers
    this.#backoff = backoff
    this.#maxHandshakeMs = Math.max(FIRST_HANDSHAKE_MS, maxHandshakeMs)
    this.#starting = new Set(servers.filter((server) => server === starting))
  }

  /** Every server was tried since the last success. */
  get passDone(): boolean {
    return this.#attempts > 0 && this.#attempts % this.#servers.length === 0
  }

  /** @param preferred try this one, and now. */
  next(preferred?: Server): Attempt {
    if (preferred !== undefined) return this.#attempt(preferred, 0)
    const server = this.#servers[this.#next % this.#servers.length]
    if (server === undefined) throw new RangeError('an ensemble has at least one server')
    const waitMs = this.passDone ? this.#backoff.next() : 0
    this.#next += 1
    this.#attempts += 1
    return this.#attempt(server, waitMs)
  }

  failed(failure: AttemptFailure): void {
    this.#silent = failure === 'silent' ? this.#silent + 1 : 0
    if (this.#tried === undefined) return
    if (failure === 'unreachable') this.#starting.add(this.#tried)
    if (failure === 'turned_away') this.#starting.delete(this.#tried)
  }

  /** An established connection ended after `livedMs`. */
  ended(livedMs: number): void {
    this.#silent = 0
    this.#starting.clear()
    if (livedMs < STABLE_MS) return
    this.#attempts = 0
    this.#backoff.reset()
  }

  #attempt(server: Server, waitMs: number): Attempt {
    this.#tried = server
    const growth = 2 ** this.#silentPasses
    const handshakeMs = Math.min(this.#maxHandshakeMs, FIRST_HANDSHAKE_MS * growth)
    const answerMs = this.#starting.has(server) ? Math.min(handshakeMs, STARTING_ANSWER_MS * growth) : handshakeMs
    return { server, waitMs, handshakeMs, answerMs }
  }

  get #silentPasses(): number {
    return Math.min(16, Math.floor(this.#silent / this.#servers.length))
  }
}
