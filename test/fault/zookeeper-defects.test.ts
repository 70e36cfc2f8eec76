import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.ts'
import { Client } from '../../src/zookeeper/client.ts'
import { createDial } from '../../src/zookeeper/dial.ts'
import type { EnsembleOptions, Session, SessionState, WatchEvent } from '../../src/zookeeper/zookeeper.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { createFaultProxy, type FaultProxy } from '../harness/fault-proxy.ts'
import { type LogLine, recordingLog } from '../harness/recording-log.ts'
import { createTestPool, type TestPool } from '../harness/test-pool.ts'
import { startEnsemble, startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const { signal } = new AbortController()
const DATA = Buffer.from('{"host":"10.0.0.1","port":3000}')
const NO_DATA = Buffer.alloc(0)
const PERSISTENT = { mode: 'persistent' } as const
const EPHEMERAL = { mode: 'ephemeral' } as const

/** How long a thing takes, in ms. Never to be asked whether it was quick: the machine may be busy. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Why the first attempt to connect failed, as the log says it. */
const firstFailure = (lines: readonly LogLine[]) =>
  String(lines.find(({ message }) => message === 'ZooKeeper cannot be reached')?.fields['reason'])

/** Waits until nobody connects to a proxy any more; whoever still tries comes back within 250 ms. */
const untilQuiet = (proxy: FaultProxy) =>
  eventually(async () => {
    const { accepted } = proxy
    await consistently(() => assert.equal(proxy.accepted, accepted, 'somebody connects'), 600)
  })

/** Runs tasks, at most `width` at a time. */
async function bounded(count: number, width: number, task: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const work = async () => {
    while (next < count) await task(next++)
  }
  await Promise.all(Array.from({ length: width }, work))
}

const lossOf = (promise: Promise<unknown>) => assert.rejects(promise, { code: 'CONNECTION_LOSS' })

/** Each defect of node-zookeeper-client 1.1.3 that breaks a long-running daemon, on a real server with a broken network. */
describe('ZooKeeper client defects', function () {
  this.timeout(120_000)
  let server: ZooKeeperServer
  let proxies: FaultProxy[] = []
  let pools: TestPool[] = []

  before(async () => {
    server = await startZooKeeper({ javaOptions: ['-Dzookeeper.enforceQuota=true'] })
  })
  after(() => server.close())
  afterEach(async () => {
    await Promise.all(pools.map(({ pool }) => pool.close()))
    await Promise.all(proxies.map((proxy) => proxy.close()))
    proxies = []
    pools = []
  })

  async function proxyTo(port = server.port): Promise<FaultProxy> {
    const proxy = await createFaultProxy(port)
    proxies.push(proxy)
    return proxy
  }

  function newPool(): TestPool {
    const pool = createTestPool()
    pools.push(pool)
    return pool
  }

  function acquire(hosts: string, options: Partial<EnsembleOptions> = {}): Session {
    return newPool().pool.acquire({ hosts: [hosts], sessionTimeoutMs: 10_000, ...options })
  }

  async function connect(hosts: string, options: Partial<EnsembleOptions> = {}): Promise<Session> {
    const session = acquire(hosts, options)
    await session.connected(signal)
    return session
  }

  const isConnected = (session: Session) => () => assert.equal(session.state.status, 'connected')

  describe('A: a half-open connection', () => {
    it('A: a half-open connection is noticed, and the session goes on at another server with its ephemeral', async () => {
      const [first, second] = [await proxyTo(), await proxyTo()]
      const session = await connect(`${first.hosts},${second.hosts}`, { sessionTimeoutMs: 6000 })
      await session.create('/a-kept', NO_DATA, EPHEMERAL, signal)
      const { sessionId } = session.state
      first.stall()
      await lossOf(session.getData('/a-kept', signal)) // and not OPERATION_TIMEOUT, which comes after 10 s
      await eventually(isConnected(session))
      assert.equal(session.state.sessionId, sessionId, 'it was noticed in time')
      assert.equal(second.accepted, 1)
      const stat = await session.exists('/a-kept', signal)
      assert.equal(stat?.ephemeralOwner, sessionId)
    })

    for (const direction of ['toServer', 'toClient'] as const) {
      it(`A: a link that loses what goes ${direction} is noticed in time to keep the session`, async () => {
        const [first, second] = [await proxyTo(), await proxyTo()]
        const session = await connect(`${first.hosts},${second.hosts}`, { sessionTimeoutMs: 6000 })
        const { sessionId } = session.state
        first.blackHole(direction)
        await eventually(() => assert.equal(second.accepted, 1), 20_000)
        await eventually(isConnected(session))
        assert.equal(session.state.sessionId, sessionId)
      })
    }

    it('A: a frozen server is noticed, and used again when it thaws', async () => {
      const frozen = await startZooKeeper()
      try {
        const session = await connect(frozen.hosts, { sessionTimeoutMs: 1500 })
        await frozen.freeze()
        const reading = lossOf(session.exists('/', signal))
        await eventually(() => assert.equal(session.state.status, 'suspended'), 20_000)
        await reading
        assert.match(session.state.reason ?? '', /silent for \d+ ms|no answer to the handshake/)
        frozen.thaw()
        // What it then finds of attempts that were given up may end the first connection, or the session.
        await eventually(() => session.create('/thawed', NO_DATA, { mode: 'ephemeral_sequential' }, signal), 20_000)
      } finally {
        frozen.thaw()
        await frozen.close()
      }
    })
  })

  describe('B: a silent handshake', () => {
    it('B: a server that accepts and never answers costs a second, not for ever', async () => {
      const [silent, good] = [await proxyTo(), await proxyTo()]
      silent.swallow()
      const { pool, lines } = newPool()
      const session = pool.acquire({ hosts: [`${silent.hosts},${good.hosts}`], sessionTimeoutMs: 10_000 })
      await session.connected(signal)
      assert.equal(silent.accepted, 1)
      assert.match(firstFailure(lines), /no answer to the handshake within 1000 ms/)
    })

    it('B: the only server may be silent for a while', async () => {
      const proxy = await proxyTo()
      proxy.swallow()
      const { pool, lines } = newPool()
      const session = pool.acquire({ hosts: [proxy.hosts], sessionTimeoutMs: 10_000 })
      await eventually(() => assert.match(firstFailure(lines), /no answer to the handshake within 1000 ms/))
      await proxy.resume()
      await eventually(isConnected(session))
    })
  })

  describe('C: a connection cut in the middle of an answer', () => {
    /** Connects, reads with a watch, is told of a change, reads again. One byte of all that is the last to arrive. */
    async function converse(cutAt: number, writer: Session): Promise<boolean> {
      const { signal } = new AbortController()
      const path = `/c/${cutAt}`
      await writer.create(path, DATA, PERSISTENT, signal)
      const proxy = await createFaultProxy(server.port)
      const { pool } = createTestPool()
      let isOver = false
      try {
        proxy.cutAfter('toClient', cutAt)
        const session = pool.acquire({ hosts: [proxy.hosts], sessionTimeoutMs: 10_000 })
        const seen: string[] = []
        const read = async (): Promise<void> => {
          const { data } = await session.getData(path, signal, () => void watched())
          seen.push(data.toString())
        }
        const watched = () => eventually(async () => isOver || (await read()))
        await eventually(read)
        await writer.setData(path, Buffer.from('changed'), signal)
        await eventually(() => assert.equal(seen.at(-1), 'changed', `cut at byte ${cutAt}: saw ${seen}`))
        return proxy.accepted > 1
      } finally {
        isOver = true
        await pool.close()
        await proxy.close()
      }
    }

    it('C: a conversation cut at every byte goes on over the next connection', async () => {
      const writer = await connect(server.hosts)
      await writer.create('/c', NO_DATA, PERSISTENT, signal)
      let cuts = 0
      await bounded(330, 12, async (cutAt) => {
        if (await converse(cutAt, writer)) cuts += 1
      })
      assert.ok(cuts > 250, `only ${cuts} conversations were cut`)
    }).timeout(240_000)
  })

  describe('D: more watches than one request may hold', () => {
    it('D: 1.2 MB of watches are set again after a reconnect, and work', async () => {
      const proxy = await proxyTo()
      const session = await connect(proxy.hosts)
      const events: string[] = []
      const pathOf = (index: number) => `/d-${'x'.repeat(86)}${String(index).padStart(5, '0')}`
      await bounded(12_000, 256, (index) =>
        session.exists(pathOf(index), signal, (event) => events.push(`${index} ${event}`)),
      )
      const { sessionId } = session.state
      const before = proxy.forwarded.toServer
      proxy.cut()
      await eventually(() => assert.ok(proxy.forwarded.toServer - before > 1_150_000, 'not all are set'))
      for (const index of [0, 6000, 11_999]) await session.create(pathOf(index), NO_DATA, EPHEMERAL, signal)
      await eventually(() => assert.deepEqual(events.sort(), ['0 created', '11999 created', '6000 created']))
      assert.equal(session.state.sessionId, sessionId)
      assert.equal(proxy.accepted, 2)
    })
  })

  describe('E: an outage', () => {
    it('E: connections that are accepted and closed again pile nothing up', async () => {
      const down = await startZooKeeper()
      const proxy = await proxyTo(down.port)
      try {
        const session = await connect(proxy.hosts)
        await bounded(2000, 128, (index) => session.exists(`/e-${'x'.repeat(90)}${index}`, signal, () => {}))
        await down.kill()
        await eventually(() => assert.ok(proxy.accepted > 12, `${proxy.accepted} attempts`))
        const before = proxy.forwarded.toServer
        await down.start()
        await eventually(isConnected(session))
        await session.exists('/', signal)
        const sent = proxy.forwarded.toServer - before
        assert.ok(sent > 200_000 && sent < 300_000, `${sent} bytes for 2000 watches of 100 bytes`)
      } finally {
        await down.close()
      }
    })
  })

  describe('F: a busy connection', () => {
    it('F: notifications that keep coming do not put off the pings', async () => {
      const proxy = await proxyTo()
      const session = await connect(proxy.hosts, { sessionTimeoutMs: 3000 })
      const writer = await connect(server.hosts)
      const states: SessionState[] = []
      const events: WatchEvent[] = []
      for (let index = 0; index < 20; index++)
        await session.exists(`/f-${index}`, signal, (event) => events.push(event))
      const sent = proxy.forwarded.toServer
      session.subscribe((state) => states.push(state))
      const ms = await timed(async () => {
        for (let index = 0; index < 20; index++) {
          await writer.create(`/f-${index}`, NO_DATA, EPHEMERAL, signal)
          await consistently(() => assert.deepEqual(states, []), 440)
        }
      })
      const pings = (proxy.forwarded.toServer - sent) / 12
      await eventually(() => assert.equal(events.length, 20))
      assert.ok(pings >= 7 && pings <= ms / 1000 + 1, `${pings} pings in ${ms} ms of a 3 s session`)
    })
  })

  describe('G: an error number that the package does not know', () => {
    it('G: an exceeded quota (-125) is an error of that call, and of nothing else', async () => {
      const session = await connect(server.hosts)
      await session.create('/g', NO_DATA, PERSISTENT, signal)
      await session.ensurePath('/zookeeper/quota/g', signal)
      const limits = Buffer.from('count=-1,bytes=-1,countHardLimit=2')
      await session.create('/zookeeper/quota/g/zookeeper_limits', limits, PERSISTENT, signal)
      await session.create('/zookeeper/quota/g/zookeeper_stats', Buffer.from('count=1,bytes=0'), PERSISTENT, signal)
      await session.create('/g/1', NO_DATA, PERSISTENT, signal)
      await assert.rejects(session.create('/g/2', NO_DATA, PERSISTENT, signal), {
        code: 'OTHER',
        message: 'create /g/2: QUOTA_EXCEEDED (-125)',
      })
      assert.deepEqual((await session.getChildren('/g', signal)).children, ['1'])
    })
  })

  describe('H: close()', () => {
    it('H: it ends cleanly at any moment after the start', async () => {
      const proxy = await proxyTo()
      for (let delayMs = 0; delayMs <= 30; delayMs++) {
        const { pool, lines } = createTestPool()
        const session = pool.acquire({ hosts: [proxy.hosts], sessionTimeoutMs: 10_000 })
        await new Promise((resolve) => systemClock.after(delayMs, () => resolve(undefined)))
        await pool.close()
        assert.equal(session.state.status, 'closed')
        assert.equal(lines.at(-1)?.fields['to'], 'closed')
      }
      await eventually(() => assert.equal(proxy.open, 0))
    })

    it('H: ephemerals go at once when it can reach the server, even over a new connection', async () => {
      const proxy = await proxyTo()
      for (const suspended of [false, true]) {
        const session = await connect(proxy.hosts)
        await session.create('/h', NO_DATA, EPHEMERAL, signal)
        if (suspended) proxy.cut()
        if (suspended) await eventually(() => assert.equal(session.state.status, 'suspended'))
        await session.release()
        assert.ok(!(await server.ephemeralsUnder('')).includes('/h'), `suspended: ${suspended}`)
      }
    })

    it('H: it resolves all the same on a frozen link, with a silent handshake and a refused port, and is final', async () => {
      for (const fault of ['stall', 'swallow', 'refuse'] as const) {
        const proxy = await proxyTo()
        const session = await connect(proxy.hosts, { sessionTimeoutMs: 120_000 }) // longer than the test may take
        proxy[fault]()
        if (fault !== 'stall') proxy.cut()
        await session.release()
        await proxy.resume()
        await untilQuiet(proxy)
        await eventually(() => assert.equal(proxy.open, 0, fault))
      }
    })

    it('H: a close by a listener that was just told of a cut is final', async () => {
      const proxy = await proxyTo()
      const session = await connect(proxy.hosts)
      const states: string[] = []
      let closed: Promise<void> | undefined
      session.subscribe(({ status }) => {
        states.push(status)
        if (status === 'suspended') closed = session.release()
      })
      proxy.cut()
      await eventually(() => assert.notEqual(closed, undefined))
      await closed
      await untilQuiet(proxy)
      await eventually(() => assert.equal(proxy.open, 0))
      assert.deepEqual(states, ['suspended'])
    })
  })

  describe('I: connect() called twice', () => {
    it('I: it makes one connection', async () => {
      const proxy = await proxyTo()
      const client = new Client({
        servers: [{ host: '127.0.0.1', port: proxy.port }],
        sessionTimeoutMs: 10_000,
        operationTimeoutMs: 10_000,
        digest: undefined,
        dial: createDial(undefined),
        clock: systemClock,
        random: Math.random,
        log: recordingLog(),
        listener: { onConnected() {}, onDisconnected() {}, onAttemptFailed() {}, onEnded() {} },
        onSettled() {},
      })
      for (let times = 0; times < 3; times++) client.connect()
      await eventually(() => assert.equal(client.connected, true))
      client.connect()
      assert.notEqual(await client.exists('/', signal), undefined)
      assert.equal(proxy.accepted, 1)
      await client.close(1000)
    })
  })

  describe('J: requests without a connection', () => {
    it('J: every one is answered, at once, whatever the state', async () => {
      const proxy = await proxyTo()
      const session = acquire(proxy.hosts, { sessionTimeoutMs: 3000 })
      await lossOf(session.getData('/', signal))
      await session.connected(signal)
      await session.ensurePath('/j', signal)
      await session.create('/j/1', NO_DATA, EPHEMERAL, signal)
      proxy.stall()
      const inFlight = Array.from({ length: 50 }, () => lossOf(session.exists('/', signal)))
      proxy.refuse()
      proxy.cut()
      await Promise.all(inFlight)
      const refusals = bounded(100, 10, () => lossOf(session.getData('/', signal))).then(() => 'at once')
      const turn = new Promise((resolve) => setImmediate(resolve, 'not before something else has happened'))
      assert.equal(await Promise.race([refusals, turn]), 'at once')
      // The session expires.
      await eventually(async () => assert.deepEqual(await server.ephemeralsUnder('/j'), []), 20_000)
      await proxy.resume()
      await eventually(() => assert.equal(session.generation, 1))
      await eventually(isConnected(session))
      assert.notEqual(await session.exists('/', signal), undefined)
      await session.release()
      await lossOf(session.getData('/', signal))
    })

    it('J: a request that the server never answers ends at its deadline', async () => {
      const proxy = await proxyTo()
      const quick = createTestPool(300)
      pools.push(quick)
      const session = quick.pool.acquire({ hosts: [proxy.hosts], sessionTimeoutMs: 10_000 })
      await session.connected(signal)
      proxy.stall()
      const ms = await timed(() => assert.rejects(session.getData('/', signal), { code: 'OPERATION_TIMEOUT' }))
      assert.ok(ms > 290, `${ms} ms`)
      assert.equal(session.state.status, 'connected')
      await proxy.resume()
      await eventually(async () => assert.notEqual(await session.exists('/', signal), undefined)) // each has 300 ms
    })

    it('J: an abort ends a request at once', async () => {
      const proxy = await proxyTo()
      const session = await connect(proxy.hosts)
      proxy.stall()
      const stop = new AbortController()
      const reading = assert.rejects(session.getData('/', stop.signal), { message: 'enough' })
      stop.abort(new Error('enough'))
      await reading
    })
  })

  describe('K: credentials', () => {
    it('K: they go before anything else on every connection', async () => {
      const proxy = await proxyTo()
      const session = await connect(proxy.hosts, { digest: 'nerve:secret' })
      await session.create('/k', NO_DATA, { mode: 'ephemeral', restrict: true }, signal)
      const stranger = await connect(server.hosts)
      await assert.rejects(stranger.setData('/k', DATA, signal), { code: 'NO_AUTH' })
      const results: Promise<unknown>[] = []
      session.subscribe(({ status }) => {
        if (status === 'connected') results.push(session.setData('/k', DATA, signal))
      })
      for (let cut = 1; cut <= 10; cut++) {
        proxy.cut()
        await eventually(() => assert.equal(results.length, cut))
        await results[cut - 1]
      }
    })
  })

  describe('L: an ensemble that refuses our session', () => {
    it('L: a wiped ensemble has a new session of ours soon after its first answer', async () => {
      const wiped = await startZooKeeper()
      try {
        // Twice this time later the watchdog would replace the session, too.
        const session = await connect(wiped.hosts, { sessionTimeoutMs: 60_000 })
        for (let writes = 0; writes < 50; writes++) await session.setData('/', DATA, signal)
        await session.create('/l', NO_DATA, EPHEMERAL, signal)
        await wiped.restart({ empty: true })
        await eventually(() => session.create('/l', NO_DATA, EPHEMERAL, signal), 30_000)
        assert.equal(session.generation, 1)
        await eventually(isConnected(session))
        assert.equal((await session.exists('/l', signal))?.ephemeralOwner, session.state.sessionId)
      } finally {
        await wiped.close()
      }
    })

    it('L: a restart that keeps the data keeps the session and its ephemeral', async () => {
      const restarted = await startZooKeeper()
      try {
        const session = await connect(restarted.hosts)
        await session.create('/l', NO_DATA, EPHEMERAL, signal)
        const { sessionId } = session.state
        await restarted.restart()
        await eventually(isConnected(session))
        assert.equal(session.generation, 0)
        assert.equal((await session.exists('/l', signal))?.ephemeralOwner, sessionId)
      } finally {
        await restarted.close()
      }
    })

    it('L: an ensemble without a quorum turns us away for a while, which costs no session', async () => {
      const ensemble = await startEnsemble(3)
      try {
        const session = await connect(ensemble.hosts, { sessionTimeoutMs: 20_000 })
        await session.create('/l', NO_DATA, EPHEMERAL, signal)
        const { sessionId } = session.state
        const [, second, third] = ensemble.members
        await Promise.all([second?.kill(), third?.kill()])
        await eventually(() => assert.equal(session.state.status, 'suspended'), 20_000)
        await consistently(() => assert.notEqual(session.state.status, 'lost'), 1500)
        await second?.start()
        await eventually(isConnected(session), 20_000)
        assert.equal(session.state.sessionId, sessionId)
        assert.equal(session.generation, 0)
        assert.equal((await session.exists('/l', signal))?.ephemeralOwner, sessionId)
      } finally {
        await ensemble.close()
      }
    })
  })

  describe('M: an exception in a watch callback', () => {
    it('M: it is logged, and the other watches of that path are called', async () => {
      const { pool, lines } = newPool()
      const session = pool.acquire({ hosts: [server.hosts], sessionTimeoutMs: 10_000 })
      await session.connected(signal)
      const called: string[] = []
      await session.exists('/m', signal, () => {
        throw new Error('bug in a callback')
      })
      await session.exists('/m', signal, (event) => called.push(event))
      await session.create('/m', NO_DATA, EPHEMERAL, signal)
      await eventually(() => assert.deepEqual(called, ['created']))
      const errors = lines.filter(({ level }) => level === 'error')
      assert.equal(errors.length, 1)
      assert.equal(errors[0]?.fields['error'], 'bug in a callback')
      assert.equal(errors[0]?.fields['path'], '/m')
    })
  })
})
