import assert from 'node:assert/strict'
import { createOwnNode } from '../../../src/zookeeper/ephemeral-node.ts'
import type { CreateMode, OwnNode, OwnNodeSpec } from '../../../src/zookeeper/zookeeper.ts'
import { eventually } from '../../harness/eventually.ts'
import { settle } from '../../harness/fake-clock.ts'
import { FakeSession, FakeZooKeeper } from '../../harness/fake-session.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const { signal } = new AbortController()

function spec(changes: Partial<Omit<OwnNodeSpec, 'data'>> & { data?: string } = {}): OwnNodeSpec {
  const { data = 'payload', ...rest } = changes
  return { parent: '/services/web', prefix: 'i-abc_', mode: 'ephemeral_sequential', ...rest, data: Buffer.from(data) }
}

describe('createOwnNode()', () => {
  let zookeeper: FakeZooKeeper
  let session: FakeSession
  let log: ReturnType<typeof recordingLog>
  let disturbed: number
  const create = (on = session): OwnNode =>
    createOwnNode({ session: on, random: () => 0.5, log, id: 'web', onDisturbed: () => (disturbed += 1) })
  const names = () => zookeeper.childrenOf('/services/web')
  const dataOf = (path = '') => zookeeper.nodes.get(path)?.data.toString()
  const pathsAndData = () => names().map((name) => `${name} ${dataOf(`/services/web/${name}`)}`)

  beforeEach(() => {
    zookeeper = new FakeZooKeeper()
    session = new FakeSession(zookeeper)
    log = recordingLog()
    disturbed = 0
  })

  const modes: { mode: CreateMode; name: string; owned: boolean }[] = [
    { mode: 'ephemeral_sequential', name: 'i-abc_0000000000', owned: true },
    { mode: 'ephemeral', name: 'i-abc_', owned: true },
    { mode: 'persistent_sequential', name: 'i-abc_0000000000', owned: false },
    { mode: 'persistent', name: 'i-abc_', owned: false },
  ]
  for (const { mode, name, owned } of modes) {
    it(`makes a znode of mode ${mode} named ${name}, then none`, async () => {
      const node = create()
      await node.reconcile(spec({ mode }), signal)
      assert.equal(node.path, `/services/web/${name}`)
      assert.equal(dataOf(node.path), 'payload')
      assert.equal(zookeeper.nodes.get(String(node.path))?.owner, owned ? session.id : undefined)
      await node.reconcile(undefined, signal)
      assert.deepEqual([names(), node.path, disturbed], [[], undefined, 0])
    })
  }

  it('creates a missing parent only when told that it is missing', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    assert.equal(session.calls.filter((call) => call.startsWith('ensurePath')).length, 1)
    assert.equal(session.calls[0], 'create /services/web/i-abc_')
    await create().reconcile(spec({ data: 'other' }), signal)
    assert.equal(session.calls.filter((call) => call.startsWith('ensurePath')).length, 1)
  })

  it('makes a missing parent together with the znode, after what is missing above it', async () => {
    await create().reconcile(spec(), signal)
    assert.deepEqual(session.calls, [
      'create /services/web/i-abc_',
      'ensurePath /services',
      'create /services/web/i-abc_',
      'getData /services/web/i-abc_0000000000',
    ])
  })

  for (const mode of ['ephemeral', 'ephemeral_sequential'] as const) {
    it(`makes the znode all the same when another makes the parent at the same time (${mode})`, async () => {
      const specs = ['a_', 'b_'].map((prefix) => spec({ mode, prefix }))
      await Promise.all(specs.map((each) => create().reconcile(each, signal)))
      assert.deepEqual(
        names().map((name) => name.slice(0, 2)),
        ['a_', 'b_'],
      )
    })
  }

  it('does nothing but look when called again with the same value, and sets one watch', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.calls.length = 0
    for (let pass = 0; pass < 3; pass++) await node.reconcile(spec(), signal)
    assert.deepEqual(session.calls, Array(3).fill('getData /services/web/i-abc_0000000000'))
    assert.equal(zookeeper.watches(String(node.path)), 1)
  })

  it('asks nothing of ZooKeeper to be absent when it never was present', async () => {
    session.suspend()
    await create().reconcile(undefined, signal)
    assert.deepEqual(session.calls, [])
  })

  it('changes the data of the znode that exists, and goes on watching it', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    await node.reconcile(spec({ data: 'weight 3' }), signal)
    await settle()
    assert.deepEqual(pathsAndData(), ['i-abc_0000000000 weight 3'])
    assert.equal(disturbed, 0, 'its own write does not disturb it')
    zookeeper.remove(String(node.path))
    await eventually(() => assert.equal(disturbed, 1))
  })

  it('puts back data that somebody else overwrote', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    zookeeper.put(String(node.path), 'nonsense')
    await eventually(() => assert.equal(disturbed, 1))
    await node.reconcile(spec(), signal)
    assert.deepEqual(pathsAndData(), ['i-abc_0000000000 payload'])
  })

  it('makes the new znode before it removes the old one when the name changes', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.calls.length = 0
    await node.reconcile(spec({ prefix: 'base64_4_e30=_' }), signal)
    assert.deepEqual(names(), ['base64_4_e30=_0000000001'])
    const operations = session.calls.map((call) => call.split(' ')[0])
    assert.ok(operations.indexOf('create') < operations.indexOf('delete'))
  })

  it('keeps the old znode when the new one cannot be made, and removes it later', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.fail('create', 'NO_AUTH')
    await assert.rejects(node.reconcile(spec({ prefix: 'new_' }), signal), { code: 'NO_AUTH' })
    assert.deepEqual(names(), ['i-abc_0000000000'])
    await node.reconcile(spec({ prefix: 'new_' }), signal)
    assert.deepEqual(names(), ['new_0000000001'])
  })

  for (const mode of ['ephemeral_sequential', 'ephemeral', 'persistent_sequential', 'persistent'] as const) {
    it(`takes a znode back that it was to remove and could not, with what it shall say now (${mode})`, async () => {
      const node = create()
      await node.reconcile(spec({ mode }), signal)
      const { path } = node
      session.suspend()
      await assert.rejects(node.reconcile(undefined, signal), { code: 'CONNECTION_LOSS' })
      session.resume()
      session.calls.length = 0
      await node.reconcile(spec({ mode, data: 'weight 3' }), signal)
      assert.deepEqual([node.path, names().length, dataOf(path)], [path, 1, 'weight 3'])
      assert.ok(!session.calls.some((call) => /^(create|delete) .*i-abc_/.test(call)), session.calls.join())
      await node.reconcile(undefined, signal)
      assert.deepEqual(names(), [], 'and removes it when it is to')
    })
  }

  it('makes a znode anew whose protection is to change', async () => {
    const node = create()
    for (const mode of ['ephemeral', 'ephemeral_sequential'] as const) {
      for (const restrict of [false, true, false]) {
        await node.reconcile(spec({ mode, restrict }), signal)
        assert.equal(names().length, 1)
        assert.equal(zookeeper.nodes.get(String(node.path))?.restricted, restrict)
      }
    }
  })

  it('replaces a znode of another kind under the same name', async () => {
    const node = create()
    await node.reconcile(spec({ mode: 'ephemeral' }), signal)
    await node.reconcile(spec({ mode: 'persistent' }), signal)
    assert.equal(zookeeper.nodes.get('/services/web/i-abc_')?.owner, undefined)
    assert.deepEqual(names(), ['i-abc_'])
  })

  describe('after an unanswered create', () => {
    for (const { mode } of modes) {
      it(`adopts the ${mode} znode that was made`, async () => {
        const node = create()
        zookeeper.put('/services/web')
        session.fail('create /services/web/', 'CONNECTION_LOSS', true)
        await assert.rejects(node.reconcile(spec({ mode }), signal), { code: 'CONNECTION_LOSS' })
        const [made] = names()
        await node.reconcile(spec({ mode }), signal)
        assert.deepEqual(names(), [made])
        assert.equal(node.path, `/services/web/${made}`)
      })

      it(`removes the ${mode} znode that was made when it is to be absent by then`, async () => {
        const node = create()
        zookeeper.put('/services/web')
        session.fail('create /services/web/', 'OPERATION_TIMEOUT', true)
        await assert.rejects(node.reconcile(spec({ mode }), signal), { code: 'OPERATION_TIMEOUT' })
        assert.equal(names().length, 1)
        await node.reconcile(undefined, signal)
        assert.deepEqual(names(), [])
      })
    }

    it('makes one when none was made', async () => {
      const node = create()
      session.fail('create', 'CONNECTION_LOSS', false)
      await assert.rejects(node.reconcile(spec(), signal), { code: 'CONNECTION_LOSS' })
      await node.reconcile(spec(), signal)
      assert.deepEqual(pathsAndData(), ['i-abc_0000000000 payload'])
    })

    it('keeps one of several and removes the twins', async () => {
      const node = create()
      zookeeper.put('/services/web')
      session.fail('create /services/web/', 'CONNECTION_LOSS', true)
      await assert.rejects(node.reconcile(spec(), signal))
      session.fail('getChildren', 'CONNECTION_LOSS')
      await assert.rejects(node.reconcile(spec({ data: 'changed meanwhile' }), signal))
      zookeeper.put('/services/web/i-abc_0000000009', 'payload', session.id)
      await node.reconcile(spec({ data: 'changed meanwhile' }), signal)
      assert.deepEqual(pathsAndData(), ['i-abc_0000000000 changed meanwhile'])
    })

    it('leaves the znodes of others alone: other services, other instances, other sessions', async () => {
      const other = create()
      await other.reconcile(spec({ data: 'another port' }), signal)
      const same = create()
      await same.reconcile(spec(), signal)
      zookeeper.put('/services/web/i-abc_1_0000000007', 'payload', session.id)
      zookeeper.put('/services/web/i-abc_0000000008', 'payload', '0xffff')
      zookeeper.put('/services/web/i-abc_0000000009', 'payload')
      const before = names()
      const node = create()
      session.fail('create', 'CONNECTION_LOSS', false)
      await assert.rejects(node.reconcile(spec(), signal))
      await node.reconcile(spec(), signal)
      assert.deepEqual(names(), [...before, 'i-abc_0000000002'].sort())
      await node.reconcile(undefined, signal)
      assert.deepEqual(names(), before)
      assert.deepEqual([other.path, same.path].map(dataOf), ['another port', 'payload'])
    })

    it('tells its own znode from that of another service whose create was not answered either', async () => {
      zookeeper.put('/services/web')
      const [one, two] = [create(), create()]
      for (const [node, data] of [[one, 'one'] as const, [two, 'two'] as const]) {
        session.fail('create', 'CONNECTION_LOSS', true)
        await assert.rejects(node.reconcile(spec({ data }), signal))
      }
      await two.reconcile(spec({ data: 'two' }), signal)
      await one.reconcile(spec({ data: 'one' }), signal)
      assert.deepEqual(pathsAndData(), ['i-abc_0000000000 one', 'i-abc_0000000001 two'])
    })

    it('looks for nothing once the session of the create is over', async () => {
      const node = create()
      zookeeper.put('/services/web')
      session.fail('create', 'CONNECTION_LOSS', true)
      await assert.rejects(node.reconcile(spec(), signal))
      session.expire()
      session.renew()
      session.calls.length = 0
      await node.reconcile(spec(), signal)
      assert.ok(!session.calls.some((call) => call.startsWith('getChildren')), String(session.calls))
      assert.deepEqual(names(), ['i-abc_0000000001'])
    })

    it('lets the member catch up by a write before it looks', async () => {
      const node = create()
      session.fail('create', 'CONNECTION_LOSS', false)
      await assert.rejects(node.reconcile(spec(), signal))
      session.calls.length = 0
      await node.reconcile(spec(), signal)
      assert.deepEqual(session.calls.slice(0, 2), ['create /services/web', 'getChildren /services/web'])
    })

    it('says that the znode may exist, from when the create is sent until its session is over', async () => {
      const node = create()
      zookeeper.put('/services/web')
      assert.equal(node.mayExist, false)
      session.fail('create', 'CONNECTION_LOSS', true)
      const failing = assert.rejects(node.reconcile(spec(), signal))
      await Promise.resolve()
      assert.equal(node.mayExist, true, 'under way')
      await failing
      assert.equal(node.mayExist, true, 'not answered')
      session.expire()
      session.renew()
      assert.equal(node.mayExist, false, 'gone with its session')
      await node.reconcile(spec(), signal)
      assert.equal(node.mayExist, true, 'known')
      await node.reconcile(undefined, signal)
      assert.equal(node.mayExist, false, 'removed')
    })

    it('says that a persistent znode may exist in the next session too', async () => {
      const node = create()
      zookeeper.put('/services/web')
      session.fail('create', 'CONNECTION_LOSS', true)
      await assert.rejects(node.reconcile(spec({ mode: 'persistent' }), signal))
      session.expire()
      session.renew()
      assert.equal(node.mayExist, true)
      await node.reconcile(undefined, signal)
      assert.equal(node.mayExist, false)
    })

    it('looks for nothing when the create was not sent', async () => {
      const node = create()
      zookeeper.put('/services/web')
      session.suspend()
      await assert.rejects(node.reconcile(spec(), signal), { code: 'CONNECTION_LOSS', retryable: true })
      assert.equal(node.mayExist, false)
      session.resume()
      await node.reconcile(spec(), signal)
      assert.ok(!session.calls.some((call) => call.startsWith('getChildren')))
    })

    it('finds the znode of an aborted create', async () => {
      const node = create()
      zookeeper.put('/services/web')
      const abort = new AbortController()
      const reconciling = node.reconcile(spec(), abort.signal)
      while (session.calls.length === 0) await Promise.resolve()
      abort.abort(new Error('stopping'))
      await assert.rejects(reconciling, /stopping/)
      await eventually(() => assert.equal(names().length, 1))
      await node.reconcile(undefined, signal)
      assert.deepEqual(names(), [])
    })
  })

  it('adopts the persistent sequential znode that a former process left with the same data', async () => {
    await create(new FakeSession(zookeeper)).reconcile(spec({ mode: 'persistent_sequential' }), signal)
    const node = create()
    await node.reconcile(spec({ mode: 'persistent_sequential' }), signal)
    assert.deepEqual(names(), ['i-abc_0000000000'])
    assert.equal(node.path, '/services/web/i-abc_0000000000')
    session.calls.length = 0
    await node.reconcile(spec({ mode: 'persistent_sequential' }), signal)
    assert.deepEqual(session.calls, ['getData /services/web/i-abc_0000000000'], 'it looks for leftovers once')
  })

  it('overwrites the persistent znode that a former process left, as Airbnb does', async () => {
    zookeeper.put('/services')
    zookeeper.put('/services/web')
    zookeeper.put('/services/web/i-abc_', 'old')
    await create().reconcile(spec({ mode: 'persistent' }), signal)
    assert.deepEqual(pathsAndData(), ['i-abc_ payload'])
  })

  for (const owner of ['0xdead', undefined]) {
    it(`replaces an ephemeral name held by ${owner ?? 'a persistent znode'}`, async () => {
      zookeeper.put('/services')
      zookeeper.put('/services/web')
      zookeeper.put('/services/web/i-abc_', 'old', owner)
      const node = create()
      await node.reconcile(spec({ mode: 'ephemeral' }), signal)
      assert.deepEqual(pathsAndData(), ['i-abc_ payload'])
      assert.equal(zookeeper.nodes.get('/services/web/i-abc_')?.owner, session.id)
      assert.deepEqual(
        session.calls.filter((call) => call.startsWith('delete')),
        [],
        'in one step: there is no moment without it',
      )
    })
  }

  it('makes the name anew when the znode that it was to replace has gone meanwhile', async () => {
    zookeeper.put('/services')
    zookeeper.put('/services/web')
    zookeeper.put('/services/web/i-abc_', 'old', '0xdead')
    session.fail('create', 'NODE_EXISTS')
    session.fail('create', 'NO_NODE') // it went between our look and our transaction
    await create().reconcile(spec({ mode: 'ephemeral' }), signal)
    assert.equal(zookeeper.nodes.get('/services/web/i-abc_')?.owner, session.id)
  })

  it('finds the znode of a replacement that was not answered', async () => {
    zookeeper.put('/services')
    zookeeper.put('/services/web')
    zookeeper.put('/services/web/i-abc_', 'old', '0xdead')
    const node = create()
    await assert.rejects(
      (async () => {
        session.fail('create', 'NODE_EXISTS')
        session.fail('create', 'CONNECTION_LOSS', true)
        await node.reconcile(spec({ mode: 'ephemeral' }), signal)
      })(),
      { code: 'CONNECTION_LOSS' },
    )
    assert.equal(zookeeper.nodes.get('/services/web/i-abc_')?.owner, session.id)
    await node.reconcile(spec({ mode: 'ephemeral' }), signal)
    assert.deepEqual(
      [node.path, session.calls.filter((call) => call === 'create /services/web/i-abc_').length],
      ['/services/web/i-abc_', 2],
    )
  })

  it('has the same identity as another that keeps the same znode, and a new one with a new znode', async () => {
    const [node, other] = [create(), create(new FakeSession(zookeeper))]
    assert.equal(node.identity, undefined)
    await node.reconcile(spec({ mode: 'persistent' }), signal)
    await other.reconcile(spec({ mode: 'persistent' }), signal)
    const before = node.identity
    assert.ok(before !== undefined)
    assert.equal(other.identity, before)
    zookeeper.remove('/services/web/i-abc_')
    await node.reconcile(spec({ mode: 'persistent' }), signal)
    assert.notEqual(node.identity, before)
    await node.reconcile(undefined, signal)
    assert.equal(node.identity, undefined)
  })

  it('does not fight for a name that a live rival took: it says so and waits until the name is free', async () => {
    const node = create()
    await node.reconcile(spec({ mode: 'ephemeral' }), signal)
    const rival = new FakeSession(zookeeper)
    await create(rival).reconcile(spec({ mode: 'ephemeral', data: 'rival' }), signal)
    await eventually(() => assert.equal(disturbed, 1))
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(node.reconcile(spec({ mode: 'ephemeral' }), signal), {
        code: 'NODE_EXISTS',
        message: `/services/web/i-abc_ was taken over by session ${rival.id}: is the instance id used twice?`,
      })
    }
    assert.deepEqual(pathsAndData(), ['i-abc_ rival'])
    assert.equal(node.path, undefined)
    await node.reconcile(undefined, signal)
    assert.deepEqual(pathsAndData(), ['i-abc_ rival'], 'absent leaves it alone too')
    await assert.rejects(node.reconcile(spec({ mode: 'ephemeral' }), signal), { code: 'NODE_EXISTS' })
    disturbed = 0
    rival.expire()
    await eventually(() => assert.equal(disturbed, 1))
    await node.reconcile(spec({ mode: 'ephemeral' }), signal)
    assert.deepEqual(pathsAndData(), ['i-abc_ payload'])
  })

  it('does not remove a znode that a rival put in the place of its own', async () => {
    const node = create()
    await node.reconcile(spec({ mode: 'ephemeral' }), signal)
    session.fail('delete', 'CONNECTION_LOSS', false)
    await assert.rejects(node.reconcile(undefined, signal))
    await create(new FakeSession(zookeeper)).reconcile(spec({ mode: 'ephemeral', data: 'rival' }), signal)
    await node.reconcile(undefined, signal)
    assert.deepEqual(pathsAndData(), ['i-abc_ rival'])
  })

  it('hands a name over to another service of the process, without a gap', async () => {
    const old = create()
    await old.reconcile(spec({ mode: 'ephemeral' }), signal)
    const czxid = zookeeper.nodes.get('/services/web/i-abc_')?.czxid
    const next = create()
    await next.reconcile(spec({ mode: 'ephemeral', data: 'new' }), signal)
    await assert.rejects(old.reconcile(spec({ mode: 'ephemeral' }), signal), /another service of this process/)
    const third = create()
    await third.reconcile(spec({ mode: 'ephemeral', data: 'newest' }), signal)
    for (const former of [old, next]) await former.reconcile(undefined, signal)
    assert.deepEqual(pathsAndData(), ['i-abc_ newest'])
    assert.equal(zookeeper.nodes.get('/services/web/i-abc_')?.czxid, czxid)
  })

  it('asks to be reconciled when its znode vanishes, and makes it again', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    zookeeper.remove(String(node.path))
    await eventually(() => assert.equal(disturbed, 1))
    await node.reconcile(spec(), signal)
    assert.deepEqual(names(), ['i-abc_0000000001'])
  })

  it('makes its znode on the new session after an expiry', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.expire()
    assert.equal(node.path, undefined)
    assert.equal(disturbed, 0)
    await assert.rejects(node.reconcile(spec(), signal), { code: 'CONNECTION_LOSS', retryable: true })
    session.renew()
    assert.equal(disturbed, 1)
    await node.reconcile(spec(), signal)
    assert.deepEqual(names(), ['i-abc_0000000001'])
    assert.equal(zookeeper.nodes.get(String(node.path))?.owner, session.id)
    zookeeper.remove(String(node.path))
    await eventually(() => assert.equal(disturbed, 2))
  })

  it('removes the znode of its former session if the ensemble still has it', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.expire({ removeEphemerals: false })
    session.renew()
    await node.reconcile(spec(), signal)
    assert.deepEqual(names(), ['i-abc_0000000001'])
  })

  it('makes its znode again in a wiped ensemble, persistent or not', async () => {
    for (const mode of ['persistent', 'ephemeral_sequential'] as const) {
      const node = create()
      await node.reconcile(spec({ mode }), signal)
      zookeeper.wipe()
      session.expire()
      session.renew()
      await node.reconcile(spec({ mode }), signal)
      assert.equal(dataOf(node.path), 'payload')
    }
  })

  it('looks after a reconnect whether its znode is still there', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.suspend()
    assert.equal(disturbed, 0)
    await assert.rejects(node.reconcile(undefined, signal), { code: 'CONNECTION_LOSS', retryable: true })
    session.resume()
    assert.equal(disturbed, 1)
    await node.reconcile(undefined, signal)
    assert.deepEqual(names(), [])
    session.suspend()
    session.resume()
    assert.equal(disturbed, 1, 'absent as desired: nothing to look after')
  })

  it('tries an unanswered change of data and an unanswered removal again', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    session.fail('setData', 'CONNECTION_LOSS', false)
    await assert.rejects(node.reconcile(spec({ data: 'new' }), signal))
    await node.reconcile(spec({ data: 'new' }), signal)
    assert.deepEqual(pathsAndData(), ['i-abc_0000000000 new'])
    session.fail('delete', 'CONNECTION_LOSS', false)
    await assert.rejects(node.reconcile(undefined, signal))
    await node.reconcile(undefined, signal)
    assert.deepEqual(names(), [])
  })

  it('goes on watching after a read that failed', async () => {
    const node = create()
    session.fail('getData', 'CONNECTION_LOSS', false)
    await assert.rejects(node.reconcile(spec(), signal))
    await node.reconcile(spec(), signal)
    assert.deepEqual(names(), ['i-abc_0000000000'])
    zookeeper.remove(String(node.path))
    await eventually(() => assert.equal(disturbed, 1))
  })

  it('reports what it may not do', async () => {
    session.fail('create', 'NO_AUTH')
    await assert.rejects(create().reconcile(spec(), signal), { code: 'NO_AUTH' })
  })

  it('close(): keeps the znode, leaves no listener and is quiet', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    node.close()
    assert.equal(session.listeners, 0)
    assert.equal(names().length, 1)
    zookeeper.remove('/services/web/i-abc_0000000000')
    await settle()
    assert.equal(disturbed, 0)
  })

  it('logs each change of the znode once', async () => {
    const node = create()
    await node.reconcile(spec(), signal)
    await node.reconcile(spec(), signal)
    zookeeper.put(String(node.path), 'nonsense')
    await eventually(() => assert.equal(disturbed, 1))
    await node.reconcile(spec(), signal)
    zookeeper.remove(String(node.path))
    await eventually(() => assert.equal(disturbed, 2))
    await node.reconcile(spec(), signal)
    await node.reconcile(undefined, signal)
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields?.['id'], fields?.['path']]),
      [
        ['znode created', 'web', '/services/web/i-abc_0000000000'],
        ['znode vanished', 'web', '/services/web/i-abc_0000000000'],
        ['znode created', 'web', '/services/web/i-abc_0000000001'],
        ['znode removed', 'web', '/services/web/i-abc_0000000001'],
      ],
    )
  })
})
