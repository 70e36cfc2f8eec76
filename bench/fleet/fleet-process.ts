// Many small web servers in one process: the instances behind HAProxy. Each is a loopback address of its own on one port.
import { createServer, type Server, type Socket } from 'node:net'
import { serve } from '../remote.ts'
import { now } from '../time.ts'

/** What an instance saw. Times are those of `now()`. */
export interface InstanceCounts {
  /** Without health checks. */
  readonly requests: number
  readonly firstAt: number
  readonly lastAt: number
}

interface Instance {
  readonly server: Server
  readonly sockets: Set<Socket>
  healthy: boolean
  requests: number
  firstAt: number
  lastAt: number
}

const instances = new Map<string, Instance>()
let delayMs = 0

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n'
const SICK = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nsick\n'
const END = '\r\n\r\n'

function open(host: string, port: number): Promise<void> {
  const server = createServer({ noDelay: true })
  const known = instances.get(host)
  const instance: Instance = {
    healthy: true,
    requests: known?.requests ?? 0,
    firstAt: 0,
    lastAt: 0,
    server,
    sockets: new Set(),
  }
  server.on('connection', (socket) => accept(instance, socket))
  instances.set(host, instance)
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen({ port, host, backlog: 1024 }, resolve)
  })
}

function accept(instance: Instance, socket: Socket): void {
  instance.sockets.add(socket)
  socket.setEncoding('latin1')
  let text = ''
  socket.on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf(END); end !== -1; end = text.indexOf(END)) {
      answer(instance, socket, text.slice(0, end))
      text = text.slice(end + END.length)
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => instance.sockets.delete(socket))
}

function answer(instance: Instance, socket: Socket, head: string): void {
  if (head.startsWith('GET /health ')) {
    socket.write(instance.healthy ? OK : SICK)
    return
  }
  instance.requests += 1
  instance.lastAt = now()
  if (instance.firstAt === 0) instance.firstAt = instance.lastAt
  if (delayMs === 0) socket.write(OK)
  else setTimeout(() => socket.writable && socket.write(OK), delayMs)
}

const handlers = {
  /** Starts instances at these addresses. */
  async open({ hosts, port }: { hosts: readonly string[]; port: number }) {
    await Promise.all(hosts.map((host) => open(host, port)))
  },
  /** Ends instances as SIGKILL ends a process: connections are reset, nobody listens. */
  kill(hosts: readonly string[]) {
    for (const host of hosts) {
      const instance = instances.get(host)
      instance?.server.close()
      for (const socket of instance?.sockets ?? []) socket.resetAndDestroy()
    }
  },
  /** Every answer takes so long, ms. */
  delay(ms: number) {
    delayMs = ms
  },
  health({ host, healthy }: { host: string; healthy: boolean }) {
    const instance = instances.get(host)
    if (instance !== undefined) instance.healthy = healthy
  },
  counts(hosts: readonly string[]): InstanceCounts[] {
    return hosts.map((host) => {
      const { requests = 0, firstAt = 0, lastAt = 0 } = instances.get(host) ?? {}
      return { requests, firstAt, lastAt }
    })
  },
}

export type FleetHandlers = typeof handlers

serve(handlers)
