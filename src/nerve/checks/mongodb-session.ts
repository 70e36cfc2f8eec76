import type { Socket } from 'node:net'
import type { Connection } from 'mongodb/lib/cmap/connect.js'
import { rejectOnAbort } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import type { CheckContext, Progress } from './check.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { type PasswordOptions, preparePassword } from './secret.ts'
import { prepareSocket } from './socket.ts'
import type { TlsOptions } from './tls-options.ts'

export interface MongodbSettings extends PasswordOptions, TlsOptions {
  readonly username?: string | undefined
  readonly auth_source: string
  readonly unix_socket?: string | undefined
}

/** What a member of a replica set, a standalone server or mongos says of its role. */
export interface Member {
  readonly isWritablePrimary?: unknown
  readonly secondary?: unknown
  readonly arbiterOnly?: unknown
}

/** One connection after its login. */
export interface MongodbSession {
  /** @throws Error with an operator's sentence. */
  hello(): Promise<Member>
  /** Whether it can be used once more. */
  isOpen(): boolean
  /** Closes at once. Harmless when it has ended. */
  destroy(): void
}

/** Of an answer that a server gives before the login. */
const LARGEST_MESSAGE_BYTES = 48_000_000

class NotMongodb extends Error {}

/** Loads the driver and reads the files once. @throws SmartStackError CONFIG_INVALID for a file that is of no use. */
export async function prepareMongodb(
  context: CheckContext,
  settings: MongodbSettings,
  progress: Progress,
): Promise<(signal: AbortSignal) => Promise<MongodbSession>> {
  const onPhase = (waitingFor: string) => {
    progress.waitingFor = waitingFor
  }
  const { where, openSocket } = await prepareSocket(context, settings, { onPhase })
  const connect = await prepareConnect(settings, where)
  const readPassword = await preparePassword(settings)
  return async (signal) => {
    const password = await readPassword()
    const socket = await openSocket(signal)
    const onAbort = () => socket.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    onPhase(`answer to hello from ${where}`)
    const stranger = watchAnswer(socket, where, () => onPhase(`end of the login at ${where}`))
    try {
      const connection = await rejectOnAbort(Promise.race([connect(socket, password), stranger]), signal)
      return createSession(connection, where, onPhase)
    } catch (cause) {
      socket.destroy()
      throw new Error(describeFailure(cause, where), { cause })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}

/**
 * Rejects when what answers is not MongoDB: the driver takes the first bytes of any text for the length of a message and
 * waits for the rest. Pending otherwise.
 */
function watchAnswer(socket: Socket, where: string, onAnswer: () => void): Promise<never> {
  return new Promise((_, reject) => {
    socket.once('data', (answer: Buffer) => {
      onAnswer()
      const length = answer.length < 4 ? 0 : answer.readInt32LE(0)
      if (length >= 0 && length <= LARGEST_MESSAGE_BYTES) return
      const begin = JSON.stringify(oneLine(answer.toString('latin1'), 60))
      reject(new NotMongodb(`the answer of ${where} is not MongoDB: ${begin}`))
    })
  })
}

/** Loads the driver. Nothing in it waits on a clock of its own. */
async function prepareConnect(
  { username, auth_source: authSource }: MongodbSettings,
  where: string,
): Promise<(socket: Socket, password: string | undefined) => Promise<Connection>> {
  const { MongoClient } = await import('mongodb')
  const { connect } = await import('mongodb/lib/cmap/connect.js')
  const { MongoClientAuthProviders } = await import('mongodb/lib/mongo_client_auth_providers.js')
  const common = { appName: 'nerve', directConnection: true, connectTimeoutMS: 0, socketTimeoutMS: 0 }
  return async (socket, password) => {
    const login = username === undefined ? {} : { auth: { username, password: password ?? '' }, authSource }
    // Never connected: it only knows what follows from the options.
    const { options } = new MongoClient('mongodb://127.0.0.1', { ...common, ...login })
    const authProviders = new MongoClientAuthProviders()
    return connect({ ...options, authProviders, existingSocket: socket, hostAddress: where, id: 1, generation: 0 })
  }
}

function createSession(connection: Connection, where: string, onPhase: (waitingFor: string) => void): MongodbSession {
  return {
    async hello() {
      onPhase(`answer to hello from ${where}`)
      try {
        return await connection.command({ db: 'admin' }, { hello: 1 }, { directConnection: true })
      } catch (cause) {
        throw new Error(describeFailure(cause, where), { cause: withCode(cause) })
      }
    },
    isOpen: () => !connection.closed,
    destroy: () => connection.destroy(),
  }
}

/** The driver gives a connection that has ended no code, but a kept one that was closed meanwhile must be known by it. */
function withCode(error: unknown): unknown {
  return isClosed(error) ? Object.assign(new Error(messageOf(error)), { code: 'ECONNRESET' }) : error
}

const isClosed = (error: unknown) => nameOf(error) === 'MongoNetworkError' && causeOf(error) === undefined

/** What the server said, with the name of its code; what happened to the connection otherwise. */
function describeFailure(error: unknown, where: string): string {
  const message = messageOf(error)
  if (error instanceof NotMongodb) return message
  if (nameOf(error) === 'MongoServerError') return oneLine(`${where} says: ${message}${codeName(error)}`, 200)
  if (nameOf(error) === 'MongoCompatibilityError') return oneLine(message, 200)
  if (isClosed(error)) return `${where} closed the connection`
  const broken = [error, causeOf(error)].find((each) => codeOf(each) !== '')
  return broken === undefined ? oneLine(`login at ${where}: ${message}`, 200) : explain(broken, where)
}

function codeName(error: unknown): string {
  return error instanceof Error && 'codeName' in error ? ` (${String(error.codeName)})` : ''
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : '')
const causeOf = (error: unknown) => (error instanceof Error ? error.cause : undefined)
