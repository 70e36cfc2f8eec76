import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { ChannelModel, ConfirmChannel, Options } from 'amqplib'
import * as z from 'zod'
import { rejectOnAbort } from '../../core/clock.ts'
import { text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { type CheckContext, type CheckType, defineCheck, type Progress, type Target } from './check.ts'
import { parseAmqpDatasource } from './datasource.ts'
import { readDatasource, refineDatasource, targetOf, tlsOptionsOf } from './datasource-option.ts'
import { codeOf, explain, oneLine } from './failure.ts'
import { type PasswordOptions, passwordOptions, preparePassword, refinePassword } from './secret.ts'
import { createConnector, tlsReason } from './socket.ts'
import { prepareTls, refineTls, type TlsOptions, tlsOptions } from './tls-options.ts'

/** The account that every fresh RabbitMQ has, and Airbnb's default. */
const GUEST = 'guest'
/** Where node tells of every client socket, at once when it is made. */
const SOCKET_MADE = 'net.client.socket'
const MESSAGE = Buffer.from('nerve test message')
/** How long a message stays that a failed run leaves behind, ms. */
const EXPIRATION_MS = 2000

const options = () =>
  z
    .object({
      username: text.optional().describe('The account to log in with. Default: guest'),
      ...passwordOptions(),
      vhost: z.string().optional().describe('The virtual host. Default: /'),
      queue: z
        .string()
        .default('nerve')
        .describe('A queue of its own, made when it is not there; "" only logs in and opens a channel'),
      durable: z
        .boolean()
        .default(false)
        .describe('Whether the queue outlives a restart of the server. One that is there must be of the same kind'),
      datasource: text
        .optional()
        .describe(
          'How to connect, as amqp://user:password@host:port/vhost; {{.Username}}, {{.Password}}, {{.Host}}, {{.Port}} and {{.Vhost}} are filled in. Default: made of the other keys',
        ),
      ...tlsOptions(),
    })
    .superRefine(refineTls)
    .superRefine(refinePassword)
    .superRefine((settings, context) => refineDatasource(parseAmqpDatasource, settings, context))

type RabbitmqOptions = z.output<ReturnType<typeof options>>

/**
 * Sends a message through a queue and takes it out again (reference airbnb.md 2.5, blablacar-yelp.md 1.5). Any message
 * that comes out will do: several checks may share a queue, and each takes no more than it has put in. Every step waits
 * for the server's confirmation. Says goodbye properly, so that the server logs no warning. The whole run has the
 * check's `timeout`.
 */
const define = (type: string): CheckType =>
  defineCheck({
    type,
    description: 'Passes when RabbitMQ takes a message into a queue and gives it back.',
    options,
    async prepare(context, settings) {
      const progress: Progress = { waitingFor: 'login' }
      const { where, login } = await prepareLogin(context, settings, progress)
      return {
        waitingFor: () => progress.waitingFor,
        async run(signal) {
          const { model, stream, broken, ended } = await login(signal)
          const destroy = () => stream.destroy()
          signal.addEventListener('abort', destroy, { once: true })
          try {
            await rejectOnAbort(Promise.race([examine(model, settings, where, progress), broken]), signal)
            progress.waitingFor = `goodbye from ${where}`
            await rejectOnAbort(Promise.race([model.close(), ended]), signal)
            stream.destroySoon()
          } catch (cause) {
            destroy()
            signal.throwIfAborted()
            throw new Error(describeFailure(cause, where), { cause })
          } finally {
            signal.removeEventListener('abort', destroy)
          }
        },
      }
    },
  })

/** Airbnb's name. */
export const rabbitmq = define('rabbitmq')

/** BlaBlaCar's name. */
export const amqp = define('amqp')

async function examine(
  model: ChannelModel,
  { queue, durable }: RabbitmqOptions,
  where: string,
  progress: Progress,
): Promise<void> {
  const asking = (what: string) => {
    progress.waitingFor = `${what} from ${where}`
  }
  asking('channel')
  const channel = await model.createConfirmChannel()
  channel.on('error', () => {}) // whoever waits for an answer is told too
  if (queue !== '') {
    asking(`answer to the declaration of queue ${queue}`)
    await channel.assertQueue(queue, { durable })
    asking(`confirmation of a message in queue ${queue}`)
    await passMessage(channel, queue, asking)
  }
}

async function passMessage(channel: ConfirmChannel, queue: string, asking: (what: string) => void): Promise<void> {
  channel.sendToQueue(queue, MESSAGE, { mandatory: true, expiration: EXPIRATION_MS })
  // A replicated queue gives back only what has been confirmed.
  await channel.waitForConfirms()
  asking(`message of queue ${queue}`)
  // Taken for good: an acknowledgement could be overtaken by the goodbye, and the message would be there again.
  const message = await channel.get(queue, { noAck: true })
  if (message === false) throw new Error(`queue ${queue} did not give back the message that it had taken`)
}

/** A connection after its login. */
interface Broker {
  readonly model: ChannelModel
  readonly stream: Socket
  /** Rejects when nothing will be answered any more: the connection has ended, or the server takes no messages. */
  readonly broken: Promise<never>
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>
}

interface Login {
  readonly where: string
  login(signal: AbortSignal): Promise<Broker>
}

/** Loads amqplib, which connects by itself: an abort closes its socket by the signal that it is given, or takes ours away. */
async function prepareLogin(context: CheckContext, options: RabbitmqOptions, progress: Progress): Promise<Login> {
  const { connect } = await import('amqplib')
  const { target, settings } = loginOf(context, options)
  const connector = createConnector({ target, timeoutMs: context.timeoutMs })
  const { where } = connector
  const tls = await prepareTls(settings, target)
  const readPassword = await preparePassword(settings)

  const transport = async (signal: AbortSignal): Promise<Transport> => {
    progress.waitingFor = `connection to ${where}`
    const secure = await tls?.connectionOptions()
    if (tls === undefined) return { hostname: target.host, socketOptions: { ...connector.address, signal } }
    const socket = await connector.open(signal)
    progress.waitingFor = `login over TLS at ${where}`
    return { hostname: tls.serverName, socketOptions: { ...secure, socket }, socket }
  }
  return {
    where,
    async login(signal) {
      const password = await readPassword()
      const { hostname, socketOptions, socket } = await transport(signal)
      const protocol = tls === undefined ? 'amqp' : 'amqps'
      const url = { ...account(settings, password), hostname, port: target.port, protocol }
      const stop = () => socket?.destroy()
      signal.addEventListener('abort', stop, { once: true })
      try {
        const onConnect = () => {
          progress.waitingFor = `login at ${where}`
        }
        const login = whenConnected(() => connect(url, { ...socketOptions, noDelay: true }), onConnect)
        return createBroker(await rejectOnAbort(login, signal))
      } catch (cause) {
        stop()
        signal.throwIfAborted()
        throw new Error(loginReason(cause, { where, vhost: settings.vhost, secure: tls !== undefined }), { cause })
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
  }
}

/** Calls back when the socket that `open` makes is connected: amqplib shows its own one only after the login. */
function whenConnected<T>(open: () => T, onConnect: () => void): T {
  const onSocket = (message: unknown) => (message as { readonly socket: Socket }).socket.once('connect', onConnect)
  subscribe(SOCKET_MADE, onSocket)
  try {
    return open()
  } finally {
    unsubscribe(SOCKET_MADE, onSocket)
  }
}

/** What amqplib connects with. */
interface Transport {
  /** The host, or the name in its certificate. */
  readonly hostname: string
  readonly socketOptions: object
  /** Ours, if it lends itself. */
  readonly socket?: Socket
}

interface LoginSettings extends PasswordOptions, TlsOptions {
  readonly username?: string | undefined
  readonly vhost?: string | undefined
}

function loginOf(
  context: CheckContext,
  settings: RabbitmqOptions,
): { readonly target: Target; readonly settings: LoginSettings } {
  const { datasource } = settings
  if (datasource === undefined) return { target: context.target, settings }
  const source = readDatasource(parseAmqpDatasource, { ...settings, datasource }, context)
  const { username, password, database: vhost } = source
  return { target: targetOf(source, context.target), settings: { username, password, vhost, ...tlsOptionsOf(source) } }
}

/** amqplib takes a virtual host in the form that it has in a URL. No heartbeat: it would be a timer. */
function account({ username = GUEST, vhost = '' }: LoginSettings, password: string | undefined): Options.Connect {
  return {
    username,
    password: password ?? GUEST,
    vhost: encodeURIComponent(vhost === '' ? '/' : vhost),
    heartbeat: 0,
  }
}

function createBroker(model: ChannelModel): Broker {
  // Whoever waits for an answer is told too; without a listener the process would end.
  model.on('error', () => {})
  // amqplib leaves some questions open for ever when the connection ends.
  const ended = new Promise<void>((resolve) => model.on('close', resolve))
  const broken = new Promise<never>((_, reject) => {
    model.on('close', () => reject(new Error('Connection closed')))
    model.on('blocked', (reason) => reject(new Error(`the server takes no messages: ${reason}`)))
  })
  broken.catch(() => {}) // it may come when nobody looks any more
  return { model, broken, ended, stream: (model.connection as unknown as { readonly stream: Socket }).stream }
}

interface Attempt {
  readonly where: string
  readonly vhost: string | undefined
  readonly secure: boolean
}

function loginReason(error: unknown, { where, vhost = '/', secure }: Attempt): string {
  const message = messageOf(error)
  if (/Socket closed abruptly/.test(message)) return `${where} closed the connection during the login`
  // The server says why, but amqplib keeps it for itself.
  if (/^Expected ConnectionOpenOk; got <ConnectionClose/.test(message))
    return `${where} does not open the virtual host ${vhost}: it is not there, or not for this account`
  if (secure && codeOf(error) !== '') return `TLS with ${where} failed: ${tlsReason(error)}`
  return describeFailure(error, where)
}

/** What the server said, if it said something; what happened to the connection otherwise. */
function describeFailure(error: unknown, where: string): string {
  const message = messageOf(error)
  const [, word] = /with message "(.*)"/s.exec(message) ?? []
  if (word !== undefined) return oneLine(`${where} says: ${word}`, 250)
  if (/^(?:Unexpected close|Connection closed|Channel closed|Channel ended)/i.test(message))
    return `${where} closed the connection`
  if (/frame|Expected Connection/i.test(message)) return oneLine(`the answer of ${where} is not AMQP: ${message}`, 200)
  return codeOf(error) === '' ? oneLine(message, 200) : explain(error, where)
}
