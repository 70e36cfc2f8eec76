import assert from 'node:assert/strict'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { createFaultProxy, type FaultProxy } from '../harness/fault-proxy.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { readHistory } from '../harness/znode-history.ts'
import { type Ensemble, startEnsemble, startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const PARENT = '/services/web'

/** What of nerve's state these tests look at. */
interface NerveState {
  readonly services: readonly {
    readonly status: string
    readonly reporter: {
      readonly path: string | null
      readonly session: { readonly status: string; sessionId?: string }
    }
  }[]
}

interface Options {
  readonly hosts: string
  readonly port: number
  readonly nodeType?: string
  /** Seconds. */
  readonly sessionTimeout?: number
  readonly fall?: number
  /** Seconds. */
  readonly drain?: number
}

const config = ({
  hosts,
  port,
  nodeType = 'ephemeral_sequential',
  sessionTimeout = 4,
  fall = 1,
  drain = 0,
}: Options) => ({
  instance_id: 'i-1',
  drain,
  services: {
    web: {
      ...{ host: '127.0.0.1', port, zk_hosts: hosts.split(','), zk_path: PARENT, zk_session_timeout: sessionTimeout },
      ...{ node_type: nodeType, check_interval: 0.2 },
      checks: [{ type: 'http', uri: '/health', timeout: 5, rise: 1, fall }],
    },
  },
})

const service = async (nerve: Daemon) => {
  const [web] = (await nerve.state<NerveState>()).services
  assert.ok(web !== undefined, 'nerve has the service')
  return web
}

/** The znodes that exist now, as `server` has written them down. */
const registered = async (server: ZooKeeperServer): Promise<readonly string[]> =>
  (await readHistory(server)).childSets([PARENT]).at(-1)?.paths ?? []

const untilRegistered = (server: ZooKeeperServer, nerve: Daemon) =>
  eventually(async () => {
    assert.deepEqual(await registered(server), [(await service(nerve)).reporter.path])
  }, 20_000)

const untilHealth = (nerve: Daemon, status: string) =>
  eventually(async () => assert.equal((await service(nerve)).status, status), 20_000)

const untilSession = (nerve: Daemon, status: string) =>
  eventually(async () => assert.equal((await service(nerve)).reporter.session.status, status), 20_000)

describe('nerve while ZooKeeper, or nerve itself, is away', function () {
  this.timeout(120_000)
  let server: ZooKeeperServer
  let instance: Instance
  let nerve: Daemon | undefined

  beforeEach(async () => {
    ;[server, instance] = await Promise.all([startZooKeeper(), startInstance('web')])
  })
  afterEach(async () => {
    await nerve?.close()
    nerve = undefined
    await instance.stop()
    await server.close()
  })

  const start = async (options: Partial<Options> = {}) => {
    const started = await startNerve(config({ hosts: server.hosts, port: instance.port, ...options }))
    nerve = started
    await untilRegistered(server, started)
    return started
  }

  /** Stops the process until ZooKeeper has ended its session. */
  const freezeUntilExpired = async (frozen: Daemon) => {
    frozen.kill('SIGSTOP')
    await eventually(async () => assert.deepEqual(await registered(server), []), 20_000, 50)
  }

  for (const nodeType of ['ephemeral_sequential', 'ephemeral']) {
    it(`a nerve that was stopped for longer than its session registers again, never twice (${nodeType})`, async () => {
      const frozen = await start({ nodeType })
      const { reporter: before } = await service(frozen)
      for (let round = 0; round < 3; round++) {
        await freezeUntilExpired(frozen)
        frozen.kill('SIGCONT')
        await untilRegistered(server, frozen)
      }
      await consistently(async () => assert.equal((await registered(server)).length, 1), 1_000, 100)
      const history = await readHistory(server)
      const kinds = history.changes.filter(({ path }) => path.startsWith(`${PARENT}/`)).map(({ kind }) => kind)
      assert.deepEqual(kinds, ['created', ...Array(3).fill(['ended', 'created']).flat()])
      assert.deepEqual(history.extremes([PARENT]), { least: 0, most: 1 })
      assert.notEqual((await service(frozen)).reporter.session.sessionId, before.session.sessionId)
    })
  }

  it('a nerve that ends before ZooKeeper has answered its create drains all the same: clients have seen the znode', async () => {
    const proxy = await createFaultProxy(server.port)
    try {
      const ending = await start({ hosts: proxy.hosts, sessionTimeout: 30, drain: 0.5 })
      instance.healthy = false
      await eventually(async () => assert.deepEqual(await registered(server), []), 20_000)
      await eventually(async () => assert.equal((await service(ending)).reporter.path, null)) // it has the answer, too
      proxy.stall('toClient')
      instance.healthy = true
      await eventually(async () => assert.equal((await registered(server)).length, 1), 20_000)
      assert.equal((await service(ending)).reporter.path, null, 'nerve knows of no znode yet')
      assert.equal(await ending.stop(30_000), 0)
      assert.match(ending.output, /"msg":"draining"/)
    } finally {
      await proxy.close()
    }
  })

  it('a service that died while nerve was stopped is not registered, not even until its check has failed often enough', async () => {
    const frozen = await start({ fall: 4 })
    await freezeUntilExpired(frozen)
    const { lastZxid } = await readHistory(server)
    instance.healthy = false
    frozen.kill('SIGCONT')
    await untilHealth(frozen, 'down')
    await untilSession(frozen, 'connected')
    assert.deepEqual((await readHistory(server)).since(lastZxid), [], 'nothing was registered meanwhile')

    instance.healthy = true
    await untilRegistered(server, frozen)
    assert.deepEqual(
      (await readHistory(server)).since(lastZxid).map(({ kind }) => kind),
      ['created'],
    )
  })

  it('a nerve that was stopped for a moment keeps its session and its znode, and writes nothing', async () => {
    const frozen = await start({ sessionTimeout: 10, fall: 4 })
    const { lastZxid } = await readHistory(server)
    const { reporter } = await service(frozen)
    const runs = () => frozen.metric('nerve_check_runs_total', 'result="pass"')
    const before = await runs()
    frozen.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 2_000)) // longer than what makes a verdict old
    frozen.kill('SIGCONT')
    await eventually(async () => assert.ok((await runs()) > before + 3, 'its checks go on'), 20_000)
    assert.deepEqual((await readHistory(server)).since(lastZxid), [])
    assert.deepEqual((await service(frozen)).reporter, reporter)
    assert.equal((await service(frozen)).status, 'up')
  })

  for (const empty of [false, true]) {
    it(`a service that fails while ZooKeeper is away is not registered when it is back ${empty ? 'empty' : 'with its data'}`, async () => {
      const checking = await start()
      await server.kill()
      await untilSession(checking, 'suspended')
      instance.healthy = false
      await untilHealth(checking, 'down')
      await consistently(async () => assert.equal((await service(checking)).status, 'down'), 5_000, 100) // > its session
      await server.restart({ empty })
      await untilSession(checking, 'connected')
      await eventually(async () => assert.deepEqual(await registered(server), []))
      const kinds = async () =>
        (await readHistory(server)).changes.filter(({ path }) => path.startsWith(`${PARENT}/`)).map(({ kind }) => kind)
      const before = await kinds()
      assert.ok(empty ? before.length === 0 : before.filter((kind) => kind === 'created').length === 1, before.join())

      instance.healthy = true
      await untilRegistered(server, checking)
      assert.deepEqual((await kinds()).slice(before.length), ['created'])
      assert.equal((await readHistory(server)).extremes([PARENT]).most, 1)
    })
  }

  it('a service that recovers while ZooKeeper is away is registered when it is back, once', async () => {
    const checking = await start()
    instance.healthy = false
    await eventually(async () => assert.deepEqual(await registered(server), []))
    const { lastZxid } = await readHistory(server)
    await server.kill()
    await untilSession(checking, 'suspended')
    instance.healthy = true
    await untilHealth(checking, 'up')
    await server.restart()
    await untilRegistered(server, checking)
    assert.deepEqual(
      (await readHistory(server)).since(lastZxid).map(({ kind }) => kind),
      ['created'],
    )
  })
})

