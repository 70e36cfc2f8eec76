import { createSocket, type Socket } from 'node:dgram'
import { promises as dns, type LookupAddress } from 'node:dns'
import { type Clock, pause } from './clock.ts'
import { messageOf } from './errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** Datagrams on their way, or waiting for the first look-up. What comes beyond is dropped. */
const MAX_WAITING = 1_000
/** The name of the server is looked up again after this time, so that a moved server is found. */
const RESOLVE_EVERY_MS = 60_000
/** After a failure it is looked up again sooner. */
const RESOLVE_AGAIN_MS = 5_000
/** Longest time that the last datagrams have. */
const FLUSH_MS = 250

export interface StatsdTargetOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly counts: StatsdCounts
  /** Every address of a name. Default: the system's look-up. */
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>
}

/** What became of datagrams. */
export type StatsdCounts = ReturnType<typeof createStatsdCounts>

/** One StatsD server, and the UDP socket that speaks to it, which keeps no process alive. */
export class StatsdTarget {
  readonly #host: string
  readonly #port: number
  readonly #options: StatsdTargetOptions
  /** Datagrams that wait for the first look-up. */
  #waiting: string[] = []
  #sending = 0
  #address: LookupAddress | undefined
  #socket: { readonly socket: Socket; readonly family: number } | undefined
  #resolveAt: number
  #resolving: Promise<void> | undefined
  #problem: string | undefined
  #isClosed = false
  #onSent: () => void = () => {}

  constructor({ host, port }: { readonly host: string; readonly port: number }, options: StatsdTargetOptions) {
    this.#host = host
    this.#port = port
    this.#options = options
    this.#resolveAt = options.clock.now()
  }

  send(datagram: string): void {
    const { clock, counts } = this.#options
    if (clock.now() >= this.#resolveAt) this.#resolving ??= this.#resolve()
    if (this.#waiting.length + this.#sending >= MAX_WAITING) counts.dropped.overflow.inc()
    else if (this.#address !== undefined) this.#transmit(datagram, this.#address)
    else if (this.#resolving !== undefined) this.#waiting.push(datagram)
    else counts.dropped.unresolved.inc()
  }

  /** Sends what waits, for a moment at most. Nothing may be sent afterwards. */
  async close(): Promise<void> {
    const flushed = new AbortController()
    const flush = this.#flush().finally(() => flushed.abort())
    await Promise.race([flush, pause(this.#options.clock, FLUSH_MS, flushed.signal)])
    this.#isClosed = true
    this.#dropWaiting()
    this.#socket?.socket.close()
  }

  async #flush(): Promise<void> {
    await this.#resolving
    if (this.#sending === 0) return
    await new Promise<void>((resolve) => {
      this.#onSent = resolve
    })
  }

  /** Never rejects. */
  async #resolve(): Promise<void> {
    const { clock, counts, resolve = lookUp } = this.#options
    try {
      const [first] = await resolve(this.#host)
      this.#address = first
      this.#resolveAt = clock.now() + RESOLVE_EVERY_MS
      this.#tell(undefined)
    } catch (error) {
      this.#resolveAt = clock.now() + RESOLVE_AGAIN_MS
      counts.failures.resolve.inc()
      this.#tell(messageOf(error)) // the address of before goes on being used
    }
    this.#resolving = undefined
    if (this.#isClosed) return
    const address = this.#address
    if (address === undefined) this.#dropWaiting()
    else for (const datagram of this.#waiting.splice(0)) this.#transmit(datagram, address)
  }

  #transmit(datagram: string, { address, family }: LookupAddress): void {
    const { counts } = this.#options
    this.#sending += 1
    this.#socketFor(family).send(datagram, this.#port, address, (error) => {
      this.#sending -= 1
      if (error === null) counts.sent.inc()
      else counts.failures.send.inc()
      if (this.#sending === 0) this.#onSent()
    })
  }

  /** A socket speaks one version of IP. */
  #socketFor(family: number): Socket {
    if (this.#socket?.family === family) return this.#socket.socket
    this.#socket?.socket.close()
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    socket.on('error', () => this.#options.counts.failures.send.inc())
    socket.unref()
    this.#socket = { socket, family }
    return socket
  }

  #dropWaiting(): void {
    for (const _ of this.#waiting.splice(0)) this.#options.counts.dropped.unresolved.inc()
  }

  /** A problem is told once, and so is its end. */
  #tell(problem: string | undefined): void {
    const { log } = this.#options
    const server = `${this.#host}:${this.#port}`
    const before = this.#problem
    this.#problem = problem
    if (problem !== undefined && problem !== before)
      log.warn('StatsD server not found, its metrics are dropped', { server, reason: problem })
    if (problem === undefined && before !== undefined) log.info('StatsD server found', { server })
  }
}

/** IPv4 first, which is all that Airbnb's daemons know: a StatsD server on 127.0.0.1 is meant by `localhost`. */
const lookUp = (host: string) => dns.lookup(host, { all: true, order: 'ipv4first' })

/** The counts of all StatsD servers together, zero from the start. */
export function createStatsdCounts(metrics: Metrics) {
  const sent = metrics.counter('smartstack_statsd_sent_total', 'Datagrams handed to the system for the StatsD server.')
  const dropped = metrics.counter(
    'smartstack_statsd_dropped_total',
    'Metrics that were not sent: too many at once (overflow), or the name of the server is not known (unresolved).',
    ['reason'],
  )
  const failures = metrics.counter(
    'smartstack_statsd_failures_total',
    'Failed sends, and failed look-ups of the name.',
    ['operation'],
  )
  const overflow = dropped.labels({ reason: 'overflow' })
  const unresolved = dropped.labels({ reason: 'unresolved' })
  const send = failures.labels({ operation: 'send' })
  const resolve = failures.labels({ operation: 'resolve' })
  for (const child of [overflow, unresolved, send, resolve]) child.inc(0)
  return { sent, dropped: { overflow, unresolved }, failures: { send, resolve } }
}
