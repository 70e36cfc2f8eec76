import { readFileSync } from 'node:fs'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createNameLookup } from '../core/name-lookup.ts'
import type { Server } from './connection-string.ts'
import type { TlsOptions } from './zookeeper.ts'

/** A socket on its way to a server. */
export interface Dialled {
  readonly socket: Socket
  /** The event after which it may be written to. */
  readonly readyEvent: 'connect' | 'secureConnect'
}

/** Asked one after the other, so that members whose names get no answer do not hold up the checks beside. */
const lookup = createNameLookup(1)

export type Dial = (server: Server) => Dialled

/**
 * Opens plain or TLS sockets to the members of an ensemble. Certificate files are read at each call, so that renewed
 * ones are used from the next connection on; a file that cannot be read throws.
 */
export function createDial(tls: TlsOptions | undefined): Dial {
  if (tls === undefined) {
    return ({ host, port }) => ({ socket: connect({ host, port, lookup, noDelay: true }), readyEvent: 'connect' })
  }
  return ({ host, port }) => {
    const name = isIP(host) === 0 ? { servername: host } : {}
    const socket = connectTls({ host, port, lookup, ...name, ...readCredentials(tls) })
    return { socket: socket.setNoDelay(true), readyEvent: 'secureConnect' }
  }
}

function readCredentials({ caFile, certFile, keyFile, verify = true }: TlsOptions) {
  return {
    rejectUnauthorized: verify,
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  }
}
