import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { consistently, eventually } from '../../harness/eventually.ts'
import { createFaultProxy, type FaultProxy } from '../../harness/fault-proxy.ts'

/** A client that remembers what it received and how it ended. */
class Client {
  received = ''
  ended = false
  error: string | undefined
  readonly socket: Socket

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setEncoding('utf8').on('data', (chunk: string) => {
      this.received += chunk
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code
    })
    this.socket.on('close', () => {
      this.ended = true
    })
  }

  send(text: string): void {
    this.socket.write(text)
  }

  receives(text: string): Promise<void> {
    return eventually(() => assert.equal(this.received, text))
  }

  ends(): Promise<void> {
    return eventually(() => assert.equal(this.ended, true))
  }
}

describe('createFaultProxy()', () => {
  let server: Server
  let proxy: FaultProxy
  let serverReceived = ''
  const serverSockets = new Set<Socket>()
  const clients: Client[] = []
  const connectClient = () => {
    const client = new Client(proxy.port)
    clients.push(client)
    return client
  }

  beforeEach(async () => {
    serverReceived = ''
    // Answers every piece of data in upper case.
    server = createServer((socket) => {
      serverSockets.add(socket)
      socket.on('close', () => serverSockets.delete(socket)).on('error', () => {})
      socket.on('data', (data) => {
        serverReceived += data
        socket.write(String(data).toUpperCase())
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    proxy = await createFaultProxy((server.address() as AddressInfo).port)
  })

  afterEach(async () => {
    await proxy.close()
    for (const client of clients.splice(0)) client.socket.destroy()
    for (const socket of serverSockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('passes bytes both ways and counts them and the connections', async () => {
    const client = connectClient()
    client.send('hello')
    await client.receives('HELLO')
    assert.deepEqual(proxy.forwarded, { toServer: 5, toClient: 5 })
    assert.equal(proxy.accepted, 1)
    assert.equal(proxy.open, 1)
    client.socket.end()
    await client.ends()
    await eventually(() => assert.equal(proxy.open, 0))
    assert.equal(proxy.accepted, 1)
  })

  it('refuse(): refuses new connections on the same port until resume(), and leaves the others alone', async () => {
    const old = connectClient()
    old.send('a')
    await old.receives('A')
    const { port } = proxy
    proxy.refuse()
    const refused = connectClient()
    await refused.ends()
    assert.equal(refused.error, 'ECONNREFUSED')
    old.send('b')
    await old.receives('AB')
    await proxy.resume()
    assert.equal(proxy.port, port)
    const accepted = connectClient()
    accepted.send('c')
    await accepted.receives('C')
  })

  it('cut(): ends every connection at both ends', async () => {
    const [one, two] = [connectClient(), connectClient()]
    for (const client of [one, two]) {
      client.send('x')
      await client.receives('X')
    }
    proxy.cut()
    await Promise.all([one.ends(), two.ends()])
    await eventually(() => assert.equal(serverSockets.size, 0))
    await eventually(() => assert.equal(proxy.open, 0))
  })

  for (const bytes of [0, 3, 5]) {
    it(`cutAfter(): cuts in the middle of an answer, after ${bytes} bytes, once`, async () => {
      const client = connectClient()
      client.send('ab')
      await client.receives('AB')
      proxy.cutAfter('toClient', bytes)
      client.send('secret')
      await client.ends()
      assert.equal(client.received, `AB${'SECRET'.slice(0, bytes)}`)
      assert.equal(serverReceived, 'absecret', 'the request itself arrived')
      const next = connectClient()
      next.send('longer than that')
      await next.receives('LONGER THAN THAT')
    })
  }

  it('cutAfter(): cuts in the middle of a request', async () => {
    const client = connectClient()
    proxy.cutAfter('toServer', 4)
    client.send('request')
    await client.ends()
    await eventually(() => assert.equal(serverReceived, 'requ'))
  })

  it('stall(): holds one direction, hides the end of the connection, and loses nothing', async () => {
    const client = connectClient()
    client.send('a')
    await client.receives('A')
    proxy.stall('toClient')
    client.send('b')
    await eventually(() => assert.equal(serverReceived, 'ab'))
    for (const socket of serverSockets) socket.end()
    await consistently(() => assert.deepEqual([client.received, client.ended], ['A', false]), 50)
    await proxy.resume()
    await client.receives('AB')
    await client.ends()
    assert.equal(client.error, undefined)
  })

  it('stall(): holds both directions by default', async () => {
    const client = connectClient()
    client.send('a')
    await client.receives('A')
    proxy.stall()
    client.send('b')
    await consistently(() => assert.equal(serverReceived, 'a'), 50)
    await proxy.resume()
    await client.receives('AB')
  })

  it('blackHole(): loses one direction, and resume() cuts only what lost bytes', async () => {
    const [loser, idle] = [connectClient(), connectClient()]
    for (const client of [loser, idle]) {
      client.send('a')
      await client.receives('A')
    }
    proxy.blackHole('toServer')
    loser.send('lost')
    await consistently(() => assert.deepEqual([serverReceived, loser.ended], ['aa', false]), 50)
    await proxy.resume()
    await loser.ends()
    idle.send('b')
    await idle.receives('AB')
    assert.equal(serverReceived, 'aab')
  })

  it('swallow(): accepts and never answers, until resume() cuts', async () => {
    proxy.swallow()
    const client = connectClient()
    client.send('anybody there?')
    await eventually(() => assert.equal(proxy.accepted, 1))
    await consistently(() => assert.deepEqual([client.received, client.ended, serverReceived], ['', false, '']), 50)
    await proxy.resume()
    await client.ends()
    await eventually(() => assert.equal(proxy.open, 0))
  })

  it('delay(): delivers later and in order', async () => {
    const client = connectClient()
    client.send('a')
    await client.receives('A')
    proxy.delay(40)
    const started = performance.now()
    client.send('b')
    client.send('c')
    await client.receives('ABC')
    assert.ok(performance.now() - started >= 80, '40 ms each way')
  })

  it('resets the other side when one side resets', async () => {
    const client = connectClient()
    client.send('a')
    await client.receives('A')
    for (const socket of serverSockets) socket.resetAndDestroy()
    await client.ends()
    assert.equal(client.error, 'ECONNRESET')
    await eventually(() => assert.equal(proxy.open, 0))
  })

  it('close(): ends connections and frees the port', async () => {
    const client = connectClient()
    client.send('a')
    await client.receives('A')
    await proxy.close()
    await client.ends()
    assert.equal(proxy.open, 0)
    const late = connectClient()
    await late.ends()
    assert.equal(late.error, 'ECONNREFUSED')
  })
})
