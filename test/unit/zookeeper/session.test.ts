import assert from 'node:assert/strict'
import type { LogFields, Logger } from '../../../src/core/log.ts'
import type { ClientListener } from '../../../src/zookeeper/client-listener.ts'
import { type SessionClient, SharedSession } from '../../../src/zookeeper/session.ts'
import type { SessionMetrics } from '../../../src/zookeeper/session-metrics.ts'
import type { SessionState, Stat } from '../../../src/zookeeper/zookeeper.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

const STAT: Stat = { czxid: '0x1', mzxid: '0x1', version: 0, ephemeralOwner: undefined, numChildren: 0 }
const SERVER = { host: '127.0.0.1', port: 2181 }
const { signal } = new AbortController()

/** A client that does what the test says and remembers what it was asked. */
class FakeClient implements SessionClient {
  readonly listener: ClientListener
  readonly calls: string[] = []
  readonly nodes = new Set<string>()
  connected = false
  sessionId: string | undefined
  readonly sessionTimeoutMs = 10_000
  readonly server = SERVER

  constructor(listener: ClientListener) {
    this.listener = listener
  }

  open(sessionId: string): void {
    this.connected = true
    this.sessionId = sessionId
    this.listener.onConnected()
  }

  drop(reason = 'cut'): void {
    this.connected = false
    this.listener.onDisconnected(reason)
  }

  connect(): void {
    this.calls.push('connect')
  }

  retryAt({ port }: typeof SERVER): void {
    this.calls.push(`retryAt ${port}`)
  }

  async close(limitMs: number): Promise<void> {
    this.calls.push(`close ${limitMs}`)
    this.connected = false
  }

  async exists(path: string): Promise<Stat | undefined> {
    this.calls.push(`exists ${path}`)
    return this.nodes.has(path) ? STAT : undefined
  }

  async getData(path: string) {
    this.calls.push(`getData ${path}`)
    return { data: Buffer.from(path), stat: STAT }
  }

  async getDataOf(nodes: readonly { readonly path: string }[]) {
    return Promise.all(nodes.map(({ path }) => this.getData(path)))
  }

  async getChildren(path: string) {
    this.calls.push(`getChildren ${path}`)
    return { children: [], stat: STAT }
  }

  async create(path: string): Promise<string> {
    this.calls.push(`create ${path}`)
    this.nodes.add(path)
    return `${path}0000000001`
  }

  async setData(path: string): Promise<Stat> {
    this.calls.push(`setData ${path}`)
    return STAT
  }

  async delete(path: string): Promise<boolean> {
    this.calls.push(`delete ${path}`)
    return this.nodes.delete(path)
  }
}

function start({ chroot = '' } = {}) {
  const clock = new FakeClock()
  const clients: FakeClient[] = []
  const lines: string[] = []
  const measured: string[] = []
  const write = (message: string, fields: LogFields = {}) =>
    lines.push(
      [message, fields['from'], fields['to'], fields['reason']].filter((part) => part !== undefined).join(' | '),
    )
  const log: Logger = { debug: write, info: write, warn: write, error: write, child: () => log }
  const metrics: SessionMetrics = {
    stateChanged: (status) => measured.push(status),
    connected: () => measured.push('+connect'),
    lost: (cause) => measured.push(`+${cause}`),
    operation: () => {},
    remove: () => {},
  }
  const firsts: (typeof SERVER | undefined)[] = []
  const createClient = (listener: ClientListener, first?: typeof SERVER) => {
    const client = new FakeClient(listener)
    firsts.push(first)
    clients.push(client)
    return client
  }
  const session = new SharedSession({ chroot, createClient, clock, log, metrics, random: () => 0 })
  const states: SessionState[] = []
  session.subscribe((state) => states.push(state))
  const client = (number: number): FakeClient => {
    const found = clients[number]
    assert.ok(found, `client ${number} does not exist`)
    return found
  }
  return { client, clients, clock, firsts, lines, measured, session, states }
}

