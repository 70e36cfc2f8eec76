import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AdminAnswer, type AdminRoute, matchRoute, text, whyRefused } from './admin-routes.ts'
import { messageOf, SmartStackError } from './errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import { renderStatusPage, type StatusPage } from './status-page.ts'
import type { Task } from './tasks.ts'

/** Whether a daemon is ready, and if not, each reason as a sentence. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reasons: readonly string[] }

export interface AdminOptions {
  /** Address to listen on; empty for all. Better on loopback: the state names hosts and paths. */
  readonly host: string
  /** 0 picks a free port; the log names it. */
  readonly port: number
  readonly log: Logger
  readonly metrics: Metrics
  readonly readiness: () => Readiness
  /** What the daemon knows, as JSON. Never holds a secret. */
  readonly state: () => unknown
  /** The same for people. */
  readonly page: () => StatusPage
  /** What the daemon answers beside. Default: nothing. */
  readonly routes?: (() => readonly AdminRoute[]) | undefined
  /**
   * Lets other machines use routes that change something: `Authorization: Bearer TOKEN`. Asked at each request, so an edit
   * may change it. Default: nobody but this one.
   */
  readonly token?: (() => string | undefined) | undefined
  /** What the configuration calls our keys, where it is in another dialect. Default: as we do. */
  readonly keyNames?: Readonly<Record<string, string>> | undefined
}

/**
 * The admin server: `/livez`, `/readyz`, `/metrics`, `/state`, a status page at `/`, and the daemon's own routes.
 * @throws SmartStackError ADMIN_LISTEN from its task when the address cannot be listened on.
 */
export function createAdminTask(options: AdminOptions): Task {
  return { name: 'admin server', run: (signal) => serve(options, signal) }
}

async function serve(options: AdminOptions, signal: AbortSignal): Promise<void> {
  const { host, port, log } = options
  const server = createServer((request, response) => {
    answer(options, request).then(
      (result) => send(response, request, result),
      (error: unknown) => {
        log.error('admin request failed', { url: request.url, error: messageOf(error) })
        send(response, request, text(500, 'internal error; see the log\n'))
      },
    )
  })
  server.listen(port, host)
  try {
    await once(server, 'listening', { signal })
  } catch (cause) {
    if (signal.aborted) return
    const what = `cannot listen on ${host}:${port}: ${messageOf(cause)}`
    throw new SmartStackError('ADMIN_LISTEN', `${what}; ${remedyOf(cause, options)}`, { cause })
  }
  log.info('admin server listens', { address: addressOf(server.address()) })
  if (!signal.aborted) await once(signal, 'abort')
  server.close()
  server.closeAllConnections()
}

/** In the words of the file that has to be mended. */
function remedyOf(cause: unknown, { keyNames }: AdminOptions): string {
  const { 'admin.host': host = 'admin.host', 'admin.port': port = 'admin.port' } = keyNames ?? {}
  const orNone = keyNames === undefined ? ', or admin: false' : '' // no other dialect can do without
  const isTaken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
  return isTaken ? `is another daemon on this port? Set ${port}${orNone}` : `look at ${host} and ${port}`
}

async function answer(options: AdminOptions, request: IncomingMessage): Promise<AdminAnswer> {
  const [path = '/', query] = (request.url ?? '/').split('?')
  const method = request.method ?? 'GET'
  const match = matchRoute(options.routes?.() ?? [], method, path)
  if (match.kind === 'found') {
    const { route, parameters } = match
    const { headers, socket } = request
    const caller = { method, address: socket.remoteAddress, headers }
    const refused = route.changes ? whyRefused(caller, tokenTest(options.token?.())) : undefined
    if (refused !== undefined) return text(403, `${refused}\n`)
    const body = route.changes ? await readBody(request) : ''
    if (body === undefined) return text(413, `at most ${MAX_BODY} bytes\n`)
    return route.answer({ parameters, query: new URLSearchParams(query), body })
  }
  if (match.kind === 'other-method') return text(405, `only ${match.allowed.join(' and ')} here\n`)
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET here\n')
  return builtIn(options, path)
}

const MAX_BODY = 64 * 1024

/** What a request brings; undefined when that is too much. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= MAX_BODY) chunks.push(chunk)
  }
  return length <= MAX_BODY ? Buffer.concat(chunks).toString('utf8') : undefined
}

async function builtIn(options: AdminOptions, path: string): Promise<AdminAnswer> {
  switch (path) {
    case '/livez':
      return text(200, 'ok\n')
    case '/readyz': {
      const readiness = options.readiness()
      return readiness.ready ? text(200, 'ok\n') : text(503, `${readiness.reasons.join('\n')}\n`)
    }
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await options.metrics.text() }
    case '/state':
      return { status: 200, type: 'application/json', body: `${JSON.stringify(options.state(), null, 2)}\n` }
    case '/':
      return { status: 200, type: 'text/html; charset=utf-8', body: renderStatusPage(options.page()) }
    default:
      return text(404, `known are ${[...BUILT_IN, ...(options.routes?.() ?? []).map(({ path }) => path)].join(', ')}\n`)
  }
}

const BUILT_IN = ['/', '/livez', '/readyz', '/metrics', '/state']

/** Compares digests, so that the time it takes tells nothing of the token. */
function tokenTest(token: string | undefined): ((given: string) => boolean) | undefined {
  if (token === undefined) return undefined
  const digest = (word: string) => createHash('sha256').update(word).digest()
  return (given) => timingSafeEqual(digest(given), digest(token))
}

function send(response: ServerResponse, request: IncomingMessage, { status, type, body }: AdminAnswer): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function addressOf(address: ReturnType<ReturnType<typeof createServer>['address']>): string {
  return address === null || typeof address === 'string'
    ? String(address)
    : `http://${address.address}:${address.port}/`
}
