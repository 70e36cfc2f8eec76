import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EnsembleOptions, Session, TlsOptions, WatchEvent } from '../../src/zookeeper/zookeeper.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { eventually } from '../harness/eventually.ts'
import { createFaultProxy } from '../harness/fault-proxy.ts'
import { freePort } from '../harness/ports.ts'
import { createTestPool, type TestPool } from '../harness/test-pool.ts'
import { readHistory } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const { signal } = new AbortController()
const DATA = Buffer.from('{"host":"10.0.0.1","port":3000}')
const NO_DATA = Buffer.alloc(0)

describe('ZooKeeper session', function () {
  this.timeout(90_000)
  let server: ZooKeeperServer
  let pools: TestPool[] = []

  before(async () => {
    server = await startZooKeeper()
  })
  after(() => server.close())
  afterEach(async () => {
    await Promise.all(pools.map(({ pool }) => pool.close()))
    pools = []
  })

  function newPool(): TestPool {
    const pool = createTestPool()
    pools.push(pool)
    return pool
  }

  async function connect(options: Partial<EnsembleOptions> = {}): Promise<Session> {
    const session = newPool().pool.acquire({ hosts: [server.hosts], sessionTimeoutMs: 10_000, ...options })
    await session.connected(signal)
    return session
  }

  describe('operations', () => {
    it('create(), getData(), setData() and delete() do what they say', async () => {
      const session = await connect()
      assert.equal(await session.create('/node', DATA, { mode: 'persistent' }, signal), '/node')
      const { data, stat } = await session.getData('/node', signal)
      assert.deepEqual([data, stat.version, stat.ephemeralOwner], [DATA, 0, undefined])
      const written = await session.setData('/node', NO_DATA, signal)
      assert.equal(written.version, 1)
      assert.equal(written.czxid, stat.czxid)
      assert.notEqual(written.mzxid, stat.mzxid)
      assert.equal((await session.getData('/node', signal)).data.length, 0)
      assert.equal(await session.delete('/node', signal), true)
      assert.equal(await session.delete('/node', signal), false)
      assert.equal(await session.exists('/node', signal), undefined)
    })

    it('create() makes each kind of node, and tells the name of a sequential one', async () => {
      const session = await connect()
      await session.create('/kinds', NO_DATA, { mode: 'persistent' }, signal)
      const path = await session.create('/kinds/n_', NO_DATA, { mode: 'ephemeral_sequential' }, signal)
      assert.match(path, /^\/kinds\/n_\d{10}$/)
      assert.equal((await session.exists(path, signal))?.ephemeralOwner, session.state.sessionId)
      const kept = await session.create('/kinds/p_', NO_DATA, { mode: 'persistent_sequential' }, signal)
      assert.equal((await session.exists(kept, signal))?.ephemeralOwner, undefined)
      const { children, stat } = await session.getChildren('/kinds', signal)
      assert.deepEqual([...children].map((name) => `/kinds/${name}`).sort(), [path, kept].sort())
      assert.equal(stat.numChildren, 2)
    })

    it('create() with replace puts a node in the place of another, and no reader sees a moment without', async () => {
      const [one, two] = [await connect(), await connect()]
      const create = (session: Session, replace: boolean) =>
        session.create('/taken', DATA, { mode: 'ephemeral', replace }, signal)
      await assert.rejects(create(two, true), { code: 'NO_NODE' })
      await create(one, false)
      await assert.rejects(create(two, false), { code: 'NODE_EXISTS' })
      const { lastZxid } = await readHistory(server)
      assert.equal(await create(two, true), '/taken')
      assert.equal((await two.exists('/taken', signal))?.ephemeralOwner, two.state.sessionId)
      const changes = (await readHistory(server)).since(lastZxid)
      assert.deepEqual(
        changes.map(({ kind, zxid }) => `${kind} ${zxid}`),
        ['deleted', 'created'].map((kind) => `${kind} ${changes[0]?.zxid}`),
      )
      await two.create('/taken-parent', NO_DATA, { mode: 'persistent' }, signal)
      await two.create('/taken-parent/child', NO_DATA, { mode: 'persistent' }, signal)
      const withChild = two.create('/taken-parent', DATA, { mode: 'ephemeral', replace: true }, signal)
      await assert.rejects(withChild, { code: 'NOT_EMPTY', message: /create \/taken-parent/ })
    })

    it("state and stat tell the session's id as the server's own commands do", async () => {
      const session = await connect()
      await session.create('/mine', NO_DATA, { mode: 'ephemeral' }, signal)
      const ephemerals = await server.ephemerals()
      assert.ok(ephemerals.get(session.state.sessionId ?? '')?.includes('/mine'))
    })

    const failures: readonly [what: string, code: string, run: (session: Session) => Promise<unknown>][] = [
      ['getData /none', 'NO_NODE', (session) => session.getData('/none', signal)],
      ['getChildren /none', 'NO_NODE', (session) => session.getChildren('/none', signal)],
      ['setData /none', 'NO_NODE', (session) => session.setData('/none', DATA, signal)],
      ['create /none/a', 'NO_NODE', (session) => session.create('/none/a', DATA, { mode: 'ephemeral' }, signal)],
      [
        'create /zookeeper',
        'NODE_EXISTS',
        (session) => session.create('/zookeeper', DATA, { mode: 'ephemeral' }, signal),
      ],
      ['delete /full', 'NOT_EMPTY', (session) => session.delete('/full', signal)],
      ['getData no/slash', 'BAD_ARGUMENTS', (session) => session.getData('no/slash', signal)],
      ['exists /a//b', 'BAD_ARGUMENTS', (session) => session.exists('/a//b', signal)],
      [
        'create /big',
        'BAD_ARGUMENTS',
        (session) => session.create('/big', Buffer.alloc(1_048_576), { mode: 'ephemeral' }, signal),
      ],
      [
        'create /mine',
        'BAD_ARGUMENTS',
        (session) => session.create('/mine', DATA, { mode: 'ephemeral', restrict: true }, signal),
      ],
    ]
    for (const [what, code, run] of failures) {
      it(`${what} fails with ${code}, and the message says what and where`, async () => {
        const session = await connect()
        await session.ensurePath('/full/child', signal)
        await assert.rejects(run(session), (error: Error & { code?: string }) => {
          assert.equal(error.name, 'ZooKeeperError')
          assert.equal(error.code, code)
          assert.ok(error.message.startsWith(`${what}: `), error.message)
          return true
        })
        assert.notEqual(await session.exists('/', signal), undefined)
      })
    }

    it('takes a payload just below what the server takes', async () => {
      const session = await connect()
      const data = Buffer.alloc(0xf_ffff - 4096, 'x')
      await session.create('/large', data, { mode: 'ephemeral' }, signal)
      assert.ok((await session.getData('/large', signal)).data.equals(data))
    })

    it('rejects with the reason of a signal that has aborted', async () => {
      const session = await connect()
      await assert.rejects(session.getData('/', AbortSignal.abort(new Error('enough'))), { message: 'enough' })
    })

    for (const [mode, name] of [
      ['ephemeral', 'i-1_'],
      ['ephemeral_sequential', 'i-1_0000000000'],
    ] as const) {
      it(`create() makes a missing parent in the same transaction, and only then (${mode})`, async () => {
        const session = await connect()
        const parent = `/with-parent-${mode}`
        const create = (under: string) => session.create(`${under}/i-1_`, DATA, { mode, withParent: true }, signal)
        assert.equal(await create(parent), `${parent}/${name}`)
        const [above, node] = [
          await session.getData(parent, signal),
          await session.getData(`${parent}/${name}`, signal),
        ]
        assert.deepEqual([above.data.length, above.stat.ephemeralOwner], [0, undefined])
        assert.deepEqual([node.data, node.stat.ephemeralOwner], [DATA, session.state.sessionId])
        assert.equal(node.stat.czxid, above.stat.czxid, 'one transaction')
        await assert.rejects(create(parent), { code: 'NODE_EXISTS' })
        await assert.rejects(create(`${parent}/missing/parent`), { code: 'NO_NODE' })
        assert.deepEqual((await session.getChildren(parent, signal)).children, [name])
      })
    }

    it('ensurePath() makes what is missing, once, whoever else does the same', async () => {
      const sessions = await Promise.all([connect(), connect()])
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          sessions[index % 2]?.ensurePath(`/ensured/a/b/${index % 3}`, new AbortController().signal),
        ),
      )
      assert.deepEqual([...(await sessions[0].getChildren('/ensured/a/b', signal)).children].sort(), ['0', '1', '2'])
      await sessions[0].setData('/ensured', DATA, signal)
      await sessions[1].ensurePath('/ensured/a/b/0', signal)
      const { data, stat } = await sessions[0].getData('/ensured', signal)
      assert.deepEqual([data, stat.version], [DATA, 1])
    })
  })

  describe('watches', () => {
    it('fire once, for what they were set on', async () => {
      const session = await connect()
      const events: string[] = []
      const note = (name: string) => (event: WatchEvent) => events.push(`${name} ${event}`)
      await session.exists('/watched', signal, note('exists'))
      await session.create('/watched', NO_DATA, { mode: 'persistent' }, signal)
      await session.getData('/watched', signal, note('data'))
      await session.getChildren('/watched', signal, note('children'))
      await session.create('/watched/child', NO_DATA, { mode: 'ephemeral' }, signal)
      await session.create('/watched/other', NO_DATA, { mode: 'ephemeral' }, signal)
      await session.setData('/watched', DATA, signal)
      await session.setData('/watched', NO_DATA, signal)
      await eventually(() => assert.deepEqual(events, ['exists created', 'children children', 'data changed']))
    })

    it('of nodes that are read together fire as those of one do, once, also after a reconnect', async () => {
      const proxy = await createFaultProxy(server.port)
      const session = await connect({ hosts: [`${proxy.hosts}/together`] })
      const writer = await connect({ hosts: [`${server.hosts}/together`] })
      for (const name of ['a', 'b', 'c'])
        await writer.create(`/${name}`, Buffer.from(name), { mode: 'persistent' }, signal)
      const events: string[] = []
      const paths = ['/a', '/b', '/none', '/c']
      const nodes = paths.map((path) => ({ path, watch: (event: WatchEvent) => events.push(`${path} ${event}`) }))
      await session.getChildren('/', signal) // what the server tells with it is older than no node
      const read = (await session.getDataOf?.(nodes, signal)) ?? []
      assert.deepEqual(
        read.map((each) =>
          each instanceof Error ? `${each.code} ${each.message}` : `${each.data} ${each.stat.version}`,
        ),
        ['a 0', 'b 0', 'NO_NODE getData /together/none: NO_NODE (-101)', 'c 0'],
      )
      await eventually(() => assert.deepEqual(events, ['/none deleted']))
      await writer.setData('/a', DATA, signal)
      await writer.setData('/a', NO_DATA, signal)
      await writer.delete('/b', signal)
      await eventually(() => assert.deepEqual(events, ['/none deleted', '/a changed', '/b deleted']))
      proxy.refuse()
      proxy.cut()
      await eventually(() => assert.equal(session.state.status, 'suspended'))
      await writer.setData('/c', DATA, signal)
      await proxy.resume()
      await eventually(() => assert.deepEqual(events.slice(3), ['/c changed']))
      await session.release()
      await proxy.close()
    })

    it('tell after a reconnect what was missed', async () => {
      const proxy = await createFaultProxy(server.port)
      const session = await connect({ hosts: [proxy.hosts] })
      const writer = await connect()
      await writer.create('/missed', NO_DATA, { mode: 'persistent' }, signal)
      const events: string[] = []
      const note = (name: string) => (event: WatchEvent) => events.push(`${name} ${event}`)
      await session.getData('/missed', signal, note('data'))
      await session.getChildren('/missed', signal, note('children'))
      await session.exists('/missed-later', signal, note('exists'))
      proxy.refuse()
      proxy.cut()
      await eventually(() => assert.equal(session.state.status, 'suspended'))
      await writer.setData('/missed', DATA, signal)
      await writer.create('/missed/child', NO_DATA, { mode: 'ephemeral' }, signal)
      await writer.create('/missed-later', NO_DATA, { mode: 'ephemeral' }, signal)
      assert.deepEqual(events, [])
      await proxy.resume()
      await eventually(() => assert.deepEqual(events.sort(), ['children children', 'data changed', 'exists created']))
      await session.release()
      await proxy.close()
    })
  })

  describe('chroot', () => {
    it('is made when it is missing, and all paths are below it', async () => {
      const below = await connect({ hosts: [`${server.hosts}/deep/root`] })
      assert.equal(await below.create('/n_', DATA, { mode: 'ephemeral_sequential' }, signal), '/n_0000000000')
      assert.deepEqual((await below.getChildren('/', signal)).children, ['n_0000000000'])
      const whole = await connect()
      assert.deepEqual((await whole.getData('/deep/root/n_0000000000', signal)).data, DATA)
    })

    it('watches work below it, also after a reconnect', async () => {
      const proxy = await createFaultProxy(server.port)
      const session = await connect({ hosts: [`${proxy.hosts}/deep/watched`] })
      const events: WatchEvent[] = []
      await session.exists('/a', signal, (event) => events.push(event))
      const { accepted } = proxy
      proxy.cut()
      await eventually(() => assert.ok(proxy.accepted > accepted, 'it connects again'))
      await eventually(() => session.create('/a', NO_DATA, { mode: 'ephemeral' }, signal))
      await eventually(() => assert.deepEqual(events, ['created']))
      await session.release()
      await proxy.close()
    })
  })

  describe('digest', () => {
    it('restricts what it makes: others may read, nobody else may write', async () => {
      const owner = await connect({ digest: 'nerve:secret' })
      await owner.create('/restricted', DATA, { mode: 'persistent', restrict: true }, signal)
      const stranger = await connect({ digest: 'nerve:wrong' })
      assert.deepEqual((await stranger.getData('/restricted', signal)).data, DATA)
      await assert.rejects(stranger.setData('/restricted', NO_DATA, signal), { code: 'NO_AUTH' })
      await stranger.create('/restricted-not', NO_DATA, { mode: 'ephemeral' }, signal)
      await assert.rejects(stranger.create('/restricted/a', NO_DATA, { mode: 'ephemeral' }, signal), {
        code: 'NO_AUTH',
      })
      const other = await connect({ digest: 'nerve:secret' })
      await other.setData('/restricted', NO_DATA, signal)
      await other.ensurePath('/restricted', signal)
    })

    it('ensurePath() needs no right on parents that are there', async () => {
      const owner = await connect({ digest: 'nerve:secret' })
      await owner.create('/closed', NO_DATA, { mode: 'persistent', restrict: true }, signal)
      await owner.create('/closed/open', NO_DATA, { mode: 'persistent' }, signal)
      const stranger = await connect()
      await stranger.ensurePath('/closed/open/service', signal)
      await assert.rejects(stranger.ensurePath('/closed/mine', signal), { code: 'NO_AUTH' })
    })

    it('is nowhere in the log, the state or the metrics', async () => {
      const proxy = await createFaultProxy(server.port)
      const test = newPool()
      const session = test.pool.acquire({ hosts: [proxy.hosts], sessionTimeoutMs: 10_000, digest: 'nerve:hunter2' })
      await session.connected(signal)
      proxy.refuse()
      proxy.cut()
      await eventually(() => assert.equal(session.state.status, 'suspended'))
      await eventually(() => assert.ok(test.lines.some(({ message }) => message === 'ZooKeeper cannot be reached')))
      const told = JSON.stringify([test.lines, test.pool.state(), await test.metrics.text()])
      assert.ok(!told.includes('hunter2'))
      await test.pool.close()
      await proxy.close()
    })
  })

  describe('createSessionPool()', () => {
    it('shares one session among equal users, and closes it with the last', async () => {
      const { pool } = newPool()
      const hosts = [server.hosts, `localhost:${server.port}`]
      const users = [hosts, [...hosts].reverse(), [hosts.join(', ')]].map((each) =>
        pool.acquire({ hosts: each, sessionTimeoutMs: 10_000 }),
      )
      await Promise.all(users.map((user) => user.connected(signal)))
      assert.deepEqual(
        pool.state().map(({ users: count }) => count),
        [3],
      )
      assert.equal(new Set(users.map(({ state }) => state.sessionId)).size, 1)
      await users[0]?.create('/shared', NO_DATA, { mode: 'ephemeral' }, signal)
      await users[0]?.release()
      await users[0]?.release()
      await users[1]?.release()
      assert.ok((await server.ephemeralsUnder('')).includes('/shared'))
      await users[2]?.release()
      assert.ok(!(await server.ephemeralsUnder('')).includes('/shared'))
      assert.deepEqual(pool.state(), [])
    })

    it('gives other credentials, timeouts and chroots a session of their own', async () => {
      const { pool } = newPool()
      const base = { hosts: [server.hosts], sessionTimeoutMs: 10_000 }
      const users = [
        base,
        { ...base, digest: 'a:b' },
        { ...base, sessionTimeoutMs: 5000 },
        { ...base, hosts: [`${server.hosts}/x`] },
      ].map((options) => pool.acquire(options))
      await Promise.all(users.map((user) => user.connected(signal)))
      assert.equal(new Set(users.map(({ state }) => state.sessionId)).size, 4)
      const names = pool.state().map(({ ensemble }) => ensemble)
      assert.deepEqual(names, [server.hosts, `${server.hosts} #2`, `${server.hosts} #3`, `${server.hosts}/x`])
    })

    it('starts a new session for who comes after the last has gone', async () => {
      const { pool } = newPool()
      const options = { hosts: [server.hosts], sessionTimeoutMs: 10_000 }
      const first = pool.acquire(options)
      await first.connected(signal)
      const { sessionId } = first.state
      const releasing = first.release()
      const second = pool.acquire(options)
      await Promise.all([second.connected(signal), releasing])
      assert.notEqual(second.state.sessionId, sessionId)
    })

    it('ends subscriptions with their user', async () => {
      const { pool } = newPool()
      const options = { hosts: [server.hosts], sessionTimeoutMs: 10_000 }
      const [first, second] = [pool.acquire(options), pool.acquire(options)]
      const heard: string[] = []
      first.subscribe(({ status }) => heard.push(`first ${status}`))
      second.subscribe(({ status }) => heard.push(`second ${status}`))
      await first.release()
      await second.connected(signal)
      assert.deepEqual(heard, ['second connected'])
    })

    it('refuses hosts that it cannot read', () => {
      assert.throws(() => newPool().pool.acquire({ hosts: ['zk:port'], sessionTimeoutMs: 10_000 }), {
        code: 'CONFIG_INVALID',
      })
    })

    it('measures states, connects, losses and operations', async () => {
      const { pool, metrics } = newPool()
      const session = pool.acquire({ hosts: [server.hosts], sessionTimeoutMs: 10_000 })
      await session.connected(signal)
      await session.exists('/', signal)
      await assert.rejects(session.getData('/none', signal))
      const text = await metrics.text()
      const ensemble = `ensemble="${server.hosts}"`
      for (const line of [
        `smartstack_zookeeper_session_state{${ensemble},state="connected"} 1`,
        `smartstack_zookeeper_session_state{${ensemble},state="suspended"} 0`,
        `smartstack_zookeeper_connects_total{${ensemble}} 1`,
        `smartstack_zookeeper_sessions_lost_total{${ensemble},cause="expired"} 0`,
        `smartstack_zookeeper_operations_total{${ensemble},operation="exists",result="OK"} 1`,
        `smartstack_zookeeper_operations_total{${ensemble},operation="getData",result="NO_NODE"} 1`,
        `smartstack_zookeeper_operation_seconds_count{${ensemble},operation="exists"} 1`,
      ]) {
        assert.ok(text.includes(`${line}\n`), `${line} is missing`)
      }
      await session.release()
      assert.ok(!(await metrics.text()).includes('state="connected"'))
    })
  })
})