describe('SharedSession', () => {
  it('connects at once and is connected when its client is', async () => {
    const { client, session, states, lines, measured } = start()
    assert.deepEqual(session.state, { status: 'connecting' })
    assert.deepEqual(client(0).calls, ['connect'])
    client(0).open('0xa')
    await settle()
    assert.deepEqual(states, [{ status: 'connected', sessionId: '0xa' }])
    assert.deepEqual(lines, ['ZooKeeper session changed | connecting | connected'])
    assert.deepEqual(measured, ['connecting', '+connect', 'connected'])
  })

  it('is suspended while its client has no connection, and keeps its generation', () => {
    const { client, session, states } = start()
    client(0).open('0xa')
    client(0).drop('127.0.0.1:2181: silent for 6667 ms')
    assert.deepEqual(session.state, {
      status: 'suspended',
      sessionId: '0xa',
      reason: '127.0.0.1:2181: silent for 6667 ms',
    })
    client(0).open('0xa')
    assert.deepEqual(
      states.map(({ status }) => status),
      ['connected', 'suspended', 'connected'],
    )
    assert.equal(session.generation, 0)
  })

  it('tells the newest reason, and logs the first failed attempt only', () => {
    const { client, session, lines } = start()
    for (const port of [1, 2, 3]) client(0).listener.onAttemptFailed('unreachable', `zk:${port}: refused`, true)
    assert.deepEqual(session.state, { status: 'connecting', reason: 'zk:3: refused' })
    assert.deepEqual(lines, ['ZooKeeper cannot be reached | zk:1: refused'])
  })

  it('makes a new client at once when its session expires', () => {
    const { client, clients, session, states, measured } = start()
    client(0).open('0xa')
    client(0).drop()
    client(0).listener.onEnded('expired', 'the ensemble does not know the session any more')
    assert.equal(session.generation, 1)
    assert.deepEqual(session.state, { status: 'lost', reason: 'the ensemble does not know the session any more' })
    assert.deepEqual(client(1).calls, ['connect'])
    client(1).open('0xb')
    assert.deepEqual(states.at(-1), { status: 'connected', sessionId: '0xb' })
    assert.ok(measured.includes('+expired'))
    assert.equal(clients.length, 2)
  })

  it('sends a new client first to the server that it heard of last', () => {
    const { client, firsts } = start()
    client(0).open('0xa')
    client(0).listener.onEnded('expired', 'gone')
    client(1).open('0xb')
    client(1).drop()
    client(1).listener.onAttemptFailed('turned_away', 'closed by the server', true)
    assert.deepEqual(firsts, [undefined, SERVER, SERVER])
  })

  it('ignores what a replaced client still says', () => {
    const { client, session } = start()
    client(0).open('0xa')
    client(0).listener.onEnded('expired', 'gone')
    client(1).open('0xb')
    client(0).drop()
    client(0).listener.onAttemptFailed('turned_away', 'late', true)
    client(0).listener.onEnded('expired', 'again')
    assert.deepEqual(session.state, { status: 'connected', sessionId: '0xb' })
    assert.equal(session.generation, 1)
  })

  it('waits longer and longer before it repeats a refused authentication', async () => {
    const { client, clients, clock } = start()
    for (const [number, waitMs] of [1000, 2000, 4000].entries()) {
      client(number).listener.onEnded('auth_failed', 'authentication refused')
      await clock.advance(waitMs - 1)
      assert.deepEqual(client(number + 1).calls, [], `after refusal ${number + 1}`)
      await clock.advance(1)
      assert.deepEqual(client(number + 1).calls, ['connect'])
    }
    assert.equal(clients.length, 4)
  })

  describe('when it is turned away', () => {
    function turnedAway() {
      const started = start()
      started.client(0).open('0xa')
      started.client(0).drop()
      started.client(0).listener.onAttemptFailed('turned_away', 'closed by the server', true)
      return started
    }

    it('sends a rival, and its own client once more to the server that accepts the rival', () => {
      const { client, session } = turnedAway()
      assert.deepEqual(client(1).calls, ['connect'])
      client(1).open('0xb')
      assert.deepEqual(client(0).calls, ['connect', 'retryAt 2181'])
      assert.equal(session.state.status, 'suspended')
    })

    it('lets the rival take over when that fails', () => {
      const { client, session, states } = turnedAway()
      client(1).open('0xb')
      client(0).listener.onAttemptFailed('turned_away', 'closed by the server', true)
      assert.deepEqual(
        states.map(({ status }) => status),
        ['connected', 'suspended', 'lost', 'connected'],
      )
      assert.match(states[2]?.reason ?? '', /a new session is accepted, ours is not/)
      assert.deepEqual(session.state, { status: 'connected', sessionId: '0xb' })
      assert.equal(session.generation, 1)
      assert.deepEqual(client(0).calls.at(-1), 'close 0')
    })

    it('sends the rival home when its own client gets through', () => {
      const { client, session } = turnedAway()
      client(1).open('0xb')
      client(0).open('0xa')
      assert.deepEqual(session.state, { status: 'connected', sessionId: '0xa' })
      assert.equal(session.generation, 0)
      assert.equal(client(1).calls.at(-1), 'close 1000')
    })

    it('does not give its session up because a server has just died', () => {
      const { client, session } = turnedAway()
      client(1).open('0xb')
      client(0).listener.onAttemptFailed('unreachable', 'refused', true)
      assert.equal(session.state.status, 'suspended')
    })

    it('does not give its session up when the rival has lost its connection', () => {
      const { client, session } = turnedAway()
      client(1).open('0xb')
      client(1).drop()
      client(0).listener.onAttemptFailed('turned_away', 'closed by the server', true)
      assert.equal(session.state.status, 'suspended')
    })

    it('sends one rival, not one per attempt', () => {
      const { client, clients } = turnedAway()
      for (let attempt = 0; attempt < 5; attempt++) {
        client(0).listener.onAttemptFailed('turned_away', 'closed by the server', true)
      }
      assert.equal(clients.length, 2)
    })

    it('lets a rival that is on its way take over when the session expires', () => {
      const { client, clients, session } = turnedAway()
      client(0).listener.onEnded('expired', 'gone')
      assert.equal(clients.length, 2)
      client(1).open('0xb')
      assert.deepEqual(session.state, { status: 'connected', sessionId: '0xb' })
      assert.equal(session.generation, 1)
    })
  })

  it('sends no rival before every server was tried, nor before it ever had a session', () => {
    const fresh = start()
    fresh.client(0).listener.onAttemptFailed('turned_away', 'closed by the server', true)
    assert.equal(fresh.clients.length, 1)
    const early = start()
    early.client(0).open('0xa')
    early.client(0).drop()
    early.client(0).listener.onAttemptFailed('turned_away', 'closed by the server', false)
    early.client(0).listener.onAttemptFailed('unreachable', 'refused', true)
    assert.equal(early.clients.length, 1)
  })

  it('sends a rival after twice the session timeout whatever the reason', async () => {
    const { client, clients, clock } = start()
    client(0).open('0xa')
    client(0).drop()
    await clock.advance(19_999)
    assert.equal(clients.length, 1)
    await clock.advance(1)
    assert.equal(clients.length, 2)
    client(1).open('0xb')
    client(0).listener.onAttemptFailed('silent', 'no answer to the handshake within 1000 ms', false)
    assert.equal(client(0).calls.at(-1), 'close 0')
  })

  it('sends none when it came back in time', async () => {
    const { client, clients, clock } = start()
    client(0).open('0xa')
    client(0).drop()
    await clock.advance(15_000)
    client(0).open('0xa')
    await clock.advance(60_000)
    assert.equal(clients.length, 1)
    assert.equal(clock.pending, 0)
  })

  describe('with a chroot', () => {
    it('makes it before it says connected', async () => {
      const { client, session } = start({ chroot: '/apps/web' })
      client(0).open('0xa')
      assert.equal(session.state.status, 'connecting')
      await settle()
      assert.equal(session.state.status, 'connected')
      assert.ok(client(0).nodes.has('/apps/web'))
    })

    it('puts it in front of every path, and takes it off a created one', async () => {
      const { client, session } = start({ chroot: '/apps' })
      client(0).open('0xa')
      await settle()
      client(0).calls.length = 0
      assert.equal(
        await session.create('/web/n_', Buffer.alloc(0), { mode: 'ephemeral_sequential' }, signal),
        '/web/n_0000000001',
      )
      await session.exists('/', signal)
      await session.getData('/web', signal)
      await session.getChildren('/web', signal)
      await session.setData('/web', Buffer.alloc(0), signal)
      await session.delete('/web', signal)
      assert.deepEqual(client(0).calls, [
        'create /apps/web/n_',
        'exists /apps',
        'getData /apps/web',
        'getChildren /apps/web',
        'setData /apps/web',
        'delete /apps/web',
      ])
    })

    it('says connected even when it may not make it, and says so', async () => {
      const { client, session, lines } = start({ chroot: '/apps' })
      client(0).create = () => Promise.reject(new Error('no right'))
      client(0).open('0xa')
      await settle()
      assert.equal(session.state.status, 'connected')
      assert.ok(lines.includes('chroot not made'))
    })
  })

  it('fails operations at once, with the reason, while it has no connection', async () => {
    const { client, session } = start()
    await assert.rejects(session.getData('/a', signal), {
      code: 'CONNECTION_LOSS',
      message: 'getData /a: no connection to ZooKeeper (connecting)',
    })
    client(0).open('0xa')
    client(0).drop('zk:1: cut')
    await assert.rejects(session.ensurePath('/a', signal), {
      code: 'CONNECTION_LOSS',
      message: 'ensurePath /a: no connection to ZooKeeper (suspended: zk:1: cut)',
    })
    assert.deepEqual(client(0).calls, ['connect'])
  })

  it('goes on when a listener throws', () => {
    const { client, session, lines } = start()
    const heard: string[] = []
    session.subscribe(() => {
      throw new Error('bug')
    })
    session.subscribe(({ status }) => heard.push(status))
    client(0).open('0xa')
    assert.deepEqual(heard, ['connected'])
    assert.ok(lines.includes('a listener of the ZooKeeper session failed | connected'))
  })

  it('calls a listener no more after it has unsubscribed', () => {
    const { client, session } = start()
    const heard: string[] = []
    const unsubscribe = session.subscribe(({ status }) => heard.push(status))
    client(0).open('0xa')
    unsubscribe()
    client(0).drop()
    assert.deepEqual(heard, ['connected'])
  })

  describe('connected()', () => {
    it('resolves once connected, and at once when it is', async () => {
      const { client, session } = start()
      const waiting = session.connected(signal)
      client(0).open('0xa')
      await waiting
      await session.connected(signal)
    })

    it('rejects with the reason of its signal', async () => {
      const { session } = start()
      const stop = new AbortController()
      const waiting = session.connected(stop.signal)
      stop.abort(new Error('enough'))
      await assert.rejects(waiting, { message: 'enough' })
      await assert.rejects(session.connected(stop.signal), { message: 'enough' })
    })

    it('rejects when the session is closed', async () => {
      const { session } = start()
      const waiting = assert.rejects(session.connected(signal), { code: 'CONNECTION_LOSS' })
      await session.close()
      await waiting
      await assert.rejects(session.connected(signal), { code: 'CONNECTION_LOSS' })
    })
  })

  describe('close()', () => {
    it('closes its client within a second, and a rival too, and leaves no timer', async () => {
      const { client, clock, session, states } = start()
      client(0).open('0xa')
      client(0).drop()
      client(0).listener.onAttemptFailed('turned_away', 'closed by the server', true)
      await session.close()
      assert.equal(client(0).calls.at(-1), 'close 1000')
      assert.equal(client(1).calls.at(-1), 'close 1000')
      assert.deepEqual(states.at(-1), { status: 'closed' })
      assert.equal(clock.pending, 0)
    })

    it('stays closed whatever its client says later', async () => {
      const { client, clients, session } = start()
      client(0).open('0xa')
      await session.close()
      client(0).listener.onDisconnected('cut')
      client(0).listener.onEnded('expired', 'gone')
      client(0).listener.onConnected()
      assert.deepEqual(session.state, { status: 'closed' })
      assert.equal(clients.length, 1)
      await assert.rejects(session.getData('/a', signal), { code: 'CONNECTION_LOSS' })
    })

    it('may be called by a listener that is told of a cut, and leaves no timer', async () => {
      const { client, clock, session } = start()
      session.subscribe(({ status }) => {
        if (status === 'suspended') void session.close()
      })
      client(0).open('0xa')
      client(0).drop()
      await settle()
      assert.equal(session.state.status, 'closed')
      assert.equal(clock.pending, 0)
    })

    it('may be called by a listener when the session is lost', async () => {
      const { client, clients, session } = start()
      session.subscribe(({ status }) => {
        if (status === 'lost') void session.close()
      })
      client(0).open('0xa')
      client(0).listener.onEnded('expired', 'gone')
      await settle()
      assert.equal(session.state.status, 'closed')
      assert.deepEqual(clients.at(-1)?.calls, ['close 1000'])
    })
  })
})
