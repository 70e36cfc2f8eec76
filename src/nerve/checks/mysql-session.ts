import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, TLSSocket } from 'node:tls'
import type { Connection, QueryError, SslOptions } from 'mysql2'
import { messageOf } from '../../core/errors.ts'
import type { CheckContext } from './check.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { preparePassword } from './secret.ts'
import { createConnector, tlsReason } from './socket.ts'
import type { LoginSettings, Row, SessionProgress, SqlServer, SqlSession } from './sql-session.ts'
import { prepareTls, type TlsMaterial, type TlsSettings } from './tls-options.ts'

/** A connection after its login. */
interface Session {
  readonly connection: Connection
  readonly socket: Socket
}

/** Loads mysql2 and reads the files once. @throws SmartStackError CONFIG_INVALID for a file that is of no use. */
export async function prepareMysql(
  context: CheckContext,
  settings: LoginSettings,
  progress: SessionProgress,
): Promise<SqlServer> {
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
        return createSession(session, where, progress)
      } catch (cause) {
        destroy(session)
        throw new Error(loginReason(cause, where, socket.bytesRead > 0), { cause })
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}

function createSession(session: Session, where: string, progress: SessionProgress): SqlSession {
  const { socket } = session
  return {
    ask(sql) {
      progress.waitingFor = () => `answer to ${oneLine(sql, 60)} from ${where}`
      return query(session, sql, where)
    },
    isOpen: () => socket.readable && socket.writable,
    end: () => farewell(session),
    destroy: () => destroy(session),
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