describe('ZooKeeper session over TLS', function () {
  this.timeout(90_000)
  let certificates: Certificates
  let directory: string

  before(async () => {
    certificates = await createCertificates()
    directory = await mkdtemp(join(tmpdir(), 'smartstack-zookeeper-tls-'))
    const { cert, key } = certificates.server
    await writeFile(join(directory, 'server.pem'), Buffer.concat([await readFile(key), await readFile(cert)]))
  })
  after(async () => {
    await certificates.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function startSecure(clientAuth: 'none' | 'need'): Promise<{ server: ZooKeeperServer; hosts: string }> {
    const port = await freePort()
    const server = await startZooKeeper({
      javaOptions: ['-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory'],
      config: {
        secureClientPort: String(port),
        secureClientPortAddress: '127.0.0.1',
        'ssl.keyStore.location': join(directory, 'server.pem'),
        'ssl.trustStore.location': certificates.ca,
        'ssl.clientAuth': clientAuth,
        'ssl.hostnameVerification': 'false',
      },
    })
    return { server, hosts: `localhost:${port}` }
  }

  async function using(hosts: string, tls: TlsOptions, work: (session: Session) => Promise<void>): Promise<void> {
    const { pool } = createTestPool()
    try {
      await work(pool.acquire({ hosts: [hosts], sessionTimeoutMs: 10_000, tls }))
    } finally {
      await pool.close()
    }
  }

  const works = async (session: Session) => {
    await session.connected(signal)
    await session.create('/tls', DATA, { mode: 'ephemeral' }, signal)
    assert.deepEqual((await session.getData('/tls', signal)).data, DATA)
  }

  it('speaks TLS with a server whose certificate it can check, and with any when told not to', async () => {
    const { server, hosts } = await startSecure('none')
    try {
      await using(hosts, { caFile: certificates.ca }, works)
      await using(hosts, { verify: false }, works)
    } finally {
      await server.close()
    }
  })

  it('refuses a server whose certificate is not from its authority, and says why', async () => {
    const { server, hosts } = await startSecure('none')
    try {
      await using(hosts, { caFile: certificates.otherCa }, async (session) => {
        await eventually(() => assert.match(session.state.reason ?? '', /^localhost:\d+: .*certificate/))
        assert.equal(session.state.status, 'connecting')
      })
    } finally {
      await server.close()
    }
  })

  it('shows its own certificate to a server that wants one, and keeps its session over a reconnect', async () => {
    const { server, hosts } = await startSecure('need')
    const proxy = await createFaultProxy(Number(hosts.split(':')[1]))
    const { cert: certFile, key: keyFile } = certificates.client
    try {
      await using(`localhost:${proxy.port}`, { caFile: certificates.ca, certFile, keyFile }, async (session) => {
        await works(session)
        const { sessionId } = session.state
        const { accepted } = proxy
        proxy.cut()
        await eventually(() => assert.ok(proxy.accepted > accepted, 'it connects again'))
        await eventually(() => session.exists('/tls', signal))
        assert.equal(session.state.sessionId, sessionId)
      })
      await using(hosts, { caFile: certificates.ca }, async (session) => {
        await eventually(() => assert.notEqual(session.state.reason, undefined))
        assert.equal(session.state.status, 'connecting')
      })
    } finally {
      await proxy.close()
      await server.close()
    }
  })

  it('says which certificate file it cannot read, and goes on trying', async () => {
    const { server, hosts } = await startSecure('none')
    const caFile = join(directory, 'late.pem')
    try {
      await using(hosts, { caFile }, async (session) => {
        await eventually(() => assert.match(session.state.reason ?? '', /ENOENT.*late\.pem/))
        await writeFile(caFile, await readFile(certificates.ca))
        await works(session)
      })
    } finally {
      await server.close()
    }
  })
})
