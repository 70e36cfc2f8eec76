import { connect, type Socket } from 'node:net'
import { SmartStackError } from '../../../core/errors.ts'

/**
 * Connects to a stats or master socket.
 * @param address a path (anything with a `/`), `host:port` or `[v6]:port`.
 * @throws SmartStackError HAPROXY_SOCKET, or `signal.reason`.
 */
export function connectTo(address: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const socket = connect(socketTarget(address))
    socket.setEncoding('utf8')
    const settle = () => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('connect', onConnect)
    }
    const onConnect = () => {
      settle()
      resolve(socket)
    }
    const fail = (reason: unknown) => {
      settle()
      socket.on('error', ignoreLateError)
      socket.destroy()
      reject(reason)
    }
    const onError = (cause: Error) =>
      fail(socketError(`cannot connect to HAProxy at ${address}: ${cause.message}`, cause))
    const onAbort = () => fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', onConnect).once('error', onError)
  })
}

/** An error of the talk with HAProxy; trying again can help. */
export function socketError(message: string, cause?: unknown): SmartStackError {
  return new SmartStackError('HAPROXY_SOCKET', message, { retryable: true, cause })
}

// A destroyed socket may still report an error; its promise is settled already.
const ignoreLateError = () => {}

function socketTarget(address: string): { path: string } | { host: string; port: number } {
  if (address.includes('/')) return { path: address }
  const [, bracketed, host, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(address) ?? []
  if (port === undefined) return { path: address }
  return { host: bracketed ?? (host === '' || host === undefined ? '127.0.0.1' : host), port: Number(port) }
}
