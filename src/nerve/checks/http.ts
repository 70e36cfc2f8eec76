import type { Dispatcher } from 'undici'
import * as z from 'zod'
import { systemClock } from '../../core/clock.ts'
import { positiveDurationMs, text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { runUnder } from '../../core/time-limit.ts'
import { type CheckContext, defineCheck, type Progress } from './check.ts'
import { createLimit } from './deadline.ts'
import { destroyConnection, exchange, type HttpConnection, HttpProgress, prepareHttp } from './http-connection.ts'
import { parseBody, parseStatuses, unexpected } from './http-expectation.ts'
import { createKept } from './kept.ts'
import { createConnector, formatAddress, startTls } from './socket.ts'
import { prepareTls, refineTls, tlsOptions } from './tls-options.ts'

/** Headers that describe the connection, which is the check's own affair. */
const HOP_BY_HOP = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
const DEFAULT_STATUSES = '200-399'

const headerName = () =>
  z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'not a header name')
    .refine((name) => !HOP_BY_HOP.includes(name.toLowerCase()), 'this header is managed by the check itself')
const headerValue = () =>
  z
    .union([
      z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'line breaks and control characters are not allowed'),
      z.number(),
      z.boolean(),
    ])
    .transform(String)

const statuses = () =>
  z
    .union([z.int(), z.string(), z.array(z.union([z.int(), z.string()])).min(1)])
    .default(DEFAULT_STATUSES)
    .transform((value, context) => attempt(() => parseStatuses(value), context))
const bodyPattern = () => z.string().transform((value, context) => attempt(() => parseBody(value), context))

/** Lets zod report what a parser throws at the place of the value. */
function attempt<T>(parse: () => T, context: z.RefinementCtx): T {
  try {
    return parse()
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
    return z.NEVER
  }
}

const options = () =>
  z
    .object({
      uri: z
        .string()
        .regex(/^[\x21-\x7e]+$/, 'expected a path like /health, without blanks')
        .transform((uri) => (uri.startsWith('/') ? uri : `/${uri}`))
        .describe('Path and query that are asked for'),
      method: z.enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']).default('GET'),
      headers: z
        .record(headerName(), headerValue())
        .default({})
        .describe('Sent with the request. Host is host:port unless given here'),
      expect: z.string().optional().describe('Text that the body must contain'),
      expect_body: bodyPattern()
        .optional()
        .describe('Text that the body must contain, or /pattern/flags that it must match'),
      expect_status: statuses().describe('A status, a range like "200-299", or a list of them. Default: 200-399'),
      read_timeout: positiveDurationMs
        .optional()
        .describe("Longest time from the request to the end of the answer. Default: the check's timeout"),
      open_timeout: positiveDurationMs.prefault(0.2).describe('Longest time until the connection is there'),
      ssl_timeout: positiveDurationMs.prefault(0.2).describe('Longest time of the TLS handshake'),
      ...tlsOptions(),
      unix_socket: text.optional().describe('Path of a unix socket to connect to instead of host and port'),
      keep_alive: z
        .boolean()
        .default(false)
        .describe('Keep one connection for all runs instead of a fresh one for each'),
    })
    .superRefine(refineTls)

type HttpOptions = z.output<ReturnType<typeof options>>

/** Opens connections. */
interface Opener {
  readonly where: string
  open(signal: AbortSignal): Promise<HttpConnection>
}

/**
 * Asks once and judges status and body. Options and defaults are Airbnb's (reference airbnb.md 2.5), without its hidden
 * retry and proxy variables: redirects are not followed, and a status of 200 to 399 passes. The body is asked for
 * uncompressed (`accept-encoding: identity`) and the first MiB of it is read, also when nothing is expected of it.
 *
 * Each phase has its own deadline; the whole run has their sum: open_timeout + ssl_timeout (with ssl) + read_timeout.
 */
export const http = defineCheck({
  type: 'http',
  description: 'Passes when an HTTP request is answered with an expected status and body.',
  options,
  async prepare(context, settings) {
    const { clock = systemClock, timeoutMs } = context
    const { open_timeout: openMs, ssl_timeout: tlsMs, read_timeout: readMs = timeoutMs } = settings
    const progress = new HttpProgress()
    const opener = await prepareOpener(context, settings, progress)
    const connections = createKept<HttpConnection>({
      keep: settings.keep_alive,
      open: (signal) => opener.open(signal),
      isOpen: ({ socket }) => socket.readable && socket.writable,
      end: destroyConnection,
      destroy: destroyConnection,
    })
    const request = requestOptions(context, settings)
    const { expect, expect_body, expect_status } = settings
    // An abort ends the connection, which ends the reading.
    const reading = createLimit(clock, readMs, () => progress.waitingFor)
    const expectation = { statuses: expect_status, body: [expect, expect_body].filter((each) => each !== undefined) }
    return {
      deadlineMs: openMs + (settings.ssl ? tlsMs : 0) + readMs,
      waitingFor: () => progress.waitingFor,
      run: (signal) =>
        connections.use(signal, async (connection) => {
          const answer = await reading.run(() => exchange(connection, request, opener.where, progress))
          const reason = unexpected(answer, expectation)
          if (reason !== undefined) throw new Error(reason)
        }),
      close: () => connections.close(),
    }
  },
})

async function prepareOpener(context: CheckContext, settings: HttpOptions, progress: Progress): Promise<Opener> {
  const connect = await prepareHttp()
  const { clock = systemClock, target } = context
  const { open_timeout: openMs, ssl_timeout: tlsMs, unix_socket: unixSocket } = settings
  const tls = await prepareTls(settings, target)
  const connector = createConnector({ target, unixSocket, timeoutMs: openMs })
  const { where } = connector

  const phase = (ms: number, waitingFor: string) => {
    const limit = createLimit(clock, ms, () => waitingFor)
    return <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => {
      progress.waitingFor = waitingFor
      return runUnder(signal, limit, work)
    }
  }
  const connecting = phase(openMs, `connection to ${where}`)
  const securing = phase(tlsMs, `TLS with ${where}`)
  return {
    where,
    async open(signal) {
      const secure = await tls?.connectionOptions()
      let socket = await connecting(signal, (inner) => connector.open(inner))
      if (tls !== undefined) {
        const plain = socket
        const securely = { ...secure, ALPNProtocols: ['http/1.1'] }
        socket = await securing(signal, (inner) =>
          startTls(plain, securely, { where, serverName: tls.serverName }, inner),
        )
      }
      return connect(socket)
    },
  }
}

function requestOptions({ target }: CheckContext, settings: HttpOptions): Dispatcher.RequestOptions {
  const own = Object.entries(settings.headers).map(([name, value]) => [name.toLowerCase(), value])
  return {
    method: settings.method,
    path: settings.uri,
    headers: {
      host: formatAddress(target),
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': 'nerve',
      ...Object.fromEntries(own),
    },
    reset: !settings.keep_alive,
  }
}
