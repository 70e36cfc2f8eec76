import { once } from 'node:events'
import { isIP, isIPv6, type NetConnectOpts, Socket } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { createNameLookup } from '../../core/name-lookup.ts'
import type { CheckContext, Target } from './check.ts'
import { explain } from './failure.ts'
import { prepareTls, type TlsOptions } from './tls-options.ts'

const lookup = createNameLookup(2)

/**
 * Every check opens its sockets here and hands them to its library already connected: so the deadline is exact in every
 * phase, an abort closes the socket even while it is connecting, and a refused connection reads the same everywhere.
 */
export interface Connector {
  /** The peer as people write it: `db:3306`, `[::1]:80` or the path of a unix socket. */
  readonly where: string
  /** What `net.connect` takes, for a library that insists on connecting by itself: give it the signal too. */
  readonly address: object
  /** A connected socket. The caller destroys it. @throws Error with an operator's sentence, or `signal.reason`. */
  open(signal: AbortSignal): Promise<Socket>
}

export interface ConnectorOptions {
  readonly target: Target
  /** Path of a unix socket to use instead of the target. */
  readonly unixSocket?: string | undefined
  /** How long a connection may take, ms. A name with several addresses has half of it for the first one. */
  readonly timeoutMs: number
}

export function createConnector({ target, unixSocket, timeoutMs }: ConnectorOptions): Connector {
  const where = unixSocket ?? formatAddress(target)
  const address =
    unixSocket === undefined
      ? {
          host: target.host,
          port: target.port,
          lookup,
          autoSelectFamily: true,
          autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(timeoutMs / 2)),
        }
      : { path: unixSocket }
  return {
    where,
    address,
    async open(signal) {
      signal.throwIfAborted()
      const socket = await established(connect(address), 'connect', signal, (error) => explain(error, where))
      if (unixSocket !== undefined || !isItsOwnPeer(socket, target)) return socket
      socket.destroy()
      throw new Error(`connection refused by ${where}`)
    },
  }
}

/**
 * As `connect` of node:net, which spreads its options for the constructor: V8 makes the copy a hidden class of its own each
 * time, 1.7 kB that only a collection of old objects takes away again.
 */
function connect(address: NetConnectOpts): Socket {
  return new Socket().setNoDelay().connect(address)
}

/**
 * Linux gives a connection any free port of ours. When that is the very port which it is aimed at, on this host, and nobody
 * listens there, TCP connects the socket to itself: one in some 25,000 runs.
 */
function isItsOwnPeer(socket: Socket, { port }: Target): boolean {
  return socket.localPort === port && socket.localAddress === socket.remoteAddress
}

/** What the options of a check say of its connection. */
export interface SocketSettings extends TlsOptions {
  readonly unix_socket?: string | undefined
}

/** Opens the connections of a check. */
export interface SocketSource {
  readonly where: string
  /** A connected socket, with TLS if that is wanted. The caller destroys it. @throws as `Connector.open`. */
  openSocket(signal: AbortSignal): Promise<Socket>
}

export interface SocketSourceOptions {
  /** Told what is waited for: `connection to db:5432`. */
  readonly onPhase: (waitingFor: string) => void
  /** What is offered in the TLS handshake. Default: nothing. */
  readonly ALPNProtocols?: readonly string[]
  /** For protocols that ask the server for TLS first; destroys the socket when it rejects. Default: TLS from the first byte. */
  readonly askForTls?: (socket: Socket, where: string, signal: AbortSignal) => Promise<void>
}

/** Connections as a check's options want them. @throws SmartStackError CONFIG_INVALID for a file that is of no use. */
export async function prepareSocket(
  { target, timeoutMs }: CheckContext,
  settings: SocketSettings,
  { onPhase, ALPNProtocols, askForTls }: SocketSourceOptions,
): Promise<SocketSource> {
  const connector = createConnector({ target, unixSocket: settings.unix_socket, timeoutMs })
  const { where } = connector
  const tls = await prepareTls(settings, target)
  return {
    where,
    async openSocket(signal) {
      onPhase(`connection to ${where}`)
      const secure = await tls?.connectionOptions()
      const plain = await connector.open(signal)
      if (tls === undefined || secure === undefined) return plain
      onPhase(`TLS with ${where}`)
      await askForTls?.(plain, where, signal)
      const options = ALPNProtocols === undefined ? secure : { ...secure, ALPNProtocols: [...ALPNProtocols] }
      return startTls(plain, options, { where, serverName: tls.serverName }, signal)
    },
  }
}

/** `host:port` as a Host header and a log line want it. */
export function formatAddress({ host, port }: Target): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Makes TLS of a connected socket. The caller destroys what is returned; on a failure the socket is destroyed.
 * `serverName` is the name the certificate must carry (if it is verified) and the one asked for (SNI, unless an IP address).
 */
export async function startTls(
  socket: Socket,
  options: ConnectionOptions,
  { where, serverName }: { readonly where: string; readonly serverName: string },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secure = tlsConnect({ ...options, socket, host: serverName, ...sni(serverName) })
  try {
    return await established(
      secure,
      'secureConnect',
      signal,
      (error) => `TLS with ${where} failed: ${tlsReason(error)}`,
    )
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Sentence for a failed TLS handshake, without OpenSSL's file and line numbers. */
export function tlsReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  if (/wrong version number|packet length too long|record layer failure/i.test(text))
    return 'the server does not speak TLS'
  if (/disconnected before secure TLS connection|ECONNRESET|socket hang up/i.test(text))
    return 'the server closed the connection'
  const [, alert] = /SSL routines:[^:]*:([^:]+):/.exec(text) ?? []
  return alert ?? text
}

function sni(serverName: string): ConnectionOptions {
  return isIP(serverName) === 0 ? { servername: serverName } : {}
}

async function established<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  sentence: (error: unknown) => string,
): Promise<S> {
  // An error that comes when nobody waits any more must not end the process; whoever uses the socket sees it close.
  socket.on('error', () => {})
  try {
    await once(socket, event, { signal })
    return socket
  } catch (cause) {
    socket.destroy()
    signal.throwIfAborted()
    throw new Error(sentence(cause), { cause })
  }
}
