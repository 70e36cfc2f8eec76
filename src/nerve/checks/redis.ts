import type { Socket } from 'node:net'
import type { Redis, RedisOptions } from 'ioredis'
import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { defineCheck, type Progress } from './check.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { passwordOptions, preparePassword, refinePassword } from './secret.ts'
import { prepareSocket } from './socket.ts'
import { refineTls, tlsOptions } from './tls-options.ts'

/** The key that Airbnb's nerve asks for: the question passes through a proxy, where PING may end (reference airbnb.md 2.5). */
const PROBE_KEY = 'nerve-redis-service-check'

const options = () =>
  z
    .object({
      username: text.optional().describe('The ACL user to log in as (Redis 6)'),
      ...passwordOptions(),
      db: z.int().min(0).default(0).describe('The number of the database to select'),
      role: z.enum(['master', 'replica']).optional().describe('Fails when the server has another role'),
      ...tlsOptions(),
      unix_socket: text.optional().describe('Path of a unix socket to connect to instead of host and port'),
    })
    .superRefine(refineTls)
    .superRefine(refinePassword)

/** ioredis' words, without a code, for a connection that has ended. */
const CLOSED = /^(Connection is closed|Stream isn't writeable|Command aborted due to connection close)/

type RedisCheckOptions = z.output<ReturnType<typeof options>>

/**
 * Asks PING and EXISTS on a fresh connection. What the server says instead (LOADING, MASTERDOWN, NOAUTH, WRONGPASS,
 * max number of clients) is the reason of the failure. The whole run has the check's `timeout`.
 */
export const redis = defineCheck({
  type: 'redis',
  description: 'Passes when Redis answers PING and EXISTS.',
  options,
  async prepare(context, settings) {
    const progress: Progress = { waitingFor: 'connection' }
    const onPhase = (waitingFor: string) => {
      progress.waitingFor = waitingFor
    }
    const { where, openSocket } = await prepareSocket(context, settings, { onPhase })
    const createClient = await prepareClient()
    const readPassword = await preparePassword(settings)
    const asking = (question: string) => onPhase(`answer to ${question} from ${where}`)
    return {
      waitingFor: () => progress.waitingFor,
      async run(signal) {
        const password = await readPassword()
        const socket = await openSocket(signal)
        const client = createClient(socket)
        let broken: unknown
        client.on('error', (error) => {
          broken ??= error
        })
        const close = () => {
          client.disconnect()
          socket.destroy()
        }
        signal.addEventListener('abort', close, { once: true })
        try {
          await client.connect()
          await examine(client, settings, password, asking)
        } catch (cause) {
          throw new Error(describeFailure(isServersWord(cause) ? cause : (broken ?? cause), where), { cause })
        } finally {
          signal.removeEventListener('abort', close)
          close()
        }
      },
    }
  },
})

async function examine(
  client: Redis,
  { username, db, role }: RedisCheckOptions,
  password: string | undefined,
  asking: (question: string) => void,
): Promise<void> {
  // AUTH and SELECT are sent here and not by ioredis, which writes to the console when a password is not needed.
  if (password !== undefined) {
    asking('AUTH')
    await client.call('AUTH', ...(username === undefined ? [] : [username]), password).catch(passUnneededPassword)
  }
  if (db !== 0) {
    asking('SELECT')
    await client.call('SELECT', db)
  }
  asking('PING')
  await client.call('PING')
  asking('EXISTS')
  await client.call('EXISTS', PROBE_KEY).catch(passRedirection)
  if (role === undefined) return
  asking('ROLE')
  const found = roleOf(await client.call('ROLE'))
  if (found !== role) throw new WrongRole(`the server is a ${found}, expected a ${role}`)
}

/** A password that is set in nerve before the server asks for one is no reason to take a healthy server out. */
function passUnneededPassword(error: unknown): void {
  if (!/without any password configured|no password is set/i.test(messageOf(error))) throw error
}

/** A member of a Redis Cluster that holds another part of the keys is healthy. */
function passRedirection(error: unknown): void {
  if (!/^(MOVED|ASK) /.test(messageOf(error))) throw error
}

function roleOf(reply: unknown): string {
  const role = Array.isArray(reply) ? String(reply[0]) : String(reply)
  return role === 'slave' ? 'replica' : role
}

/** Whether the error says something of the server; else it only tells that the connection has ended. */
function isServersWord(error: unknown): boolean {
  return error instanceof WrongRole || (error instanceof Error && error.name === 'ReplyError')
}

function describeFailure(error: unknown, where: string): string {
  const message = messageOf(error)
  if (error instanceof WrongRole) return message
  if (isServersWord(error)) return oneLine(`${where} says: ${message}`, 200)
  if (codeOf(error) !== '') return explain(error, where)
  if (CLOSED.test(message)) return `${where} closed the connection`
  return oneLine(`the answer of ${where} is not Redis: ${message.replace('. Please report this.', '')}`, 200)
}

class WrongRole extends Error {}

/** Loads ioredis. RESP2 and nothing of its own on the connection: no retry, ready check, queue, HELLO, CLIENT SETINFO, timer. */
async function prepareClient(): Promise<(socket: Socket) => Redis> {
  const { Redis, AbstractConnector } = await import('ioredis')

  /** Gives ioredis a socket of ours. Its own connector leaves a timer behind for each connection that failed. */
  const lend = (socket: Socket): NonNullable<RedisOptions['Connector']> =>
    class extends AbstractConnector {
      constructor() {
        super(0)
      }
      override connect() {
        return Promise.resolve(socket)
      }
      override disconnect() {
        socket.destroy()
      }
    }

  return (socket) =>
    new Redis({
      Connector: lend(socket),
      lazyConnect: true,
      protocol: 2,
      connectTimeout: 0,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      disableClientInfo: true,
    })
}
