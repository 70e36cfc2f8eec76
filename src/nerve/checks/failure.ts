import { messageOf } from '../../core/errors.ts'

type Sentence = (where: string) => string

const closed: Sentence = (where) => `${where} closed the connection`

const SENTENCES: ReadonlyMap<string, Sentence> = new Map<string, Sentence>([
  ['ECONNREFUSED', (where) => `connection refused by ${where}`],
  ['ECONNRESET', (where) => `connection reset by ${where}`],
  ['ECONNABORTED', (where) => `connection to ${where} aborted`],
  ['EPIPE', closed],
  ['UND_ERR_SOCKET', closed],
  ['UND_ERR_CLOSED', closed],
  ['PROTOCOL_CONNECTION_LOST', closed],
  ['ETIMEDOUT', (where) => `no connection to ${where}: the network gave up waiting`],
  ['EHOSTUNREACH', (where) => `no route to ${where}`],
  ['ENETUNREACH', (where) => `the network of ${where} is unreachable`],
  ['EADDRNOTAVAIL', (where) => `no local address or port left to connect to ${where} from`],
  ['ENOTFOUND', (where) => `the host name of ${where} does not exist`],
  ['EAI_AGAIN', (where) => `the name servers gave no answer for the host name of ${where}`],
  ['ENOENT', (where) => `${where} does not exist`],
  ['EACCES', (where) => `no permission to connect to ${where}`],
  ['EMFILE', (where) => `nerve has too many open files to connect to ${where}`],
])

/** Codes of a connection that ended without an answer, as a kept connection does when the server has closed it meanwhile. */
const LOST: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_CLOSED',
  'PROTOCOL_CONNECTION_LOST',
  // PostgreSQL and MariaDB say goodbye to a session that they end: by hand, at a shutdown, after idling.
  '57P01',
  '57P02',
  '57P05',
  'ER_CONNECTION_KILLED',
  'ER_SERVER_SHUTDOWN',
])

/** Says in an operator's words why talking to `where` failed: `connection refused by 127.0.0.1:80`. */
export function explain(error: unknown, where: string): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map((each: unknown) => explain(each, where)))].join('; ')
  }
  return SENTENCES.get(codeOf(error))?.(where) ?? `${where}: ${messageOf(error)}`
}

/** Whether the connection ended without an answer. Looks into causes, so an explained error is recognised too. */
export function isConnectionLost(error: unknown): boolean {
  if (LOST.has(codeOf(error))) return true
  return error instanceof Error && error.cause !== undefined && isConnectionLost(error.cause)
}

/** The `code` of an error of node or of a library, or ''. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Text from a server made fit for one line of a log or a page: no control characters, single blanks, at most `limit` characters. */
export function oneLine(text: string, limit: number): string {
  // Bidirectional and zero-width characters could make a line read as something else.
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
  const characters = [...line.slice(0, limit * 2 + 2)]
  return characters.length > limit ? `${characters.slice(0, limit).join('')}…` : line
}
