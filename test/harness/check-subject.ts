import type { CheckType } from '../../src/nerve/checks/check.ts'
import type { Certificates } from './certificates.ts'
import type { Options } from './check.ts'

/**
 * What a check says of a bad target. In the sentences W is `host:port` of the target. Those of what does not come in time
 * follow `no ` and are followed by ` within 300 ms`.
 */
export interface Words {
  /** What does not come from who accepts and says nothing; undefined: nothing is waited for, so the check passes. */
  readonly silence: string | undefined
  /** What does not come from who says the right things, but slowly; undefined: it passes. */
  readonly drip: string | undefined
  /** The whole reason when who accepts closes at once, or after the first byte; undefined: it passes. */
  readonly hangUp: string | undefined
  /** How many bytes at the end of what the server says are of no interest any more. Default: none. */
  readonly farewellBytes?: number
  /** What does not come when the network drops everything. Default: `connection to W`. */
  readonly noConnection?: string
  /** The whole reason when nobody listens. Default: `connection refused by W`. */
  readonly refused?: RegExp
  /** The whole reason when the name of the host does not exist. */
  readonly noName?: RegExp
}

/** Where a variant of a check is aimed: at 127.0.0.1 and a port, with options of its own. */
export interface Aim {
  readonly port: number
  readonly options: Options
}

export const badCertificates = ['expired', 'of another name', 'of an unknown authority'] as const
export type BadCertificate = (typeof badCertificates)[number]

/** A check with the real server that it is made for. */
export interface Subject {
  readonly name: string
  readonly type: CheckType
  /** A port of 127.0.0.1. */
  readonly port: number
  /** With these it passes. */
  readonly options: Options
  /** Options that are deadlines beside `timeout`. */
  readonly deadlines?: readonly string[]
  readonly words: Words
  readonly wrongPassword?: Aim & { readonly reason: RegExp }
  /** Servers that must be refused for their certificates. */
  readonly certificates?: Readonly<Record<BadCertificate, Aim>>
  /** Connections that the server has open for checks. */
  connections(): number | Promise<number>
}

/** What is started must be closed in the end. */
export interface Closable {
  close(): Promise<void>
}

/** What the subjects are made with. */
export interface Workshop {
  readonly certificates: Certificates
  /** The same, but what servers show is expired. */
  readonly expired: Certificates
  /** Closes it with the subjects. */
  keep<Server extends Closable>(starting: Promise<Server>): Promise<Server>
}

/** Sets the deadlines that a subject has beside `timeout`. */
export const inTime = ({ deadlines = [] }: Subject, ms: number): Options =>
  Object.fromEntries(deadlines.map((name) => [name, `${ms}ms`]))

/** The bad certificates, by the usual options: `good` is a server with a good certificate, `expired` one without. */
export function refusals(
  { ca, otherCa }: Certificates,
  { good, expired }: { readonly good: number; readonly expired: number },
  more: Options = {},
): Readonly<Record<BadCertificate, Aim>> {
  const trusting = { ...more, ssl: true, ssl_ca_file: ca }
  return {
    expired: { port: expired, options: trusting },
    'of another name': { port: good, options: { ...trusting, ssl_server_name: 'other.test' } },
    'of an unknown authority': { port: good, options: { ...trusting, ssl_ca_file: otherCa } },
  }
}

/** The signatures in a TLS handshake are not always of the same length. */
export const TLS_VARIATION_BYTES = 8

/** Of who talks TLS from the first byte. */
export const tlsWords: Words = {
  silence: 'TLS with W',
  drip: 'TLS with W',
  hangUp: 'TLS with W failed: the server closed the connection',
  farewellBytes: TLS_VARIATION_BYTES,
}
