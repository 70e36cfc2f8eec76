import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from './ports.ts'

/** Which way bytes travel, seen from the client that connected to the proxy. */
export type Direction = 'toServer' | 'toClient'

const BOTH: readonly Direction[] = ['toServer', 'toClient']

/** What happens to the bytes of one direction. `held` bytes arrive after resume(), `lost` ones never. */
type Flow = 'open' | 'held' | 'lost'

/** A TCP proxy on 127.0.0.1 whose network can be broken in the ways in which real ones break. */
export interface FaultProxy {
  readonly port: number
  /** As a connection string. */
  readonly hosts: string
  /** How many connections it has accepted since it started. */
  readonly accepted: number
  /** How many it holds now. */
  readonly open: number
  /** Bytes passed on since it started. */
  readonly forwarded: Readonly<Record<Direction, number>>
  /** New connections are refused; those that exist go on. */
  refuse(): void
  /** New connections are accepted and never answered, as by a frozen server. */
  swallow(): void
  /** Ends every connection now. */
  cut(): void
  /** Once: passes `bytes` more bytes of one direction, counted over all connections, and cuts the connection at the next byte. */
  cutAfter(direction: Direction, bytes: number): void
  /** Holds bytes back and hides the ends of connections, as a link that is down for a while. Default: both directions. */
  stall(direction?: Direction): void
  /** Throws bytes of one direction away. What lost bytes is cut at resume(): TCP never delivers a stream with a hole. */
  blackHole(direction: Direction): void
  /** Each piece of data arrives `ms` later, in order. 0 ends it. */
  delay(ms: number): void
  /** Ends every fault. Held bytes are delivered. */
  resume(): Promise<void>
  /** Ends everything; nothing stays behind. */
  close(): Promise<void>
}

/** Starts a proxy to a port of 127.0.0.1. */
export async function createFaultProxy(targetPort: number): Promise<FaultProxy> {
  const proxy = new LoopbackProxy(targetPort)
  await proxy.listen()
  return proxy
}

class LoopbackProxy implements FaultProxy {
  accepted = 0
  readonly forwarded = { toServer: 0, toClient: 0 }
  readonly flow: Record<Direction, Flow> = { toServer: 'open', toClient: 'open' }
  delayMs = 0
  readonly #targetPort: number
  readonly #links = new Set<Link>()
  #port = 0
  #server: Server | undefined
  #swallowing = false
  #cutAfter: { readonly direction: Direction; bytes: number } | undefined

  constructor(targetPort: number) {
    this.#targetPort = targetPort
  }

  get port(): number {
    return this.#port
  }

  get hosts(): string {
    return `127.0.0.1:${this.#port}`
  }

  get open(): number {
    return this.#links.size
  }

