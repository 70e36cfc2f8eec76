import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { Client } from '../../../src/zookeeper/client.ts'
import type { ClientListener } from '../../../src/zookeeper/client-listener.ts'
import { createDial } from '../../../src/zookeeper/dial.ts'
import { FrameSplitter } from '../../../src/zookeeper/frame-splitter.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { freePort } from '../../harness/ports.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const XID = { notification: -1, ping: -2, auth: -4 } as const
const TYPE = {
  exists: 3,
  getData: 4,
  getChildren2: 12,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  closeSession: -11,
} as const
const AUTH_FAILED = -115

interface Request {
  readonly xid: number
  readonly type: number
  /** What follows the header. */
  readonly body: Buffer
}

const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const long = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}
const frame = (...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([int(body.length), body])
}
const text = (value: string): Buffer => Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)])
const reply = (xid: number, error: number, payload: Buffer = Buffer.alloc(0), zxid = 7): Buffer =>
  frame(int(xid), long(zxid), int(error), payload)
const STAT = Buffer.alloc(68)

/** A server that keeps to ZooKeeper's protocol until a test tells it not to. */
class FakeZooKeeper {
  /** Headers in the order in which they came, one list per connection. */
  readonly requests: Request[][] = []
  /** The whole first frame of each connection. */
  readonly connects: Buffer[] = []
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  sessionTimeoutMs = 10_000
  /** How many of the next connections get no answer at all, as from a ZooKeeper that has just opened its port. */
  silentConnections = 0
  onRequest: (request: Request, socket: Socket, connection: number) => void = ({ xid, type }, socket) => {
    socket.write(reply(xid, 0, type === TYPE.exists ? STAT : undefined))
  }

  constructor() {
    this.#server = createServer((socket) => this.#accept(socket))
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    const connection = this.requests.push([]) - 1
    const splitter = new FrameSplitter(1 << 20)
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of splitter.push(chunk)) this.#onFrame(bytes, socket, connection)
    })
  }

  #onFrame(bytes: Buffer, socket: Socket, connection: number): void {
    if (this.connects.length === connection) {
      this.connects.push(bytes)
      if (this.silentConnections-- > 0) return
      socket.write(
        frame(int(0), int(this.sessionTimeoutMs), long(0xabc), int(16), Buffer.alloc(16, 1), Buffer.alloc(1)),
      )
      return
    }
    const request = { xid: bytes.readInt32BE(4), type: bytes.readInt32BE(8), body: bytes.subarray(12) }
    this.requests[connection]?.push(request)
    this.onRequest(request, socket, connection)
  }
}

