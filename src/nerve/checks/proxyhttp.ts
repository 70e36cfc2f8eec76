import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { type CheckContext, defineCheck, type Progress } from './check.ts'
import {
  describeHttpFailure,
  destroyConnection,
  exchange,
  type HttpConnection,
  HttpProgress,
  prepareHttp,
  requestTunnel,
} from './http-connection.ts'
import { parseStatuses, unexpected } from './http-expectation.ts'
import { passwordOptions, preparePassword, refinePassword } from './secret.ts'
import { createConnector, formatAddress, startTls } from './socket.ts'
import { createTls, refineTls, type TlsSettings, tlsOptions } from './tls-options.ts'

/** Every status but an error of a server: who asks wants to know whether there is a way, not what is at its end. */
const REACHED = parseStatuses('100-499')
const PROXY_AUTHENTICATION_REQUIRED = 407

const URL_EXPECTED = 'expected an http or https URL'
const url = () =>
  z
    .string()
    .transform((address) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`))
    .refine((address) => URL.canParse(address) && /^https?:$/.test(new URL(address).protocol), URL_EXPECTED)

const options = () => {
  const { ssl_verify, ssl_ca_file } = tlsOptions()
  return z
    .object({
      urls: z
        .array(url())
        .min(1)
        .describe('What is asked for through the proxy, all at once; http:// unless they say so'),
      username: text.optional().describe('The account at the proxy. Default: none'),
      ...passwordOptions(),
      fail_on_any_unreachable: z
        .boolean()
        .default(false)
        .describe('Fail when one of the URLs cannot be reached. Default: when none can'),
      ssl_verify: ssl_verify.describe(
        'Whether the certificates of https URLs must be valid. Default: only if ssl_ca_file is given',
      ),
      ssl_ca_file,
    })
    .superRefine((settings, context) => refineTls({ ssl: true, ...settings }, context))
    .superRefine(refinePassword)
    .superRefine(({ username, password, password_file }, context) => {
      const key = password === undefined ? 'password_file' : 'password'
      if (username === undefined && (password ?? password_file) !== undefined)
        context.addIssue({ code: 'custom', path: [key], message: 'needs username' })
    })
}

type ProxyhttpOptions = z.output<ReturnType<typeof options>>

/**
 * Fetches URLs through an HTTP proxy, which is what host and port are (reference blablacar-yelp.md 1.5): https ones
 * through a tunnel. A URL is reached when it is answered with anything but a status of 500 or more; redirects are not
 * followed. Unlike BlaBlaCar's nerve it fails on 407, which is the proxy that does not let the check in. The whole run
 * has the check's `timeout`.
 */
export const proxyhttp = defineCheck({
  type: 'proxyhttp',
  description: 'Passes when URLs can be reached through an HTTP proxy.',
  options,
  async prepare(context, settings) {
    const fetches = await prepareFetches(context, settings)
    return {
      waitingFor: () => describeOpen(fetches),
      async run(signal) {
        const all = new AbortController()
        const stop = () => all.abort(signal.reason)
        signal.addEventListener('abort', stop, { once: true })
        try {
          const answers = fetches.map((fetch) => fetch.run(all.signal))
          await (settings.fail_on_any_unreachable ? Promise.all(answers) : Promise.any(answers))
        } catch (error) {
          signal.throwIfAborted()
          throw error instanceof AggregateError ? new Error(summary(error.errors)) : error
        } finally {
          signal.removeEventListener('abort', stop)
          all.abort() // the verdict is there: whatever is still open is not waited for
        }
      },
    }
  },
})

/** What a fetch waits for (nothing: ''), or why it failed. */
class FetchState extends HttpProgress {
  failure: string | undefined
}

/** One URL. */
interface Fetch {
  /** The URL without what may be secret. */
  readonly shown: string
  readonly state: FetchState
  /** @throws Error with the URL and why it cannot be reached. */
  run(signal: AbortSignal): Promise<void>
}

/** What has not come yet, and in brackets what has failed. */
function describeOpen(fetches: readonly Fetch[]): string {
  const open = fetches.flatMap(({ shown, state }) => (isOpen(state) ? `${state.waitingFor} for ${shown}` : []))
  const failures = fetches.flatMap(({ state }) => state.failure ?? [])
  return `${open.join(', ')}${failures.length === 0 ? '' : ` (${failures.join('; ')})`}`
}

const isOpen = ({ waitingFor, failure }: FetchState) => failure === undefined && waitingFor !== ''

/** What went wrong, once each: a proxy that is down fails every URL for the same reason. */
function summary(errors: readonly unknown[]): string {
  return [...new Set(errors.map(messageOf))].join('; ')
}

async function prepareFetches(context: CheckContext, settings: ProxyhttpOptions): Promise<readonly Fetch[]> {
  const open = await prepareTunnels(context, settings)
  return settings.urls.map((address) => {
    const target = new URL(address)
    const shown = `${target.origin}${target.pathname}`
    const state = new FetchState('')
    return {
      shown,
      state,
      async run(signal) {
        state.failure = undefined
        let connection: HttpConnection | undefined
        const close = () => connection && destroyConnection(connection)
        signal.addEventListener('abort', close, { once: true })
        try {
          const route = await open(target, signal, state)
          connection = route.connection
          signal.throwIfAborted()
          const answer = await exchange(connection, requestOf(target, route), route.where, state)
          const reason = wrongAnswer(answer.status) ?? unexpected(answer, { statuses: REACHED, body: [] })
          if (reason !== undefined) throw new Error(reason)
          state.waitingFor = ''
        } catch (cause) {
          signal.throwIfAborted()
          const reason = messageOf(cause)
          state.failure = cause instanceof ProxyFailed ? reason : `${shown}: ${reason}`
          throw new Error(state.failure, { cause })
        } finally {
          signal.removeEventListener('abort', close)
          close()
        }
      },
    }
  })
}

const wrongAnswer = (status: number) =>
  status === PROXY_AUTHENTICATION_REQUIRED ? 'the proxy does not accept these credentials (status 407)' : undefined

/** The proxy itself is not there: the same for every URL. */
class ProxyFailed extends Error {}

/** A connection that a request for a URL can be sent on. */
interface Route {
  readonly connection: HttpConnection
  /** Who answers, as people write it. */
  readonly where: string
  /** Whether the proxy reads the request, and is told who asks, or only carries it. */
  readonly proxy: Readonly<Record<string, string>> | undefined
}

function requestOf(target: URL, { proxy }: Route) {
  const own = target.username === '' ? {} : { authorization: basic(target.username, target.password) }
  const path = `${target.pathname}${target.search}`
  return {
    method: 'GET' as const,
    path: proxy === undefined ? path : `${target.origin}${path}`,
    headers: {
      host: target.host,
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': 'nerve',
      ...own,
      ...proxy,
    },
    reset: true,
  }
}

const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`

type OpenRoute = (target: URL, signal: AbortSignal, progress: Progress) => Promise<Route>

async function prepareTunnels(context: CheckContext, settings: ProxyhttpOptions): Promise<OpenRoute> {
  const connect = await prepareHttp()
  const connector = createConnector({ target: context.target, timeoutMs: context.timeoutMs })
  const { where } = connector
  const credentials = await prepareCredentials(settings)
  const tlsByHost = new Map<string, TlsSettings>()
  for (const { hostname, protocol } of settings.urls.map((each) => new URL(each))) {
    const { ssl_verify, ssl_ca_file } = settings
    if (protocol === 'https:') tlsByHost.set(hostname, await createTls({ ssl_verify, ssl_ca_file }, targetOf(hostname)))
  }
  return async (target, signal, progress) => {
    progress.waitingFor = `connection to ${where}`
    const proxy = await credentials()
    const socket = await connector.open(signal).catch((cause: unknown) => {
      throw new ProxyFailed(messageOf(cause), { cause })
    })
    const tls = tlsByHost.get(target.hostname)
    if (tls === undefined) return { connection: connect(socket), where, proxy }
    const address = formatAddress({ host: tls.serverName, port: Number(target.port) || 443 })
    progress.waitingFor = `tunnel to ${address} from ${where}`
    await openTunnel(connect(socket), { address, proxy, where }, signal)
    progress.waitingFor = `TLS with ${address} through ${where}`
    const secure = { ...(await tls.connectionOptions()), ALPNProtocols: ['http/1.1'] }
    const inner = await startTls(socket, secure, { where: address, serverName: tls.serverName }, signal)
    return { connection: connect(inner), where: address, proxy: undefined }
  }
}

/** A URL has brackets around an IPv6 address, a certificate has none. The port says nothing to TLS. */
const targetOf = (hostname: string) => ({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: 443 })

interface Tunnel {
  /** Where it leads. */
  readonly address: string
  readonly proxy: Readonly<Record<string, string>>
  readonly where: string
}

/** Asks the proxy to carry bytes from now on. On a failure the connection is destroyed. */
async function openTunnel(
  connection: HttpConnection,
  { address, proxy, where }: Tunnel,
  signal: AbortSignal,
): Promise<void> {
  const stop = () => destroyConnection(connection)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const headers = { host: address, 'user-agent': 'nerve', ...proxy }
    const statusCode = await requestTunnel(connection, { path: address, headers }).catch((cause: unknown) => {
      throw new Error(describeHttpFailure(cause, where), { cause })
    })
    if (statusCode < 200 || statusCode > 299)
      throw new Error(wrongAnswer(statusCode) ?? `${where} opens no tunnel to ${address}: status ${statusCode}`)
  } catch (error) {
    stop()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Reads who asks, as the proxy wants to be told; nothing when no account is given. */
async function prepareCredentials(
  settings: ProxyhttpOptions,
): Promise<() => Promise<Readonly<Record<string, string>>>> {
  const { username } = settings
  const readPassword = await preparePassword(settings)
  if (username === undefined) return async () => ({})
  return async () => {
    const login = `${username}:${(await readPassword()) ?? ''}`
    return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }
  }
}
