import type { Socket } from 'node:net'
import type { Client, QueryResult } from 'pg'
import { rejectOnAbort } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import type { CheckContext } from './check.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { preparePassword } from './secret.ts'
import { prepareSocket } from './socket.ts'
import type { LoginSettings, SessionProgress, SqlServer, SqlSession } from './sql-session.ts'

/** Asks for TLS: the length of the message and the number that stands for the question (SSLRequest of the protocol). */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** pg's words, without a code, for a connection that has ended. */
const CLOSED = /^Connection terminated|^Client (?:has encountered a connection error|was closed)/

/** A code of PostgreSQL's own: class and condition, e.g. 28P01. */
const SQLSTATE = /^[0-9A-Z]{5}$/

/** Loads pg and reads the files once. @throws SmartStackError CONFIG_INVALID for a file that is of no use. */
export async function preparePostgres(
  context: CheckContext,
  settings: LoginSettings,
  progress: SessionProgress,
): Promise<SqlServer> {
  const { timeoutMs } = context
  const onPhase = (waitingFor: string) => {
    progress.waitingFor = () => waitingFor
  }
  const { where, openSocket } = await prepareSocket(context, settings, { onPhase, askForTls })
  const createClient = await prepareClient(context, settings)
  const readPassword = await preparePassword(settings)
  return {
    where,
    async login(signal) {
      const password = await readPassword()
      const socket = await openSocket(signal)
      progress.waitingFor = () => (socket.bytesRead === 0 ? `answer from ${where}` : `end of the login at ${where}`)
      const client = createClient(socket, password)
      const onAbort = () => socket.destroy()
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        await rejectOnAbort(client.connect(), signal)
        return createSession(client, socket, { where, timeoutMs, progress })
      } catch (cause) {
        socket.destroy()
        throw new Error(serverReason(cause, where), { cause })
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}

/** Done here and not by pg, so that certificates are judged as in every other check. On a failure the socket is destroyed. */
async function askForTls(socket: Socket, where: string, signal: AbortSignal): Promise<void> {
  const failed = (reason: string, cause?: unknown) => {
    socket.destroy()
    signal.throwIfAborted()
    return new Error(reason, { cause })
  }
  // A server that closes the connection without an answer emits no error.
  const answered = new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('end', () => reject(new Error(`${where} closed the connection without an answer`)))
    socket.once('error', (error) => reject(new Error(explain(error, where))))
  })
  socket.write(TLS_REQUEST)
  const answer = await rejectOnAbort(answered, signal).catch((cause: unknown) => {
    throw failed(messageOf(cause), cause)
  })
  socket.pause()
  if (answer[0] === 0x4e) throw failed(`${where} does not talk TLS`)
  // More than the one byte would be words that somebody on the way put in front of the encrypted ones.
  if (answer[0] !== 0x53 || answer.length !== 1) throw failed(notPostgres(answer.toString('latin1'), where))
}

/** Loads pg. Everything it would otherwise take from PG* variables and ~/.pgpass is given. */
async function prepareClient(
  { target }: CheckContext,
  settings: LoginSettings,
): Promise<(socket: Socket, password: string | undefined) => Client> {
  const { Client } = (await import('pg')).default
  const { username, database = username } = settings
  return (socket, password) => {
    const client = new Client({
      stream: () => connected(socket),
      host: target.host,
      port: target.port,
      user: username,
      database,
      password: () => requirePassword(password),
      ssl: false, // it has been dealt with
      application_name: 'nerve',
      client_encoding: 'utf8',
    })
    // Without a listener a connection that breaks between two questions would end the process.
    client.on('error', () => {})
    return client
  }
}

/** Called only when the server wants one. */
function requirePassword(password: string | undefined): string {
  if (password === undefined || password === '') throw new Error('the server asks for a password, and none is given')
  return password
}

/** pg connects the socket that it is given; this one is connected already. */
function connected(socket: Socket): Socket {
  socket.connect = () => {
    queueMicrotask(() => socket.emit('connect'))
    return socket
  }
  return socket
}

interface SessionContext {
  readonly where: string
  readonly timeoutMs: number
  readonly progress: SessionProgress
}

function createSession(client: Client, socket: Socket, { where, timeoutMs, progress }: SessionContext): SqlSession {
  // A server does not notice that nobody waits any more: without a limit of its own, questions that wait for a lock
  // pile up until no connection is left. Sent with the question, since poolers refuse it at the login.
  const limit = `SET LOCAL statement_timeout = ${Math.max(1, Math.ceil(timeoutMs))}`
  return {
    async ask(sql) {
      progress.waitingFor = () => `answer to ${oneLine(sql, 60)} from ${where}`
      try {
        const results = (await client.query(`${limit}; ${sql}`)) as unknown as QueryResult | readonly QueryResult[]
        return [results].flat().at(-1)?.rows ?? []
      } catch (cause) {
        throw new Error(`${oneLine(sql, 60)}: ${serverReason(cause, where)}`, { cause: withCode(cause) })
      }
    },
    isOpen: () => socket.readable && socket.writable,
    end() {
      void client.end()
      socket.destroySoon()
    },
    destroy: () => socket.destroy(),
  }
}

/** pg gives a connection that has ended no code, but a kept one that was closed meanwhile must be known by it. */
function withCode(error: unknown): unknown {
  return CLOSED.test(messageOf(error)) ? Object.assign(new Error(messageOf(error)), { code: 'ECONNRESET' }) : error
}

/** What the server said, with its code; what happened to the connection otherwise. */
function serverReason(error: unknown, where: string): string {
  const code = codeOf(error)
  const message = messageOf(error)
  if (SQLSTATE.test(code)) return `${oneLine(message, 200)} (${code})`
  if (CLOSED.test(message)) return `${where} closed the connection`
  return code === '' ? oneLine(message, 200) : explain(error, where)
}

const notPostgres = (answer: string, where: string) =>
  `the answer of ${where} is not PostgreSQL: ${JSON.stringify(oneLine(answer, 60))}`
