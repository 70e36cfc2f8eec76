import type { Socket } from 'node:net'
import type { buildConnector, Client, Dispatcher } from 'undici'
import { messageOf } from '../../core/errors.ts'
import type { Progress } from './check.ts'
import { codeOf, explain, isConnectionLost } from './failure.ts'
import type { HttpAnswer } from './http-expectation.ts'

/** Progress of a check over HTTP. Put into words only when it is asked for: there is a note for each piece of an answer. */
export class HttpProgress implements Progress {
  #phase: string
  /** 0: no answer has begun. */
  #status = 0
  #bytes = 0

  constructor(phase = 'connection') {
    this.#phase = phase
  }

  /** Setting it begins a phase in which nothing has come yet. */
  get waitingFor(): string {
    return this.#status === 0 ? this.#phase : `end of the ${this.#phase} (so far: ${this.come})`
  }

  set waitingFor(phase: string) {
    this.#phase = phase
    this.#status = 0
    this.#bytes = 0
  }

  /** So much of the answer has come; undefined: nothing. */
  get come(): string | undefined {
    return this.#status === 0 ? undefined : `status ${this.#status}, ${this.#bytes} bytes of the body`
  }

  note(status: number, bytes: number): void {
    this.#status = status
    this.#bytes = bytes
  }
}

/** So much of a body is read and searched; the rest is not waited for. */
const MAX_BODY_BYTES = 1024 * 1024

/** One HTTP/1.1 connection: a socket of ours, lent to undici for requests. */
export interface HttpConnection {
  readonly socket: Socket
  readonly client: Client
}

/**
 * How long undici keeps an idle connection, ms; its own few seconds would end a kept one between two runs. One that the
 * server closes meanwhile is noticed all the same.
 */
const KEEP_ALIVE_MS = 24 * 60 * 60 * 1000

/** A formality: the socket is lent, and the Host header is ours. */
const ORIGIN = new URL('http://check.invalid')

/** Loads undici's client. The result makes a connection of a connected socket. */
export async function prepareHttp(): Promise<(socket: Socket) => HttpConnection> {
  // All of undici, with fetch, WebSockets, caches and mocks, would take nerve another 15 MB.
  const { default: Client } = await import('undici/lib/dispatcher/client.js')
  return (socket) => {
    // Not put together of others: V8 makes a hidden class of each such object, with which nothing that reads it is fast.
    const client = new Client(ORIGIN, {
      headersTimeout: 0, // undici's timers are off, being coarse
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      connect: lend(socket),
    })
    return { socket, client }
  }
}

/** A connector for undici that gives it `socket`, once: when that is closed the connection has ended. */
function lend(socket: Socket): buildConnector.connector {
  let lent = false
  return (_options, callback) => {
    const isFirst = !lent
    lent = true
    // undici does not expect the answer before its call has returned.
    queueMicrotask(() => (isFirst ? callback(null, socket) : callback(new ConnectionClosed(), null)))
  }
}

class ConnectionClosed extends Error {
  readonly code = 'UND_ERR_CLOSED'
}

/** undici would make one with a stack for each connection. */
const DESTROYED = new Error('the connection was closed by the check')

/** Closes at once. Harmless when it has ended. */
export function destroyConnection({ client, socket }: HttpConnection): void {
  socket.destroy()
  client.destroy(DESTROYED, () => {})
}

/** Sends the request and reads the answer, of its body at most MAX_BODY_BYTES: an endless one ends the connection there. */
export async function exchange(
  { client }: HttpConnection,
  request: Dispatcher.RequestOptions,
  where: string,
  progress: HttpProgress,
): Promise<HttpAnswer> {
  progress.waitingFor = `answer from ${where}`
  try {
    return await read(client, request, progress)
  } catch (cause) {
    const { come } = progress
    // Only a connection that was lost before anything came may be one that the server had closed while it was kept.
    if (come !== undefined && (isConnectionLost(cause) || codeOf(cause) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')) {
      throw new Error(`${where} closed the connection in the middle of its answer (${come})`)
    }
    throw new Error(describeHttpFailure(cause, where), { cause })
  }
}

/** undici's lowest level: its `request` would make a stream of each body, which costs more than all the rest. */
function read(client: Client, request: Dispatcher.RequestOptions, progress: HttpProgress): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let status = 0
    let encoding: string | undefined
    const end = () => resolve({ status, body: Buffer.concat(chunks).toString(), encoding })
    client.dispatch(request, {
      onRequestStart() {}, // without it undici takes this for a handler of its earlier versions
      onResponseStart(_controller, statusCode, headers) {
        if (statusCode < 200) return // informational; the answer follows
        status = statusCode
        encoding = headers['content-encoding']?.toString()
        progress.note(status, bytes)
      },
      onResponseData(controller, chunk) {
        chunks.push(chunk)
        bytes += chunk.length
        progress.note(status, bytes)
        if (bytes < MAX_BODY_BYTES) return
        end()
        controller.abort(new Error('enough of the body was read'))
      },
      onResponseEnd: end,
      onResponseError: (_controller, error) => reject(error),
    })
  })
}

/** Asks a proxy for a tunnel to `path` (`host:port`). Resolves with its status; the socket has left undici then. */
export function requestTunnel(
  { client }: HttpConnection,
  request: Pick<Dispatcher.RequestOptions, 'path' | 'headers'>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    client.dispatch(
      { ...request, method: 'CONNECT' },
      {
        onRequestStart() {},
        onRequestUpgrade: (_controller, status) => resolve(status),
        onResponseError: (_controller, error) => reject(error),
      },
    )
  })
}

/** Says in an operator's words why a request failed. */
export function describeHttpFailure(error: unknown, where: string): string {
  if (error instanceof Error && error.name === 'HTTPParserError')
    return `the answer of ${where} is not HTTP: ${messageOf(error)}`
  if (codeOf(error) === 'UND_ERR_SOCKET') return `${where} closed the connection without an answer`
  return explain(error, where)
}