describe('nerve and what is to be removed while ZooKeeper is away', function () {
  this.timeout(60_000)
  let server: ZooKeeperServer
  let proxy: FaultProxy
  let nerve: Daemon

  const service = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
    ...{ host: '10.0.0.1', port: 80, zk_hosts: [proxy.hosts], zk_path: `/services/${name}`, zk_session_timeout: 30 },
    ...more,
  })
  const file = (services: Readonly<Record<string, unknown>>) => ({ instance_id: 'i-1', services })
  const left = async (...names: string[]) =>
    (await readHistory(server)).childSets(names.map((name) => `/services/${name}`)).at(-1)?.paths ?? []

  beforeEach(async () => {
    server = await startZooKeeper()
    proxy = await createFaultProxy(server.port)
  })
  afterEach(async () => {
    await nerve.close()
    await proxy.close()
    await server.close()
  })

  /** Nobody gets through to ZooKeeper until `proxy.resume()`. */
  const lose = async () => {
    proxy.refuse()
    proxy.cut()
    await eventually(async () => {
      const [session] = (await nerve.state<{ sessions: { session: { status: string } }[] }>()).sessions
      assert.equal(session?.session.status, 'suspended')
    })
  }

  for (const more of [{}, { node_type: 'persistent' }, { down_on_shutdown: false }, { drain: '100ms' }]) {
    it(`a service that an edit takes out then is gone when it is back, though the session goes on: ${JSON.stringify(more)}`, async () => {
      nerve = await startNerve(file({ stays: service('stays'), goes: service('goes', more) }))
      await eventually(async () => assert.equal((await left('stays', 'goes')).length, 2))
      await lose()
      await nerve.configure(file({ stays: service('stays') }))
      nerve.hup()
      await eventually(() => assert.match(nerve.output, /edited configuration applied/))
      // Longer than a removal at the end of nerve has.
      await consistently(async () => assert.equal((await left('stays', 'goes')).length, 2), 4_000, 200)
      await proxy.resume()
      await eventually(async () => assert.equal((await left('goes')).length, 0), 30_000)
      assert.equal((await left('stays')).length, 1)
    })
  }

  it('a service that an edit takes out goes, also when the end of nerve would leave it', async () => {
    nerve = await startNerve(file({ stays: service('stays'), goes: service('goes', { down_on_shutdown: false }) }))
    await eventually(async () => assert.equal((await left('stays', 'goes')).length, 2))
    await nerve.configure(file({ stays: service('stays') }))
    nerve.hup()
    await eventually(async () => assert.equal((await left('goes')).length, 0))
  })

  it('nerve that ends then waits for it a moment, and removes what does not go with a session, too', async () => {
    nerve = await startNerve(file({ one: service('one'), two: service('two', { node_type: 'persistent' }) }))
    await eventually(async () => assert.equal((await left('one', 'two')).length, 2))
    await lose()
    const ended = nerve.stop()
    await eventually(() => assert.match(nerve.output, /"msg":"stopping"/))
    await proxy.resume()
    assert.equal(await ended, 0)
    assert.deepEqual(await left('one', 'two'), [])
  })

  it('nerve that ends while a service that was taken out still cannot be removed does not wait for ever', async () => {
    nerve = await startNerve(file({ stays: service('stays'), goes: service('goes') }))
    await eventually(async () => assert.equal((await left('stays', 'goes')).length, 2))
    await lose()
    await nerve.configure(file({ stays: service('stays') }))
    nerve.hup()
    await eventually(() => assert.match(nerve.output, /edited configuration applied/))
    assert.equal(await nerve.stop(30_000), 0)
  })
})

