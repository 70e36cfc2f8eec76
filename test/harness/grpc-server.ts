import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Certificates, Pair } from './certificates.ts'

/** What a gRPC server says: the bytes of the message, if any, and the status after it. */
export interface GrpcReply {
  readonly body?: string
  readonly status?: number
  readonly message?: string
}

/** Answers of the health service, as grpc-go, grpc-java and grpc-node send them, in hex. */
export const serving: GrpcReply = { body: '00000000020801' }
export const notServing: GrpcReply = { body: '00000000020802' }
export const unknownService: GrpcReply = { status: 5, message: 'unknown service' }

export interface GrpcServerOptions {
  readonly tls?: Pair
  /** Asks for a certificate of these authorities and refuses clients without one. */
  readonly clientsOf?: Certificates
  readonly socketPath?: string
}

/** A call as the server saw it. */
export interface SeenCall {
  readonly headers: IncomingHttpHeaders
  /** In hex. */
  readonly body: string
}

/** A gRPC server whose answers a test scripts; `never` takes the call and says nothing. */
export interface GrpcServer {
  readonly port: number
  /** The first hundred. */
  readonly calls: readonly SeenCall[]
  /** Connections that are open now. */
  readonly open: number
  reply: GrpcReply | 'never' | ((stream: ServerHttp2Stream) => void)
  close(): Promise<void>
}

export async function startGrpcServer(options: GrpcServerOptions = {}): Promise<GrpcServer> {
  const server = create(options)
  const sessions = new Set<ServerHttp2Session>()
  const calls: SeenCall[] = []
  const result: GrpcServer & { port: number } = {
    port: 0,
    calls,
    get open() {
      return sessions.size
    },
    reply: serving,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const session of sessions) session.destroy()
      await closed
    },
  }
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      if (calls.length < 100) calls.push({ headers, body: Buffer.concat(chunks).toString('hex') })
      const { reply } = result
      if (typeof reply === 'function') reply(stream)
      else if (reply !== 'never') answer(stream, reply)
    })
  })
  const { socketPath: path } = options
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path })
  await once(server, 'listening')
  if (path === undefined) result.port = (server.address() as AddressInfo).port
  return result
}

function answer(stream: ServerHttp2Stream, { body, status = 0, message = '' }: GrpcReply): void {
  const trailers = { 'grpc-status': `${status}`, ...(message && { 'grpc-message': message }) }
  const headers = { ':status': 200, 'content-type': 'application/grpc' }
  // An answer without a message has its status among the headers.
  if (body === undefined) {
    stream.respond({ ...headers, ...trailers }, { endStream: true })
    return
  }
  stream.respond(headers, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(Buffer.from(body, 'hex'))
}

function create({ tls, clientsOf }: GrpcServerOptions): Http2Server {
  if (tls === undefined) return createServer()
  const own = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) }
  const clients = clientsOf === undefined ? {} : { ca: readFileSync(clientsOf.ca), requestCert: true }
  return createSecureServer({ ...own, ...clients, rejectUnauthorized: clientsOf !== undefined })
}
