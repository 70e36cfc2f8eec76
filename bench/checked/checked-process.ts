// Many services in one process, for nerve to check: each is a loopback address of its own on one port. It writes down
// when checks arrive, so that how punctual nerve is needs no word of nerve's own.
import { createServer, type Socket } from 'node:net'
import { serve } from '../remote.ts'
import { now } from '../time.ts'

/** What counts as the arrival of a check: a connection (tcp), or a request (http, also on a kept connection). */
export type ArrivalKind = 'connection' | 'request'

/** Arrivals are those of `now()`, of each service in the order in which the services were opened. */
export interface Arrivals {
  readonly services: readonly (readonly number[])[]
  /** The longest time this process did not get the processor, ms: arrivals look late by so much. */
  readonly stallMs: number
}

const TICK_MS = 5
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n'
const END = '\r\n\r\n'

let services: number[][] = []
let counted: ArrivalKind = 'request'
let tickedAt = now()
let stallMs = 0

setInterval(() => {
  stallMs = Math.max(stallMs, now() - tickedAt - TICK_MS)
  tickedAt = now()
}, TICK_MS)

function open(host: string, port: number, index: number): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => accept(socket, index))
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen({ port, host, backlog: 1024 }, resolve)
  })
}

function accept(socket: Socket, index: number): void {
  if (counted === 'connection') services[index]?.push(now())
  let text = ''
  socket.setEncoding('latin1').on('error', () => {}) // a check may end as it likes
  socket.on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf(END); end !== -1; end = text.indexOf(END)) {
      if (counted === 'request') services[index]?.push(now())
      socket.write(OK)
      text = text.slice(end + END.length)
    }
  })
}

const handlers = {
  async open({ hosts, port }: { hosts: readonly string[]; port: number }) {
    services = hosts.map(() => [])
    await Promise.all(hosts.map((host, index) => open(host, port, index)))
  },
  /** Forgets what has arrived. */
  count(kind: ArrivalKind) {
    counted = kind
    services = services.map(() => [])
    stallMs = 0
  },
  arrivals: (): Arrivals => ({ services, stallMs }),
}

export type CheckedHandlers = typeof handlers

serve(handlers)