describe('nerve and an ensemble that loses members', function () {
  this.timeout(180_000)
  let ensemble: Ensemble
  let instance: Instance
  let nerve: Daemon

  before(async () => {
    ;[ensemble, instance] = await Promise.all([startEnsemble(), startInstance('web')])
    nerve = await startNerve(config({ hosts: ensemble.hosts, port: instance.port, sessionTimeout: 12 }))
  })
  after(async () => {
    await nerve.close()
    await instance.stop()
    await ensemble.close()
  })

  const sessionId = async () => String((await service(nerve)).reporter.session.sessionId)

  /** The member that nerve talks to. */
  const connectedTo = () =>
    eventually(async () => {
      const session = await sessionId()
      for (const member of ensemble.members) {
        const connections = await member.connections().catch(() => [])
        if (connections.some((connection) => connection.sessionId === session)) return member
      }
      throw new Error(`no member holds the session ${session}`)
    }, 20_000)

  const other = (one: ZooKeeperServer): ZooKeeperServer => {
    const [first, second] = ensemble.members
    assert.ok(first !== undefined && second !== undefined)
    return one === first ? second : first
  }

  /** Kills the member that nerve talks to, until it talks to another. */
  const loseMember = async () => {
    const lost = await connectedTo()
    const survivor = other(lost)
    await untilRegistered(survivor, nerve)
    const before = { session: await sessionId(), zxid: (await readHistory(survivor)).lastZxid }
    await lost.kill()
    await eventually(async () => assert.notEqual(await connectedTo(), lost), 20_000)
    await untilSession(nerve, 'connected')
    await untilRegistered(survivor, nerve)
    assert.equal(await sessionId(), before.session, 'the session goes on')
    assert.deepEqual((await readHistory(survivor)).since(before.zxid), [], 'and so does its znode')
    return lost
  }

  it('goes on with the same session and the same znode at another member', async () => {
    const lost = await loseMember()
    await lost.restart()
  })

  it('each of three members in turn, so also the one that leads', async () => {
    for (let turn = 0; turn < 3; turn++) {
      const leader = await eventually(() => ensemble.leader(), 20_000)
      const lost = await loseMember()
      if (lost !== leader) await leader.kill().then(() => leader.restart())
      await lost.restart()
    }
    await untilRegistered(other(await connectedTo()), nerve)
  })

  it('a service that fails and recovers while there is no quorum is there once when the quorum is back, never twice', async () => {
    const stays = await connectedTo()
    const others = ensemble.members.filter((member) => member !== stays)
    await untilRegistered(stays, nerve)
    const { lastZxid } = await readHistory(stays)
    await Promise.all(others.map((member) => member.kill()))
    await untilSession(nerve, 'suspended')
    instance.healthy = false
    await untilHealth(nerve, 'down')
    instance.healthy = true
    await untilHealth(nerve, 'up')
    await Promise.all(others.map((member) => member.restart()))
    await untilSession(nerve, 'connected')
    await untilRegistered(stays, nerve)
    const { least, most } = (await readHistory(stays)).extremes([PARENT], lastZxid)
    assert.ok(least >= 0 && most === 1, `${least} to ${most} znodes`)
  })
})