describe('Client and Connection on a server that tests their nerves', () => {
  const { signal } = new AbortController()
  let server: FakeZooKeeper
  let client: Client
  let events: string[]
  let port: number

  beforeEach(async () => {
    server = new FakeZooKeeper()
    port = await freePort() // that nobody else gets while no server listens
    await server.listen(port)
    events = []
  })
  afterEach(async () => {
    await client.close(0)
    await server.close()
  })

  function start(digest?: string, clock: Clock = systemClock): Client {
    const listener: ClientListener = {
      onConnected: () => events.push('connected'),
      onDisconnected: (reason) => events.push(`disconnected ${reason}`),
      onAttemptFailed: (failure, reason) => events.push(`${failure} ${reason}`),
      onEnded: (cause, reason) => events.push(`${cause} ${reason}`),
    }
    client = new Client({
      servers: [{ host: '127.0.0.1', port }],
      sessionTimeoutMs: 5000,
      operationTimeoutMs: 5000,
      digest,
      dial: createDial(undefined),
      clock,
      random: () => 0.5,
      log: recordingLog(),
      listener,
      onSettled() {},
    })
    client.connect()
    return client
  }

  it('asks a server anew soon that took the first connection after a refusal and never answers it', async () => {
    await server.close()
    start()
    await eventually(() => assert.match(String(events.at(-1)), /ECONNREFUSED/))
    server = new FakeZooKeeper()
    server.silentConnections = 1
    await server.listen(port)
    await eventually(() => assert.equal(events.at(-1), 'connected'))
    const [waited, ...others] = events.filter((event) => event.startsWith('silent'))
    assert.deepEqual(others, [])
    assert.match(String(waited), /no answer to the handshake within 250 ms$/)
  })

  const connected = () => eventually(() => assert.equal(events.at(-1), 'connected'))
  const where = () => `127.0.0.1:${port}`

  it('asks for a session as a client of today does: no old zxid, no session, not read-only', async () => {
    start()
    await connected()
    const [connect] = server.connects
    assert.deepEqual(connect, frame(int(0), long(0), int(5000), long(0), int(16), Buffer.alloc(16), Buffer.from([0])))
    assert.equal(client.sessionId, '0xabc')
    assert.equal(client.sessionTimeoutMs, 10_000)
  })

  it('resumes its session with the newest zxid that it has seen', async () => {
    const zxids = [50, 40, -1]
    server.onRequest = ({ xid }, socket) => socket.write(reply(xid, 0, STAT, zxids.shift() ?? 60))
    start()
    await connected()
    for (let times = 0; times < 3; times++) await client.exists('/a', signal)
    server.cut()
    await eventually(() => assert.equal(server.connects.length, 2))
    const resumed = server.connects[1] ?? assert.fail()
    assert.equal(resumed.readBigInt64BE(8), 50n)
    assert.equal(resumed.readInt32BE(16), 5000)
    assert.equal(resumed.readBigInt64BE(20), 0xabcn)
    assert.deepEqual(resumed.subarray(32, 48), Buffer.alloc(16, 1))
  })

  it('sends credentials, then watches, then requests', async () => {
    start('user:password')
    await connected()
    await client.exists('/watched', signal, () => {})
    server.cut()
    await eventually(() => assert.equal(events.filter((event) => event === 'connected').length, 2))
    await client.exists('/asked', signal)
    assert.deepEqual(
      server.requests[1]?.map(({ type }) => type),
      [TYPE.auth, TYPE.setWatches, TYPE.exists],
    )
    assert.ok(server.requests[1]?.[0]?.body.includes('user:password'))
    assert.ok(server.requests[1]?.[1]?.body.includes('/watched'))
  })

  it('is not connected before its credentials are accepted, and gives up when they are not', async () => {
    let refuse = () => {}
    server.onRequest = ({ xid }, socket) => {
      refuse = () => socket.write(reply(xid, AUTH_FAILED))
    }
    start('user:password')
    await eventually(() => assert.equal(server.requests[0]?.length, 1))
    assert.deepEqual(events, [])
    refuse()
    await eventually(() => assert.deepEqual(events, ['auth_failed authentication refused: AUTH_FAILED (-115)']))
    await assert.rejects(client.exists('/a', signal), { code: 'CONNECTION_LOSS' })
    client.connect()
    assert.equal(server.connects.length, 1)
  })

  it('starts again when its watches are refused', async () => {
    start()
    await connected()
    await client.exists('/watched', signal, () => {})
    server.onRequest = ({ xid }, socket, connection) => socket.write(reply(xid, connection === 1 ? -127 : 0))
    server.cut()
    await eventually(() => assert.equal(server.connects.length, 3))
    assert.ok(events.includes(`disconnected ${where()}: watches not set: THROTTLED_OP (-127)`))
    await connected()
  })

  const nonsense = [
    {
      name: 'to a request that was never made',
      bytes: () => reply(4711, 0),
      reason: /request 4711 waits for no answer/,
    },
    { name: 'out of order', bytes: (xid: number) => reply(xid + 1, 0), reason: /waits for no answer/ },
    {
      name: 'too short for what was asked',
      bytes: (xid: number) => reply(xid, 0, int(1)),
      reason: /unreadable answer/,
    },
    { name: 'without even a header', bytes: () => frame(int(1)), reason: /unreadable answer/ },
    { name: 'with a negative length', bytes: () => int(-5), reason: /bad frame length -5/ },
    { name: 'of a gigabyte', bytes: () => int(1 << 30), reason: /bad frame length 1073741824/ },
    { name: 'of another protocol', bytes: () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), reason: /bad frame/ },
  ]
  for (const { name, bytes, reason } of nonsense) {
    it(`takes an answer ${name} for a lost connection, and asks again on the next`, async () => {
      server.onRequest = ({ xid }, socket, connection) => {
        socket.write(connection === 0 ? bytes(xid) : reply(xid, 0, STAT))
      }
      start()
      await connected()
      await assert.rejects(client.exists('/a', signal), { code: 'CONNECTION_LOSS' })
      assert.match(events[1] ?? '', reason)
      await connected()
      assert.equal((await client.exists('/a', signal))?.version, 0)
    })
  }

  it('fails a listing that claims more children than it holds', async () => {
    server.onRequest = ({ xid }, socket) => socket.write(reply(xid, 0, Buffer.concat([int(1_000_000), text('a')])))
    start()
    await connected()
    await assert.rejects(client.getChildren('/a', signal), { code: 'CONNECTION_LOSS' })
  })

  it('calls a watch that fires in the same packet as the answer that set it', async () => {
    server.onRequest = ({ xid }, socket) => {
      const notification = frame(int(XID.notification), long(-1), int(0), int(1), int(3), text('/a'))
      socket.write(Buffer.concat([reply(xid, -101), notification]))
    }
    start()
    await connected()
    const fired: string[] = []
    assert.equal(await client.exists('/a', signal, (event) => fired.push(event)), undefined)
    assert.deepEqual(fired, ['created'])
  })

  it('sets no watch for a request that was given up', async () => {
    let answer = () => {}
    server.onRequest = ({ xid, type }, socket) => {
      answer = () => socket.write(reply(xid, 0, type === TYPE.exists ? STAT : undefined))
    }
    start()
    await connected()
    const stop = new AbortController()
    const asking = client.exists('/a', stop.signal, () => assert.fail('fired'))
    await eventually(() => assert.equal(server.requests[0]?.length, 1))
    stop.abort(new Error('enough'))
    await assert.rejects(asking, { message: 'enough' })
    answer()
    server.cut()
    await eventually(() => assert.equal(server.connects.length, 2))
    await connected()
    const next = client.exists('/b', signal)
    await eventually(() => assert.equal(server.requests[1]?.length, 1))
    answer()
    await next
    assert.deepEqual(
      server.requests[1]?.map(({ type }) => type),
      [TYPE.exists],
    )
  })

  describe('getDataOf()', () => {
    const NODES = ['/a', '/b'].map((path) => ({ path, watch: () => {} }))
    const data = (text: string) => Buffer.concat([int(text.length), Buffer.from(text), STAT])
    const found = (text: string) => Buffer.concat([int(TYPE.getData), Buffer.from([0]), int(0), data(text)])
    const LAST = Buffer.concat([int(-1), Buffer.from([1]), int(-1)])
    const types = (connection: number) => server.requests[connection]?.map(({ type }) => type)
    const texts = (read: readonly unknown[]) =>
      read.map((each) => (each instanceof Error ? each.message : String((each as { data: Buffer }).data)))
    /** As ZooKeeper before 3.6: it says that it does not know the request, and hangs up. */
    const old = ({ xid, type }: Request, socket: Socket) => {
      if (type === TYPE.multiRead) socket.end(reply(xid, -6))
      else socket.write(reply(xid, 0, type === TYPE.getData ? data('alone') : undefined))
    }

    it('sets the watches first, since the newest transaction that is known, then reads all with one request', async () => {
      server.onRequest = ({ xid, type }, socket) => {
        const answer = type === TYPE.multiRead ? Buffer.concat([found('1'), found('2'), LAST]) : undefined
        socket.write(reply(xid, 0, type === TYPE.exists ? STAT : answer, 0x77))
      }
      start()
      await connected()
      await client.exists('/any', signal)
      assert.deepEqual(texts(await client.getDataOf(NODES, signal)), ['1', '2'])
      assert.deepEqual(types(0), [TYPE.exists, TYPE.setWatches, TYPE.multiRead])
      assert.equal(server.requests[0]?.[1]?.body.readBigInt64BE(), 0x77n)
    })

    it('reads one by one for good from a server that does not know how, after one lost connection', async () => {
      server.onRequest = old
      start()
      await connected()
      const first = [client.getDataOf(NODES, signal), client.getDataOf(NODES, signal)]
      for (const reading of first) await assert.rejects(reading, { code: 'CONNECTION_LOSS' })
      await connected()
      assert.deepEqual(texts(await client.getDataOf(NODES, signal)), ['alone', 'alone'])
      const trials = [0, 1].map((connection) => types(connection)?.filter((type) => type === TYPE.multiRead).length)
      assert.deepEqual(trials, [1, 0], 'the second waited for the outcome of the first')
    })

    it('tells the error of each node that cannot be read', async () => {
      const refused = Buffer.concat([int(-1), Buffer.from([0]), int(-102), int(-102)])
      server.onRequest = ({ xid, type }, socket) =>
        socket.write(reply(xid, 0, type === TYPE.multiRead ? Buffer.concat([found('1'), refused, LAST]) : undefined))
      start()
      await connected()
      assert.deepEqual(texts(await client.getDataOf(NODES, signal)), ['1', 'getData /b: NO_AUTH (-102)'])
    })

    it('tells the error of each node also where it reads one by one', async () => {
      server.onRequest = (request, socket) => {
        const isSecond = request.type === TYPE.getData && request.body.includes('/b')
        if (isSecond) socket.write(reply(request.xid, -102))
        else old(request, socket)
      }
      start()
      await connected()
      await assert.rejects(client.getDataOf(NODES, signal), { code: 'CONNECTION_LOSS' })
      await connected()
      assert.deepEqual(texts(await client.getDataOf(NODES, signal)), ['alone', 'getData /b: NO_AUTH (-102)'])
    })

    it('does not read one by one because a reading was given up', async () => {
      server.onRequest = ({ xid, type }, socket) => {
        if (type !== TYPE.multiRead) socket.write(reply(xid, 0))
      }
      start()
      await connected()
      const stop = new AbortController()
      const given = client.getDataOf(NODES, stop.signal)
      await eventually(() => assert.equal(types(0)?.length, 2))
      stop.abort(new Error('enough'))
      await assert.rejects(given, { message: 'enough' })
      void client.getDataOf(NODES, signal).catch(() => {})
      await eventually(() => assert.equal(types(0)?.filter((type) => type === TYPE.multiRead).length, 2))
    })
  })

  it('ignores notifications that concern no watch, of kinds that it does not know', async () => {
    server.onRequest = ({ xid }, socket) => {
      for (const type of [-1, 3, 99]) {
        socket.write(frame(int(XID.notification), long(-1), int(0), int(type), int(3), text('/nobody')))
      }
      socket.write(reply(xid, 0, STAT))
    }
    start()
    await connected()
    assert.equal((await client.exists('/a', signal))?.version, 0)
    assert.deepEqual(events, ['connected'])
  })

  it('is told at once that its session has expired', async () => {
    server.sessionTimeoutMs = 0
    start()
    await eventually(() => assert.deepEqual(events, ['expired the ensemble does not know the session any more']))
    assert.equal(server.connects.length, 1)
  })

  it('pings on an idle connection and needs no answer to more than that', async () => {
    server.sessionTimeoutMs = 300
    const clock = new FakeClock() // no silence is an end because this machine is busy
    start(undefined, clock)
    await eventually(async () => {
      await clock.advance(1)
      assert.deepEqual(events, ['connected'])
    })
    for (let pings = 1; pings <= 5; pings++) {
      await clock.advance(100)
      await eventually(() => assert.equal(server.requests[0]?.length, pings))
      await settle() // the answer
    }
    assert.ok(server.requests[0]?.every(({ xid }) => xid === XID.ping))
    assert.deepEqual(events, ['connected'])
  })

  it('says that it was turned away when the server closes without an answer', async () => {
    await server.close()
    const deaf = createServer((socket) => socket.on('data', () => socket.destroy()).on('error', () => {}))
    deaf.listen(port, '127.0.0.1')
    await once(deaf, 'listening')
    start()
    await eventually(() => assert.ok(events.length >= 2))
    await client.close(0)
    await new Promise((resolve) => deaf.close(resolve))
    assert.match(events[0] ?? '', new RegExp(`^turned_away ${where()}: `))
  })

  it('says that a server is unreachable when nobody listens', async () => {
    await server.close()
    start()
    await eventually(() => assert.ok(events.length >= 2))
    assert.match(events[0] ?? '', new RegExp(`^unreachable ${where()}: .*ECONNREFUSED`))
  })
})
