import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { TLSSocket } from 'node:tls'
import * as z from 'zod'
import { rejectOnAbort } from '../../core/clock.ts'
import { text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { type CheckContext, defineCheck, type Progress } from './check.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { codeName, decodeHealthResponse, encodeHealthRequest, HEALTH_PATH } from './grpc-health.ts'
import { formatAddress, prepareSocket, type SocketSource, tlsReason } from './socket.ts'
import { refineTls, tlsOptions } from './tls-options.ts'

/** Far more than an answer has. */
const MAX_BODY_BYTES = 64 * 1024
const HTTP_OK = 200

const options = () =>
  z
    .object({
      service: z.string().default('').describe('The service that is asked about. Default: the server as a whole'),
      ...tlsOptions(),
      unix_socket: text.optional().describe('Path of a unix socket to connect to instead of host and port'),
    })
    .superRefine(refineTls)

type GrpcOptions = z.output<ReturnType<typeof options>>

/**
 * Asks gRPC's own health service (grpc.health.v1.Health/Check) and passes when it says SERVING. A fresh connection each
 * time; the whole run has the check's `timeout`, which the server is told.
 */
export const grpc = defineCheck({
  type: 'grpc',
  description: 'Passes when the health service of a gRPC server says SERVING.',
  options,
  async prepare(context, settings) {
    const { connect } = await import('node:http2')
    const progress: Progress = { waitingFor: 'connection' }
    const { where, openSocket } = await prepareHttp2(context, settings, progress)
    const headers = requestHeaders(context, settings)
    const request = encodeHealthRequest(settings.service)
    return {
      waitingFor: () => progress.waitingFor,
      async run(signal) {
        const socket = await openSocket(signal)
        progress.waitingFor = `answer from ${where}`
        const session = connect('http://check.invalid', { createConnection: () => socket })
        const broken = once(session, 'close').then(() => {
          throw new Error(`${where} closed the connection`)
        })
        broken.catch(() => {}) // it comes after each run
        const close = () => {
          session.destroy()
          socket.destroy()
        }
        signal.addEventListener('abort', close, { once: true })
        try {
          const answer = exchange(session, headers, request)
          judge(await rejectOnAbort(Promise.race([answer, broken]), signal), settings.service, where)
        } catch (cause) {
          signal.throwIfAborted()
          throw cause instanceof Unhealthy ? cause : new Error(describeFailure(cause, where), { cause })
        } finally {
          signal.removeEventListener('abort', close)
          close()
        }
      },
    }
  },
})

/** A connection on which HTTP/2 can be spoken: with TLS the server must have agreed to it. */
async function prepareHttp2(context: CheckContext, settings: GrpcOptions, progress: Progress): Promise<SocketSource> {
  const onPhase = (waitingFor: string) => {
    progress.waitingFor = waitingFor
  }
  const { where, openSocket } = await prepareSocket(context, settings, { onPhase, ALPNProtocols: ['h2'] })
  return {
    where,
    async openSocket(signal) {
      const socket = await openSocket(signal)
      if (!(socket instanceof TLSSocket) || socket.alpnProtocol === 'h2') return socket
      socket.destroy()
      throw new Error(`${where} does not offer HTTP/2, which gRPC is made of`)
    },
  }
}

function requestHeaders(
  { target, timeoutMs }: CheckContext,
  { ssl, ssl_server_name }: GrpcOptions,
): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': HEALTH_PATH,
    ':scheme': ssl ? 'https' : 'http',
    ':authority': formatAddress({ ...target, host: ssl_server_name ?? target.host }),
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': `${Math.ceil(timeoutMs)}m`,
    'user-agent': 'nerve',
  }
}

/** An answer: the headers, with what came after the body put over them, and the body. */
interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function exchange(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  request: Uint8Array,
): Promise<Answer> {
  const failed = new Promise<never>((_, reject) => session.on('error', reject))
  const stream = session.request(headers)
  stream.end(request)
  return Promise.race([readAnswer(stream), failed])
}

async function readAnswer(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {}
  stream.on('response', (first) => {
    headers = { ...first, ...headers }
  })
  stream.on('trailers', (last) => {
    headers = { ...headers, ...last }
  })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) break
  }
  return { headers, body: Buffer.concat(chunks) }
}

/** The server answered, and its answer is no. */
class Unhealthy extends Error {}

/** @throws Unhealthy unless the answer is SERVING. */
function judge({ headers, body }: Answer, service: string, where: string): void {
  const subject = service === '' ? 'the server' : `service ${service}`
  const status = headers[':status']
  if (Number(status) !== HTTP_OK) throw new Unhealthy(`${where} answers with HTTP status ${status}: it is not gRPC`)
  const code = Number(headers['grpc-status'] ?? Number.NaN)
  if (Number.isNaN(code)) throw new Unhealthy(`${where} answers without a grpc-status: it is not gRPC`)
  if (code !== 0) throw new Unhealthy(refusal(code, String(headers['grpc-message'] ?? ''), subject))
  const serving = decode(body, where)
  if (serving !== 'SERVING') throw new Unhealthy(`${subject} is ${serving}`)
}

function refusal(code: number, message: string, subject: string): string {
  const said = message === '' ? '' : `: ${oneLine(decodeMessage(message), 200)}`
  switch (codeName(code)) {
    case 'NOT_FOUND':
      return `${subject} is not known to the health service (NOT_FOUND)${said}`
    case 'UNIMPLEMENTED':
      return `the server has no health service (UNIMPLEMENTED)${said}`
    default:
      return `the health service says ${codeName(code)}${said}`
  }
}

/** gRPC encodes signs in messages as URLs do; a message that it does not is shown as it is. */
function decodeMessage(message: string): string {
  return /%(?![0-9a-f]{2})/i.test(message) ? message : Buffer.from(unescape(message), 'latin1').toString()
}

function decode(body: Buffer, where: string): string {
  try {
    return decodeHealthResponse(body)
  } catch (cause) {
    throw new Unhealthy(`the answer of ${where} is not one of the health service: ${messageOf(cause)}`, { cause })
  }
}

function describeFailure(error: unknown, where: string): string {
  const code = codeOf(error)
  const message = oneLine(messageOf(error), 200)
  if (code === 'ERR_HTTP2_ERROR') return `${where} does not speak HTTP/2, which gRPC is made of: ${message}`
  if (code.startsWith('ERR_HTTP2_')) return `${where} ended the call: ${message}`
  // A server of TLS 1.3 refuses the client's certificate only after the handshake.
  if (code.startsWith('ERR_SSL_')) return `TLS with ${where} failed: ${tlsReason(error)}`
  return code === '' ? message : explain(error, where)
}
