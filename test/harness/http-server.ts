import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Certificates, Pair } from './certificates.ts'

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A whole answer. */
export const answer =
  (status: number, body = '', headers: Readonly<Record<string, string>> = {}): Answer =>
  (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

/** Takes the request and never answers. */
export const never: Answer = () => {}

/** Sends the headers and the start of a body at once, and a byte more every `everyMs`, for ever. */
export const slowBody =
  (start: string, everyMs = 10): Answer =>
  (_request, response) => {
    response.writeHead(200)
    response.write(start)
    const timer = setInterval(() => response.write('.'), everyMs)
    response.on('close', () => clearInterval(timer))
  }

/** Sends `chunk` again and again, as fast as the client reads. */
export const endlessBody =
  (chunk: string): Answer =>
  (_request, response) => {
    response.writeHead(200)
    const send = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', send)
    send()
  }

/** Announces more than it sends, then closes. */
export const truncated =
  (body: string): Answer =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': `${body.length + 100}` })
    response.write(body, () => response.socket?.end())
  }

/** Closes without a word. */
export const hangUpOnRequest: Answer = (_request, response) => {
  response.socket?.end()
}

/** A request as the server saw it. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

export interface HttpServerOptions {
  /** Talks TLS with this certificate. */
  readonly tls?: Pair
  /** Asks for a certificate of these authorities and refuses clients without one. */
  readonly clientsOf?: Certificates
  /** Listens here instead of on a port. */
  readonly socketPath?: string
  /** Default 127.0.0.1. */
  readonly host?: string
}

/** A real HTTP server whose answers a test scripts. */
export interface HttpServer {
  readonly port: number
  /** The first thousand. */
  readonly requests: readonly SeenRequest[]
  /** Connections accepted so far. */
  readonly accepted: number
  /** Connections that are open now. */
  readonly open: number
  /** What the next requests get. */
  answer: Answer
  /** Ends all connections, as a restart of the service does. */
  dropConnections(): void
  close(): Promise<void>
}

export async function startHttpServer(first: Answer, options: HttpServerOptions = {}): Promise<HttpServer> {
  const server = create(options)
  const requests: SeenRequest[] = []
  const sockets = new Set<Socket>()
  const result = {
    port: 0,
    requests,
    accepted: 0,
    answer: first,
    get open() {
      return sockets.size
    },
    dropConnections() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
  server.on('connection', (socket: Socket) => {
    result.accepted += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (requests.length < 1_000)
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    result.answer(request, response)
  })
  server.listen(
    options.socketPath === undefined ? { port: 0, host: options.host ?? '127.0.0.1' } : { path: options.socketPath },
  )
  await once(server, 'listening')
  if (options.socketPath === undefined) result.port = (server.address() as AddressInfo).port
  return result
}

function create({ tls, clientsOf }: HttpServerOptions): Server {
  if (tls === undefined) return createServer()
  const own = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) }
  const clients = clientsOf === undefined ? {} : { ca: readFileSync(clientsOf.ca), requestCert: true }
  return createTlsServer({ ...own, ...clients, rejectUnauthorized: clientsOf !== undefined })
}
