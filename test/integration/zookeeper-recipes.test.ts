import assert from 'node:assert/strict'
import { createBackoff } from '../../src/core/backoff.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Logger } from '../../src/core/log.ts'
import { ReconcileLoop } from '../../src/core/reconcile-loop.ts'
import { type ChildrenCacheOptions, createChildrenCache } from '../../src/zookeeper/children-cache.ts'
import { createOwnNode } from '../../src/zookeeper/ephemeral-node.ts'
import { decodeChildName, encodeChildName } from '../../src/zookeeper/names.ts'
import type { ChildrenSnapshot, CreateMode, OwnNode, OwnNodeSpec, Session } from '../../src/zookeeper/zookeeper.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { createFaultProxy, type FaultProxy } from '../harness/fault-proxy.ts'
import { recordingLog } from '../harness/recording-log.ts'
import { createTestPool, type TestPool } from '../harness/test-pool.ts'
import { startEnsemble, startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const { signal } = new AbortController()
const random = () => 0.5

/** A znode kept as nerve keeps it: by a reconcile loop that runs when the znode is disturbed. */
class Keeper {
  readonly node: OwnNode
  readonly #loop: ReconcileLoop
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #desired: OwnNodeSpec | undefined

  constructor(session: Session, log: Logger, desired: OwnNodeSpec) {
    this.#desired = desired
    this.node = createOwnNode({ session, random, log, id: 'web', onDisturbed: () => this.#loop.trigger() })
    this.#loop = new ReconcileLoop({
      clock: systemClock,
      backoff: createBackoff({ initialMs: 50, maxMs: 500, random }),
      settleMs: 0,
      resyncMs: 60_000,
      reconcile: async (signal) => {
        await this.node.reconcile(this.#desired, signal)
        return {}
      },
      onError: () => {},
    })
    this.#running = this.#loop.run(this.#stop.signal)
  }

  want(desired: OwnNodeSpec | undefined): void {
    this.#desired = desired
    this.#loop.trigger()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.node.close()
  }
}

/** A running cache with what it published. */
interface Followed {
  readonly published: readonly ChildrenSnapshot[]
  names(): string[]
  data(): string[]
}

describe('ZooKeeper recipes', function () {
  this.timeout(120_000)
  let server: ZooKeeperServer
  let cleanups: (() => Promise<void>)[] = []
  let paths = 0
  const newPath = () => `/recipes-${++paths}`

  before(async () => {
    server = await startZooKeeper()
  })
  after(() => server.close())
  afterEach(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup()
    cleanups = []
  })

  function newPool(): TestPool {
    const pool = createTestPool()
    cleanups.push(() => pool.pool.close())
    return pool
  }

  async function newProxy(port = server.port): Promise<FaultProxy> {
    const proxy = await createFaultProxy(port)
    cleanups.push(() => proxy.close())
    return proxy
  }

  async function connect(hosts = server.hosts, { pool } = newPool(), sessionTimeoutMs = 4000): Promise<Session> {
    const session = pool.acquire({ hosts: hosts.split(','), sessionTimeoutMs })
    await session.connected(signal)
    return session
  }

  function keep(session: Session, desired: OwnNodeSpec): Keeper {
    const keeper = new Keeper(session, recordingLog(), desired)
    cleanups.push(() => keeper.stop())
    return keeper
  }

  function follow(session: Session, path: string, options: Partial<ChildrenCacheOptions> = {}): Followed {
    const stop = new AbortController()
    const published: ChildrenSnapshot[] = []
    const log = recordingLog()
    const cache = createChildrenCache({ session, path, clock: systemClock, random, log, ...options })
    const running = cache.run((snapshot) => published.push(snapshot), stop.signal)
    cleanups.push(() => {
      stop.abort()
      return running
    })
    return {
      published,
      names: () => published.at(-1)?.children.map(({ name }) => name) ?? ['nothing published'],
      data: () => published.at(-1)?.children.map(({ data }) => String(data)) ?? ['nothing published'],
    }
  }

  const spec = (parent: string, data: string, mode: CreateMode = 'ephemeral_sequential'): OwnNodeSpec => ({
    parent,
    prefix: 'i-abc_',
    mode,
    data: Buffer.from(data),
  })

  it('keep ten znodes and follow two paths over one shared session', async () => {
    const pool = newPool()
    const [one, two] = [newPath(), newPath()]
    const keepers: Keeper[] = []
    for (let service = 0; service < 10; service++) {
      const session = await connect(server.hosts, pool)
      keepers.push(keep(session, spec(service < 6 ? one : two, `service ${service}`)))
    }
    const first = follow(await connect(server.hosts, pool), one)
    const second = follow(await connect(server.hosts, pool), two)
    const sorted = (followed: Followed) => followed.data().sort()
    await eventually(() =>
      assert.deepEqual(
        sorted(first),
        [0, 1, 2, 3, 4, 5].map((n) => `service ${n}`),
      ),
    )
    await eventually(() =>
      assert.deepEqual(
        sorted(second),
        [6, 7, 8, 9].map((n) => `service ${n}`),
      ),
    )
    await eventually(async () => assert.equal((await server.connections()).length, 1))
    keepers[0]?.want(spec(one, 'service 0, weight 5'))
    for (const keeper of keepers.slice(1, 6)) keeper.want(undefined)
    await eventually(() => assert.deepEqual(first.data(), ['service 0, weight 5']))
    assert.equal(second.published.at(-1)?.children.length, 4)
    assert.equal((await server.ephemeralsUnder(one)).length, 1)
  })

  it("make Airbnb's names", async () => {
    const path = newPath()
    const session = await connect()
    const payload = '{"host":"10.0.0.1","port":3000,"name":"i-abc"}'
    const encoded = encodeChildName('i-abc', payload)
    keep(session, spec(path, payload))
    await eventually(async () => assert.equal((await server.ephemeralsUnder(path)).length, 1))
    keep(session, { ...spec(path, payload), prefix: encoded })
    await eventually(async () => assert.equal((await server.ephemeralsUnder(path)).length, 2))
    keep(session, spec(path, payload, 'ephemeral'))
    await eventually(async () => assert.equal((await server.ephemeralsUnder(path)).length, 3))
    assert.deepEqual(
      await server.ephemeralsUnder(path),
      [`${path}/${encoded}0000000001`, `${path}/i-abc_`, `${path}/i-abc_0000000000`].sort(),
    )
    const followed = follow(session, path, { dataInName: decodeChildName })
    await eventually(() => assert.deepEqual(followed.data(), [payload, payload, payload]))
  })

  for (const direction of ['toClient', 'toServer'] as const) {
    it(`leave no twin when the link is cut ${direction} at any byte of a create`, async () => {
      const proxy = await newProxy()
      const path = newPath()
      const admin = await connect()
      await admin.ensurePath(path, signal)
      for (let bytes = 0; bytes <= 84; bytes += 6) {
        const session = await connect(proxy.hosts)
        proxy.cutAfter(direction, bytes)
        const keeper = keep(session, spec(path, `cut at ${bytes}`))
        await eventually(() => assert.notEqual(keeper.node.path, undefined))
        const { children } = await admin.getChildren(path, signal)
        assert.deepEqual(
          children.map((name) => `${path}/${name}`),
          [keeper.node.path],
          `cut at ${bytes}`,
        )
        await proxy.resume()
        keeper.want(undefined)
        await eventually(async () => assert.deepEqual(await server.ephemeralsUnder(path), []))
      }
      assert.ok(proxy.accepted > 20, 'the links were cut')
    })
  }

  it('replace what a crashed process left under the same name while its session lives on', async () => {
    const proxy = await newProxy()
    const path = newPath()
    const crashed = await connect(proxy.hosts, newPool(), 60_000)
    const old = keep(crashed, spec(path, 'old', 'ephemeral'))
    await eventually(() => assert.equal(old.node.path, `${path}/i-abc_`))
    await old.stop()
    proxy.stall()
    const session = await connect()
    keep(session, spec(path, 'new', 'ephemeral'))
    const followed = follow(session, path)
    await eventually(() => assert.deepEqual(followed.data(), ['new']))
    const owned = (await server.ephemerals()).get(String(session.state.sessionId))
    assert.deepEqual(owned, [`${path}/i-abc_`])
  })

  it('put back a znode that somebody deleted, at once', async () => {
    const path = newPath()
    const keeper = keep(await connect(), spec(path, 'data'))
    const admin = await connect()
    const followed = follow(admin, path)
    await eventually(() => assert.deepEqual(followed.names(), ['i-abc_0000000000']))
    await admin.delete(String(keeper.node.path), signal)
    await eventually(() => assert.deepEqual(followed.names(), ['i-abc_0000000001']))
  })

  it('survive a link that is down for longer than the session: registered again, and nothing forgotten meanwhile', async () => {
    const proxy = await newProxy()
    const path = newPath()
    const session = await connect(proxy.hosts, newPool(), 1500)
    const { sessionId, generation } = { ...session.state, generation: session.generation }
    const keeper = keep(session, spec(path, 'kept'))
    const followed = follow(session, path)
    const admin = await connect()
    await eventually(() => assert.deepEqual(followed.data(), ['kept']))
    proxy.stall()
    await eventually(async () => assert.deepEqual((await admin.getChildren(path, signal)).children, []))
    await admin.create(`${path}/other_`, Buffer.from('other'), { mode: 'persistent_sequential' }, signal)
    await consistently(() => assert.deepEqual(followed.data(), ['kept'], 'silence changes nothing'), 500)
    proxy.cut()
    await proxy.resume()
    await eventually(() => assert.deepEqual(followed.data().sort(), ['kept', 'other']))
    assert.notEqual(session.state.sessionId, sessionId)
    assert.ok(session.generation > generation)
    const owned = (await server.ephemerals()).get(String(session.state.sessionId))
    assert.deepEqual(owned, [keeper.node.path])
    await admin.create(`${path}/third_`, Buffer.from('third'), { mode: 'persistent_sequential' }, signal)
    await eventually(() => assert.deepEqual(followed.data().sort(), ['kept', 'other', 'third']))
  })

  it('keep their znode and publish nothing while a link is down for less than the session', async () => {
    const proxy = await newProxy()
    const path = newPath()
    const session = await connect(proxy.hosts, newPool(), 10_000)
    const keeper = keep(session, spec(path, 'kept'))
    const followed = follow(session, path)
    const admin = await connect()
    await eventually(() => assert.deepEqual(followed.data(), ['kept']))
    const { path: ownPath } = keeper.node
    proxy.refuse()
    proxy.cut()
    await eventually(() => assert.equal(session.state.status, 'suspended'))
    await admin.setData(String(ownPath), Buffer.from('overwritten'), signal)
    await admin.create(`${path}/other_`, Buffer.from('other'), { mode: 'persistent_sequential' }, signal)
    await proxy.resume()
    await eventually(() => assert.deepEqual(followed.data(), ['kept', 'other']))
    assert.equal(keeper.node.path, ownPath)
    assert.deepEqual((await admin.getChildren(path, signal)).children.length, 2)
  })

  it('follow 100 paths of 100 children each from a cold start, reading each znode once, and read one znode for one change', async () => {
    const root = newPath()
    const admin = await connect()
    const children = Array.from({ length: 10_000 }, (_, child) => `${root}/service-${child % 100}/i-${child}_`)
    for (let service = 0; service < 100; service++) await admin.ensurePath(`${root}/service-${service}`, signal)
    const payload = Buffer.from(JSON.stringify({ host: '10.0.0.1', port: 3000, name: 'x'.repeat(100) }))
    for (let start = 0; start < children.length; start += 500) {
      const batch = children.slice(start, start + 500)
      await Promise.all(batch.map((path) => admin.create(path, payload, { mode: 'ephemeral_sequential' }, signal)))
    }
    const pool = newPool()
    const session = await connect(server.hosts, pool)
    const followed = Array.from({ length: 100 }, (_, service) => follow(session, `${root}/service-${service}`))
    const complete = () => followed.every(({ published }) => published[0]?.children.length === 100)
    await eventually(() => assert.ok(complete(), 'all are read'), 60_000) // 1.0 to 1.6 s on a free core
    const reads = await operations(pool)
    assert.deepEqual(reads, { getData: 300, getChildren: 100 }, 'the hundred of each path in three requests')
    await admin.setData(`${root}/service-7/${followed[7]?.names()[0]}`, Buffer.from('weight'), signal)
    await eventually(() => assert.equal(followed[7]?.data()[0], 'weight'))
    await admin.create(`${root}/service-8/new_`, payload, { mode: 'ephemeral_sequential' }, signal)
    await eventually(() => assert.equal(followed[8]?.names().length, 101))
    const now = await operations(pool)
    assert.deepEqual([now.getData - reads.getData, now.getChildren - reads.getChildren], [2, 1])
  })

  it('follow 2,000 children of one path, as they come and go', async () => {
    const path = newPath()
    const admin = await connect()
    await admin.ensurePath(path, signal)
    const followed = follow(await connect(), path)
    const create = (child: number) =>
      admin.create(`${path}/i-${child}_`, Buffer.from(`child ${child}`), { mode: 'ephemeral_sequential' }, signal)
    const started = performance.now()
    const created = await Promise.all(Array.from({ length: 2000 }, (_, child) => create(child)))
    const namesOf = (full: readonly string[]) => full.map((name) => name.slice(path.length + 1)).sort()
    await eventually(() => assert.deepEqual(followed.names(), namesOf(created)), 40_000)
    const most = (performance.now() - started) / 15 // with 20 ms between two readings
    assert.ok(followed.published.length < most, `${followed.published.length} sets for 2,000 creations`)
    const going = created.filter((_, index) => index % 2 === 0)
    await Promise.all(going.map((name) => admin.delete(name, signal)))
    const staying = created.filter((_, index) => index % 2 === 1)
    await eventually(() => assert.deepEqual(followed.names(), namesOf(staying)), 40_000)
  })

  describe('on a ZooKeeper that restarts', () => {
    let restarting: ZooKeeperServer
    beforeEach(async () => {
      restarting = await startZooKeeper()
    })
    afterEach(() => restarting.close())

    it('with its data: the znode stays and nothing is published', async () => {
      const session = await connect(restarting.hosts, newPool(), 60_000)
      const keeper = keep(session, spec('/services/web', 'data'))
      const followed = follow(session, '/services/web')
      await eventually(() => assert.deepEqual(followed.names(), ['i-abc_0000000000']))
      const sets = followed.published.length
      await restarting.restart()
      await session.connected(signal)
      await eventually(async () =>
        assert.deepEqual(await restarting.ephemeralsUnder('/services/web'), [String(keeper.node.path)]),
      )
      await consistently(() => assert.equal(followed.published.length, sets), 1500)
      const other = keep(session, spec('/services/web', 'other'))
      await eventually(() => assert.deepEqual(followed.data(), ['data', 'other']))
      assert.ok(other.node.path)
    })

    it('without its data: the znodes are registered again, persistent ones too, and the set is complete again', async () => {
      const session = await connect(restarting.hosts, newPool(), 2000)
      keep(session, spec('/services/web', 'ephemeral'))
      keep(session, spec('/services/web', 'persistent', 'persistent'))
      const followed = follow(session, '/services/web')
      await eventually(() => assert.deepEqual(followed.data().sort(), ['ephemeral', 'persistent']))
      await restarting.restart({ empty: true })
      await eventually(async () => {
        assert.equal((await restarting.ephemeralsUnder('/services/web')).length, 1)
        assert.deepEqual(followed.data().sort(), ['ephemeral', 'persistent'])
      }, 40_000)
      const admin = await connect(restarting.hosts)
      assert.equal((await admin.getChildren('/services/web', signal)).children.length, 2)
      await admin.create('/services/web/third_', Buffer.from('third'), { mode: 'ephemeral_sequential' }, signal)
      await eventually(() => assert.deepEqual(followed.data().sort(), ['ephemeral', 'persistent', 'third']))
    })
  })

  it('go on in an ensemble of three when the member in use is killed', async () => {
    const ensemble = await startEnsemble(3)
    try {
      const pool = newPool()
      const session = await connect(ensemble.hosts, pool, 20_000)
      const keeper = keep(session, spec('/services/web', 'data'))
      const followed = follow(session, '/services/web')
      await eventually(() => assert.deepEqual(followed.data(), ['data']))
      const { sessionId } = session.state
      const used = await memberOf(ensemble.members, String(sessionId))
      await used.kill()
      const rest = ensemble.members.filter((member) => member !== used)
      const admin = await connect(rest.map((member) => member.hosts).join(','))
      const other = keep(admin, spec('/services/web', 'other'))
      await eventually(() => assert.deepEqual(followed.data(), ['data', 'other']), 40_000)
      assert.equal(session.state.sessionId, sessionId)
      assert.equal(keeper.node.path, '/services/web/i-abc_0000000000')
      keeper.want(spec('/services/web', 'weight 2'))
      other.want(undefined)
      await eventually(() => assert.deepEqual(followed.data(), ['weight 2']))
    } finally {
      for (const cleanup of cleanups.reverse()) await cleanup()
      cleanups = []
      await ensemble.close()
    }
  })
})

/** Which member holds the connection of a session. */
async function memberOf(members: readonly ZooKeeperServer[], sessionId: string): Promise<ZooKeeperServer> {
  for (const member of members) {
    const connections = await member.connections()
    if (connections.some((connection) => connection.sessionId === sessionId)) return member
  }
  throw new Error(`no member serves ${sessionId}`)
}

/** How many reads the sessions of a pool have done. */
async function operations({ metrics }: TestPool): Promise<{ getData: number; getChildren: number }> {
  const text = await metrics.text()
  const of = (operation: string) =>
    [
      ...text.matchAll(
        new RegExp(`^smartstack_zookeeper_operations_total\\{.*operation="${operation}".*\\} (\\d+)`, 'gm'),
      ),
    ]
      .map((match) => Number(match[1]))
      .reduce((sum, count) => sum + count, 0)
  return { getData: of('getData'), getChildren: of('getChildren') }
}
