import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.ts'
import { type Session, ZooKeeperError } from '../../src/zookeeper/zookeeper.ts'
import { eventually } from '../harness/eventually.ts'
import { createFaultProxy, type FaultProxy } from '../harness/fault-proxy.ts'
import { createTestPool, type TestPool } from '../harness/test-pool.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const ROUNDS = 20
const CHAOS_MS = 1000
/**
 * The longest silence that a 1.5 s session takes to be noticed is 1 s; the rest is reconnecting, or a new session: 3 s on a
 * machine that has nothing else to do.
 */
const RECOVERY_MS = 15_000
/** Set CHAOS_SEED to the printed number to repeat a run. */
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32))

/** The same numbers for the same seed: mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => systemClock.after(ms, resolve))

interface Fault {
  readonly name: string
  readonly strike: (proxy: FaultProxy, random: () => number) => void
}

/** What may happen to a link. */
const faults: readonly Fault[] = [
  { name: 'cut', strike: (proxy) => proxy.cut() },
  { name: 'stall', strike: (proxy) => proxy.stall() },
  { name: 'stall toClient', strike: (proxy) => proxy.stall('toClient') },
  { name: 'lose toServer', strike: (proxy) => proxy.blackHole('toServer') },
  { name: 'lose toClient', strike: (proxy) => proxy.blackHole('toClient') },
  { name: 'cut in an answer', strike: (proxy, random) => proxy.cutAfter('toClient', Math.floor(random() * 500)) },
  { name: 'delay', strike: (proxy, random) => proxy.delay(Math.floor(random() * 300)) },
  {
    name: 'refuse',
    strike(proxy) {
      proxy.refuse()
      proxy.cut()
    },
  },
  {
    name: 'swallow',
    strike(proxy) {
      proxy.swallow()
      proxy.cut()
    },
  },
]

describe('ZooKeeper session in a bad network', function () {
  this.timeout(RECOVERY_MS * 2 + CHAOS_MS)
  const random = createRandom(SEED)
  const { signal } = new AbortController()
  let server: ZooKeeperServer
  let proxies: FaultProxy[]
  let test: TestPool
  let session: Session

  before(async function () {
    this.timeout(60_000)
    console.log(`    CHAOS_SEED=${SEED}`)
    server = await startZooKeeper()
    proxies = [await createFaultProxy(server.port), await createFaultProxy(server.port)]
    test = createTestPool(2000)
    const hosts = proxies.map((proxy) => proxy.hosts)
    session = test.pool.acquire({ hosts, sessionTimeoutMs: 1500 })
    await session.connected(signal)
    await session.create('/data', Buffer.alloc(200, 'x'), { mode: 'persistent' }, signal)
  })
  after(async () => {
    await test.pool.close()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await server.close()
  })

  /** Breaks and mends the links at random moments for a while. */
  async function breakThings(): Promise<string[]> {
    const story: string[] = []
    const end = performance.now() + CHAOS_MS
    while (performance.now() < end) {
      const number = Math.floor(random() * proxies.length)
      const fault = faults[Math.floor(random() * faults.length)]
      const proxy = proxies[number]
      assert.ok(fault !== undefined && proxy !== undefined)
      fault.strike(proxy, random)
      story.push(`${number}: ${fault.name}`)
      await wait(random() * 300)
      if (random() < 0.5) await Promise.all(proxies.map((each) => each.resume()))
    }
    await Promise.all(proxies.map((each) => each.resume()))
    return story
  }

  /** Uses the session as the daemons do, whatever happens. Only errors that a later attempt can mend are allowed. */
  async function useSession(until: AbortSignal): Promise<number> {
    let operations = 0
    while (!until.aborted) {
      try {
        await session.exists('/own', signal, () => {})
        const { data } = await session.getData('/data', signal, () => {})
        assert.equal(data.length, 200)
        await session.setData('/data', data, signal)
        operations += 3
      } catch (error) {
        assert.ok(error instanceof ZooKeeperError && error.retryable, String(error))
        await wait(5)
      }
    }
    return operations
  }

  /** What nerve does: the node is there, and it is ours. */
  async function register(): Promise<void> {
    const stat = await session.exists('/own', signal)
    if (stat === undefined) await session.create('/own', Buffer.alloc(0), { mode: 'ephemeral' }, signal)
    else if (stat.ephemeralOwner !== session.state.sessionId) await session.delete('/own', signal)
    const owner = (await session.exists('/own', signal))?.ephemeralOwner
    assert.ok(owner !== undefined && owner === session.state.sessionId, `it is of ${owner}`)
  }

  for (let round = 1; round <= ROUNDS; round++) {
    it(`round ${round}: it recovers, registers and reads`, async () => {
      const calm = new AbortController()
      const users = Array.from({ length: 4 }, () => useSession(calm.signal))
      const story = await breakThings()
      try {
        // Together: what a broken link had held may reach the server late, and end the connection once more.
        await eventually(async () => {
          await register()
          assert.equal((await session.getData('/data', signal)).data.length, 200)
        }, RECOVERY_MS)
      } catch (cause) {
        const states = test.lines.map(({ fields }) => `${fields['to']} ${fields['reason'] ?? ''}`).slice(-10)
        throw new Error(`seed ${SEED}, round ${round}: ${story.join(', ')}\n${states.join('\n')}`, { cause })
      } finally {
        calm.abort()
      }
      await Promise.all(users)
    })
  }

  it('nothing is left over: one connection, no error in the log, every operation ended', async () => {
    await eventually(() => assert.equal(proxies[0]?.open, 1 - (proxies[1]?.open ?? 0)))
    assert.deepEqual(
      test.lines.filter(({ level }) => level === 'error'),
      [],
    )
    assert.ok(proxies.every(({ accepted }) => accepted > 5))
  })
})