  async listen(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client))
    this.#server = server
    if (this.#port === 0) this.#port = await freePort() // of those that nobody else gets while new connections are refused
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
  }

  refuse(): void {
    this.#server?.close()
    this.#server = undefined
  }

  swallow(): void {
    this.#swallowing = true
  }

  cut(): void {
    for (const link of this.#links) link.destroy()
  }

  cutAfter(direction: Direction, bytes: number): void {
    this.#cutAfter = { direction, bytes }
  }

  stall(direction?: Direction): void {
    this.#setFlow(direction === undefined ? BOTH : [direction], 'held')
  }

  blackHole(direction: Direction): void {
    this.#setFlow([direction], 'lost')
  }

  delay(ms: number): void {
    this.delayMs = ms
  }

  async resume(): Promise<void> {
    this.#swallowing = false
    this.#cutAfter = undefined
    this.delayMs = 0
    for (const link of this.#links) if (link.damaged) link.destroy()
    this.#setFlow(BOTH, 'open')
    await this.listen()
  }

  async close(): Promise<void> {
    this.refuse()
    this.cut()
    await Promise.all([...this.#links].map((link) => link.closed))
  }

  /** How many bytes of a chunk may pass before the link is to be cut; undefined: all of them, and no cut. */
  allowance(direction: Direction, length: number): number | undefined {
    const fault = this.#cutAfter
    if (fault?.direction !== direction) return undefined
    if (length > fault.bytes) {
      this.#cutAfter = undefined
      return fault.bytes
    }
    fault.bytes -= length
    return undefined
  }

  #setFlow(directions: readonly Direction[], flow: Flow): void {
    for (const direction of directions) this.flow[direction] = flow
    for (const link of this.#links) link.pump()
  }

  #accept(client: Socket): void {
    this.accepted += 1
    const upstream = { port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true }
    const link = new Link(this, client, this.#swallowing ? undefined : connect(upstream))
    this.#links.add(link)
    void link.closed.then(() => this.#links.delete(link))
  }
}

/** One client's connection and the one made for it; without a server it is a connection that nobody answers. */
class Link {
  /** Resolves when both sockets are gone. */
  readonly closed: Promise<unknown>
  /** It can no longer be a faithful stream. */
  damaged: boolean
  readonly #sockets: readonly Socket[]
  readonly #pipes: readonly Pipe[]

  constructor(proxy: LoopbackProxy, client: Socket, server: Socket | undefined) {
    this.#sockets = server === undefined ? [client] : [client, server]
    this.damaged = server === undefined
    this.closed = Promise.all(
      this.#sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve).on('error', () => {}))),
    )
    this.#pipes =
      server === undefined
        ? []
        : [new Pipe(proxy, this, 'toServer', client, server), new Pipe(proxy, this, 'toClient', server, client)]
    if (server === undefined) client.resume().once('end', () => client.destroy())
  }

  pump(): void {
    for (const pipe of this.#pipes) pipe.pump()
  }

  destroy(): void {
    for (const pipe of this.#pipes) pipe.stop()
    for (const socket of this.#sockets) socket.destroy()
  }
}

type Item = { readonly due: number } & (
  | { readonly kind: 'data'; readonly chunk: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'reset' }
)

/** One direction of a link: a queue of what came in, delivered when it is due and the direction is open. */
class Pipe {
  readonly #proxy: LoopbackProxy
  readonly #link: Link
  readonly #direction: Direction
  readonly #to: Socket
  readonly #queue: Item[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(proxy: LoopbackProxy, link: Link, direction: Direction, from: Socket, to: Socket) {
    this.#proxy = proxy
    this.#link = link
    this.#direction = direction
    this.#to = to
    from.on('data', (chunk) => this.#push({ kind: 'data', chunk, due: this.#due() }))
    from.on('end', () => this.#push({ kind: 'end', due: this.#due() }))
    from.on('close', (failed) => this.#push({ kind: failed ? 'reset' : 'end', due: this.#due() }))
  }

  pump(): void {
    clearTimeout(this.#timer)
    while (this.#proxy.flow[this.#direction] !== 'held') {
      const [item] = this.#queue
      if (item === undefined) return
      const waitMs = item.due - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs))
        return
      }
      this.#queue.shift()
      this.#deliver(item)
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
  }

  #due(): number {
    return performance.now() + this.#proxy.delayMs
  }

  #push(item: Item): void {
    if (this.#proxy.flow[this.#direction] === 'lost') {
      this.#link.damaged = true
      return
    }
    this.#queue.push(item)
    this.pump()
  }

  #deliver(item: Item): void {
    if (item.kind === 'reset') this.#to.resetAndDestroy()
    else if (item.kind === 'end') this.#to.end()
    else this.#pass(item.chunk)
  }

  #pass(chunk: Buffer): void {
    const allowed = this.#proxy.allowance(this.#direction, chunk.length)
    const passed = allowed === undefined ? chunk : chunk.subarray(0, allowed)
    this.#proxy.forwarded[this.#direction] += passed.length
    if (allowed === undefined) this.#to.write(passed)
    else this.#to.end(passed, () => this.#link.destroy())
  }
}
