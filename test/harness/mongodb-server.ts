import type { Socket } from 'node:net'
import { BSON, type Document } from 'mongodb'
import { createScram } from './scram.ts'
import { startTcpServer, type TcpServer } from './tcp-server.ts'

// No package archive that the tests may use has MongoDB, so this stands in for it: the wire protocol (OP_QUERY for the
// first hello, OP_MSG after it) and the login as their specifications have them, with the errors of a MongoDB 7.

export const MONGODB_USER = 'nerve'
export const MONGODB_PASSWORD = 'secret'

/** What members say of themselves. */
export const roles = {
  primary: { isWritablePrimary: true, secondary: false, setName: 'rs0' },
  secondary: { isWritablePrimary: false, secondary: true, setName: 'rs0' },
  arbiter: { isWritablePrimary: false, secondary: false, arbiterOnly: true, setName: 'rs0' },
  starting: { isWritablePrimary: false, secondary: false, isreplicaset: true },
  standalone: { isWritablePrimary: true },
  mongos: { isWritablePrimary: true, msg: 'isdbgrid' },
} satisfies Record<string, Document>

export interface MongodbServer {
  readonly tcp: TcpServer
  readonly port: number
  /** Commands after the greeting and the login of a connection; the first hundred. */
  readonly commands: readonly Document[]
  /** The databases that logins were asked of; the first hundred. */
  readonly authSources: readonly string[]
  role: Document
  /** What `hello` is answered with after the greeting. Default: the role. */
  failure: Document | undefined
  close(): Promise<void>
}

const versions = { ok: 1, minWireVersion: 0, maxWireVersion: 21, maxBsonObjectSize: 16_777_216, helloOk: true }

export const serverError = (code: number, codeName: string, errmsg: string): Document => ({
  ok: 0,
  errmsg,
  code,
  codeName,
})

/** Listens on a free port of 127.0.0.1 and knows one account. */
export async function startMongodb(): Promise<MongodbServer> {
  const commands: Document[] = []
  const authSources: string[] = []
  const tcp = await startTcpServer((socket) => {
    const scram = createScram(MONGODB_USER, MONGODB_PASSWORD)
    const answer = (command: Document, isGreeting: boolean): Document => {
      if ('saslStart' in command) return login(scram.start(payloadOf(command)))
      if ('saslContinue' in command) return login(scram.proceed(payloadOf(command)))
      if (!isGreeting && commands.length < 100) commands.push(command)
      if (!isGreeting && server.failure !== undefined) return server.failure
      return { ...versions, ...server.role, ...speculation(command) }
    }
    const speculation = ({ speculativeAuthenticate: early }: Document) => {
      if (early !== undefined && authSources.length < 100) authSources.push(early.db)
      const answered = early === undefined ? undefined : scram.start(payloadOf(early))
      return answered === undefined ? {} : { speculativeAuthenticate: login(answered) }
    }
    readMessages(socket, answer)
  })
  const server: MongodbServer = {
    tcp,
    port: tcp.port,
    commands,
    authSources,
    role: roles.primary,
    failure: undefined,
    close: () => tcp.close(),
  }
  return server
}

const payloadOf = (command: Document): string => Buffer.from(command['payload'].buffer).toString()

function login(message: { readonly text: string; readonly done: boolean } | undefined): Document {
  if (message === undefined) return serverError(18, 'AuthenticationFailed', 'Authentication failed.')
  return { conversationId: 1, done: message.done, payload: new BSON.Binary(Buffer.from(message.text)), ok: 1 }
}

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const HEADER_BYTES = 16

/** Answers the messages of a connection. Who says something else is hung up on, as the real server does. */
function readMessages(socket: Socket, answer: (command: Document, isGreeting: boolean) => Document): void {
  let unread = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk])
    while (unread.length >= HEADER_BYTES && unread.length >= unread.readInt32LE(0)) {
      const message = unread.subarray(0, unread.readInt32LE(0))
      unread = unread.subarray(message.length)
      const kind = message.readInt32LE(12)
      if (kind !== OP_QUERY && kind !== OP_MSG) return void socket.end()
      const isGreeting = kind === OP_QUERY
      const reply = Buffer.from(BSON.serialize(answer(commandOf(message, isGreeting), isGreeting)))
      socket.write(encode(reply, message.readInt32LE(4), isGreeting))
    }
  })
}

function commandOf(message: Buffer, isQuery: boolean): Document {
  // A query has flags, a name that ends with a zero, and two numbers before its document; a message flags and one byte.
  const start = isQuery ? message.indexOf(0, HEADER_BYTES + 4) + 1 + 8 : HEADER_BYTES + 5
  return BSON.deserialize(message.subarray(start, start + message.readInt32LE(start)))
}

function encode(document: Buffer, answerTo: number, isReply: boolean): Buffer {
  const before = Buffer.alloc(isReply ? 20 : 5)
  if (isReply) before.writeInt32LE(1, 16) // the number of documents
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeInt32LE(HEADER_BYTES + before.length + document.length, 0)
  header.writeInt32LE(answerTo, 8)
  header.writeInt32LE(isReply ? OP_REPLY : OP_MSG, 12)
  return Buffer.concat([header, before, document])
}
