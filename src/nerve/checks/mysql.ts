import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, TLSSocket } from 'node:tls'
import type { Connection, QueryError, SslOptions } from 'mysql2'
import * as z from 'zod'
import { durationMs, text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { type CheckContext, defineCheck } from './check.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { createKept } from './kept.ts'
import {
  OLD_REPLICATION_QUERY,
  READ_ONLY_QUERY,
  REPLICATION_QUERY,
  type Row,
  wrongReadOnly,
  wrongReplication,
} from './mysql-conditions.ts'
import { passwordOptions, preparePassword, refinePassword } from './secret.ts'
import { createConnector, tlsReason } from './socket.ts'
import { prepareTls, refineTls, type TlsMaterial, type TlsSettings, tlsOptions } from './tls-options.ts'

const options = z
  .object({
    username: text.describe('The account to log in with; it needs no privilege for the default query'),
    ...passwordOptions,
    database: text.optional().describe('The default database'),
    query: text.default('SELECT 1').describe('What is asked after the login; any result passes'),
    read_only: z.boolean().optional().describe("Fails when the server's global read_only is not this"),
    max_replication_lag: durationMs
      .optional()
      .describe(
        'Fails when replication is not running or further behind than this. Needs REPLICATION CLIENT, on MariaDB REPLICA MONITOR',
      ),
    ...tlsOptions,
    unix_socket: text.optional().describe('Path of a unix socket to connect to instead of host and port'),
    keep_alive: z
      .boolean()
      .default(false)
      .describe('Keep one connection for all runs instead of a fresh login for each'),
  })
  .superRefine(refineTls)
  .superRefine(refinePassword)

type MysqlOptions = z.output<typeof options>

/** A connection after its login. */
interface Session {
  readonly connection: Connection
  readonly socket: Socket
}

/** What the run that is under way waits for. */
interface Progress {
  waitingFor: () => string
}

/**
 * Logs in, asks `query`, and looks at `read_only` and `max_replication_lag` if they are given. Says goodbye properly, so
 * that checks do not count in the server's Aborted_clients. The whole run has the check's `timeout`.
 */
export const mysql = defineCheck({
  type: 'mysql',
  description: 'Passes when MySQL or MariaDB lets the check log in and answers a query.',
  options,
  async prepare(context, settings) {
    const progress: Progress = { waitingFor: () => 'connection' }
    const { where, login } = await prepareLogin(context, settings, progress)
    const sessions = createKept<Session>({
      keep: settings.keep_alive,
      open: login,
      isOpen: ({ socket }) => socket.readable && socket.writable,
      end: farewell,
      destroy,
    })
    const ask: Ask = (session, sql) => {
      progress.waitingFor = () => `answer to ${oneLine(sql, 60)} from ${where}`
      return query(session, sql, where)
    }
    const conditions = createConditions(settings, ask)
    return {
      waitingFor: () => progress.waitingFor(),
      run: (signal) =>
        sessions.use(signal, async (session) => {
          await ask(session, settings.query)
          for (const condition of conditions) {
            const reason = await condition(session)
            if (reason !== undefined) throw new Error(reason)
          }
        }),
      close: () => sessions.close(),
    }
  },
})

type Ask = (session: Session, sql: string) => Promise<readonly Row[]>

/** Resolves with what is wrong, or undefined. */
type Condition = (session: Session) => Promise<string | undefined>

function createConditions({ read_only: readOnly, max_replication_lag: maxLagMs }: MysqlOptions, ask: Ask): Condition[] {
  const conditions: Condition[] = []
  if (readOnly !== undefined) {
    conditions.push(async (session) => wrongReadOnly(await ask(session, READ_ONLY_QUERY), readOnly))
  }
  if (maxLagMs !== undefined) {
    let statement: string = REPLICATION_QUERY
    conditions.push(async (session) => {
      try {
        return wrongReplication(await ask(session, statement), maxLagMs)
      } catch (error) {
        if (statement === OLD_REPLICATION_QUERY || !isUnknownStatement(error)) throw error
        statement = OLD_REPLICATION_QUERY
        return wrongReplication(await ask(session, statement), maxLagMs)
      }
    })
  }
  return conditions
}

interface Login {
  readonly where: string
  login(signal: AbortSignal): Promise<Session>
}

async function prepareLogin(context: CheckContext, settings: MysqlOptions, progress: Progress): Promise<Login> {
  const { createConnection } = await import('mysql2')
  const { target, timeoutMs } = context
  const connector = createConnector({ target, unixSocket: settings.unix_socket, timeoutMs })
  const { where } = connector
  const tls = await prepareTls(settings, target)
  const readPassword = await preparePassword(settings)
  return {
    where,
    async login(signal) {
      progress.waitingFor = () => `connection to ${where}`
      const [password, material] = await Promise.all([readPassword(), tls?.material()])
      const socket = await connector.open(signal)
      progress.waitingFor = () => (socket.bytesRead === 0 ? `greeting from ${where}` : `end of the login at ${where}`)
      const connection = createConnection({
        stream: () => socket,
        user: settings.username,
        connectTimeout: 0, // the runner's deadline is exact
        disableEval: true,
        flags: ['-LOCAL_FILES'], // or the server could ask for files of this host
        connectAttributes: { program_name: 'nerve' },
        ...(password === undefined ? {} : { password }),
        ...(settings.database === undefined ? {} : { database: settings.database }),
        ...(tls === undefined ? {} : { host: tls.serverName, ssl: sslOptions(tls, material) }),
      })
      const session = { connection, socket }
      const onAbort = () => destroy(session)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        await established(connection)
        if (tls?.verify) verifyIdentity(connection, tls.serverName)
        return session
      } catch (cause) {
        destroy(session)
        throw new Error(loginReason(cause, where, socket.bytesRead > 0), { cause })
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}

/** A new object for each connection: mysql2 resumes TLS sessions per object, and a resumed one would hide an expired certificate. */
function sslOptions({ verify, serverName }: TlsSettings, material: TlsMaterial | undefined): SslOptions {
  return {
    ...material,
    rejectUnauthorized: verify,
    // mysql2 compares IP addresses with "localhost"; verifyIdentity() does those.
    verifyIdentity: verify && isIP(serverName) === 0,
  }
}

function verifyIdentity(connection: Connection, serverName: string): void {
  const stream = streamOf(connection)
  const error = stream instanceof TLSSocket ? checkServerIdentity(serverName, stream.getPeerCertificate()) : undefined
  if (error !== undefined) throw Object.assign(new Error(error.message), { code: 'HANDSHAKE_SSL_ERROR' })
}

function established(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.once('connect', () => resolve())
    // Stays for the life of the connection: an 'error' without a listener would end the process.
    connection.on('error', reject)
  })
}

function query({ connection }: Session, sql: string, where: string): Promise<readonly Row[]> {
  return new Promise((resolve, reject) => {
    connection.query(sql, (cause: QueryError | null, rows: unknown) => {
      if (cause === null) resolve(Array.isArray(rows) ? (rows as readonly Row[]) : [])
      else reject(new Error(`${oneLine(sql, 60)}: ${serverReason(cause, where)}`, { cause }))
    })
  })
}

function loginReason(error: unknown, where: string, greeted: boolean): string {
  switch (codeOf(error)) {
    case 'HANDSHAKE_SSL_ERROR':
      return `TLS with ${where} failed: ${tlsReason(error)}`
    case 'HANDSHAKE_NO_SSL_SUPPORT':
      return `${where} does not talk TLS`
    case 'PROTOCOL_CONNECTION_LOST':
      return `${where} closed the connection ${greeted ? 'during the login' : 'without a greeting'}`
    default:
      return serverReason(error, where)
  }
}

/** What the server said, with its name for the error; what happened to the connection otherwise. */
function serverReason(error: unknown, where: string): string {
  const code = codeOf(error)
  return code.startsWith('ER_') ? `${oneLine(messageOf(error), 200)} (${code})` : explain(error, where)
}

const isUnknownStatement = (error: unknown) => error instanceof Error && codeOf(error.cause) === 'ER_PARSE_ERROR'

/** The socket, or the TLS socket around it. mysql2's own destroy() only ends it, which a frozen server never notices. */
const streamOf = (connection: Connection) => (connection as unknown as { readonly stream: Socket }).stream

/** Sends COM_QUIT and closes when it is sent, whatever the server does then. */
function farewell({ connection }: Session): void {
  connection.end()
  streamOf(connection).destroySoon()
}

function destroy({ connection, socket }: Session): void {
  connection.destroy()
  streamOf(connection).destroy()
  socket.destroy()
}
