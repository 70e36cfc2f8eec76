import assert from 'node:assert/strict'
import type { Renewal, Reporter } from '../../../../src/nerve/reporters/reporter.ts'
import { zookeeper } from '../../../../src/nerve/reporters/zookeeper.ts'
import { encodeChildName } from '../../../../src/zookeeper/names.ts'
import { FakeClock, settle } from '../../../harness/fake-clock.ts'
import { FakeSession, FakeZooKeeper } from '../../../harness/fake-session.ts'
import { recordingLog } from '../../../harness/recording-log.ts'
import { absent, createReporter, present } from '../../../harness/reporter.ts'

const never = new AbortController().signal

describe('zookeeper reporter', () => {
  let clock: FakeClock
  let ensemble: FakeZooKeeper
  let session: FakeSession
  let disturbed: number[]
  let renewals: Renewal[]
  let random: number
  let reporter: Reporter
  let log: ReturnType<typeof recordingLog>

  const create = (options: Readonly<Record<string, unknown>> = {}) => {
    reporter = createReporter(
      zookeeper,
      { zk_hosts: ['zk1:2181'], zk_path: '/web', ...options },
      {
        clock,
        random: () => random,
        log,
        sessions: { acquire: () => session, state: () => [], close: async () => {} },
        onDisturbed: () => disturbed.push(clock.now()),
        onRenewed: (renewal) => renewals.push(renewal),
      },
    )
  }

  beforeEach(() => {
    clock = new FakeClock()
    ensemble = new FakeZooKeeper()
    session = new FakeSession(ensemble)
    disturbed = []
    renewals = []
    log = recordingLog()
    random = 0.5
    create()
  })
  afterEach(async () => {
    await reporter.close()
    assert.equal(clock.pending, 0)
  })

  it('spreads the look at a znode that outlived an outage, so that a fleet does not look at once', async () => {
    await reporter.reconcile(present(), never)
    for (const share of [0, 0.5, 0.9]) {
      random = share
      session.suspend()
      session.resume()
      const before = clock.now()
      await clock.advance(6_000)
      assert.equal((disturbed.at(-1) ?? 0) - before, share * 5_000)
    }
    assert.equal(disturbed.length, 3)
  })

  it('mayHold() tells of a registration from when it is sent until it is removed', async () => {
    ensemble.put('/web')
    assert.equal(reporter.mayHold?.(), false)
    session.fail('create', 'CONNECTION_LOSS', true)
    await assert.rejects(reporter.reconcile(present(), never))
    assert.equal(reporter.mayHold?.(), true)
    await reporter.reconcile(absent, never)
    assert.equal(reporter.mayHold?.(), false)
  })

  it('showsAbsent() tells of expose_on_unavailable, also of an edited one', async () => {
    assert.equal(reporter.showsAbsent?.(), false)
    const options = { zk_hosts: ['zk1:2181'], zk_path: '/web', expose_on_unavailable: true }
    assert.equal(reporter.reconfigure?.(zookeeper.options.parse(options)), true)
    assert.equal(reporter.showsAbsent?.(), true)
  })

  it('registers at once when the session was lost', async () => {
    await reporter.reconcile(present(), never)
    session.expire()
    session.renew()
    assert.deepEqual(disturbed, [0])
  })

  it('asks at once after an outage when something could not be reported', async () => {
    await reporter.reconcile(present(), never)
    for (const desired of [present(4000), absent]) {
      session.suspend()
      await assert.rejects(reporter.reconcile(desired, never))
      session.resume()
    }
    assert.deepEqual(disturbed, [0, 0])
  })

  it('does not look twice when a reconcile comes first', async () => {
    await reporter.reconcile(present(), never)
    session.suspend()
    session.resume()
    await reporter.reconcile(present(), never)
    await clock.advance(10_000)
    assert.deepEqual(disturbed, [])
  })

  it('an outage costs one read per znode and no write', async () => {
    await reporter.reconcile(present(), never)
    session.suspend()
    session.resume()
    await clock.advance(6_000)
    session.calls.length = 0
    await reporter.reconcile(present(), never)
    assert.deepEqual(
      session.calls.map((call) => call.split(' ')[0]),
      ['getData'],
    )
  })

  it('waits for the first connection, so that a start is no failure', async () => {
    session.state = { status: 'connecting' }
    create()
    const reconciled = reporter.reconcile(present(), never)
    await clock.advance(1_000)
    assert.equal(reporter.isWell?.(), undefined, 'nothing is known yet')
    session.resume()
    await reconciled
    assert.equal(reporter.isWell?.(), true)
  })

  it('waits for the first connection two seconds at most', async () => {
    session.state = { status: 'connecting' }
    create()
    const reconciled = assert.rejects(reporter.reconcile(present(), never), /not connected/)
    await clock.advance(2_000)
    await reconciled
    assert.equal(reporter.isWell?.(), false)
    await assert.rejects(reporter.reconcile(present(), never), /not connected/)
  })

  it('does not wait for a connection that was lost, or when nothing is to be registered', async () => {
    session.suspend()
    await assert.rejects(reporter.reconcile(present(), never), /not connected/)
    session.state = { status: 'connecting' }
    create()
    await reporter.reconcile(absent, never)
  })

  it('stops waiting for the first connection when told to', async () => {
    session.state = { status: 'connecting' }
    create()
    const stop = new AbortController()
    const reconciled = reporter.reconcile(present(), stop.signal)
    stop.abort(new Error('stopped'))
    await assert.rejects(reconciled, /stopped/)
  })

  it('is well while it is connected and holds what it should', async () => {
    assert.equal(reporter.isWell?.(), true, 'connected, and nothing is to be there')
    await reporter.reconcile(absent, never)
    assert.equal(reporter.isWell?.(), true)
    await reporter.reconcile(present(), never)
    assert.equal(reporter.isWell?.(), true)
    const removed = reporter.reconcile(absent, never)
    assert.equal(reporter.isWell?.(), true, 'a removal that is under way is no loss')
    await removed
    await reporter.reconcile(present(), never)
    session.expire()
    session.renew()
    assert.equal(reporter.isWell?.(), false, 'the znode is gone with the session')
    session.suspend()
    assert.equal(reporter.isWell?.(), false)
  })

  it('writes a persistent registration again when its time is over, and tells of it', async () => {
    random = 0
    create({ node_type: 'persistent', ttl_seconds: 10 })
    const writes = () => session.calls.filter((call) => call.startsWith('setData')).length
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 10_000)
    await clock.advance(9_000)
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 1_000)
    assert.equal(writes(), 0)
    await clock.advance(1_000)
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 10_000)
    assert.equal(writes(), 1)
    await clock.advance(10_000)
    session.fail('setData', 'CONNECTION_LOSS')
    await assert.rejects(reporter.reconcile(present(), never))
    assert.deepEqual(
      renewals.map(({ ok, ...rest }) => (ok ? 'ok' : `${'reason' in rest ? rest.reason : ''}`)),
      ['ok', 'connection_error'],
    )
    await settle()
  })

  it('tells of a renewal that fails while ZooKeeper cannot be asked: once for each ttl_seconds, and not before it is due', async () => {
    random = 0
    create({ node_type: 'persistent', ttl_seconds: 10 })
    const told = () => renewals.map((renewal) => (renewal.ok ? 'ok' : renewal.reason))
    const fails = () => assert.rejects(reporter.reconcile(present(), never))
    session.suspend()
    await fails()
    session.resume()
    await reporter.reconcile(present(), never)
    session.suspend()
    await clock.advance(9_000)
    await fails()
    assert.deepEqual(told(), [], 'it is not registered, or not due')
    await clock.advance(1_000)
    await fails()
    await clock.advance(2_000)
    await fails()
    assert.deepEqual(told(), ['connection_error'])
    await clock.advance(8_000)
    await fails()
    assert.deepEqual(told(), ['connection_error', 'connection_error'])
    session.resume()
    await reporter.reconcile(present(), never)
    assert.deepEqual(told().slice(2), ['ok'], 'at once')
    const stop = new AbortController()
    stop.abort(new Error('stopping'))
    await clock.advance(10_000)
    await assert.rejects(reporter.reconcile(present(), stop.signal))
    assert.equal(told().length, 3, 'an end is no failure')
  })

  it('spreads the renewals of services that start together, over the time between two', async () => {
    random = 0.75
    create({ node_type: 'persistent', ttl_seconds: 40 })
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 10_000)
    await clock.advance(10_000)
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 40_000, 'only the first comes early')
  })

  it('looks at a registration every minute, or as refresh_interval says, however far its renewal is away', async () => {
    create({ node_type: 'persistent', ttl_seconds: 86_400 * 365 })
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 60_000)
    create({ node_type: 'persistent', ttl_seconds: 86_400, refresh_interval: '10s' })
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, 10_000)
    create({ node_type: 'ephemeral', ttl_seconds: 1 })
    assert.equal((await reporter.reconcile(present(), never)).requeueAfterMs, undefined, 'an ephemeral one needs none')
  })

  describe('a service that somebody took out', () => {
    const byHand = { ...absent, byHand: true } as const
    const says = () => {
      const [name = ''] = ensemble.childrenOf('/web')
      return ensemble.nodes.get(`/web/${name}`)?.data.toString()
    }
    const writes = () => session.calls.filter((call) => call.startsWith('setData')).length
    const HALF_A_SECOND = 500

    it('is said to be unavailable, with all else as it was, and removed half a second later', async () => {
      await reporter.reconcile(present(), never)
      const removed = reporter.reconcile(byHand, never)
      await clock.advance(HALF_A_SECOND - 1)
      assert.equal(says(), '{"host":"10.0.0.1","port":3000,"name":"i-1","available":false}')
      await clock.advance(1)
      await removed
      assert.equal(says(), undefined)
    })

    it('is removed at once where its checks took it out, or nerve stops', async () => {
      await reporter.reconcile(present(), never)
      await reporter.reconcile(absent, never)
      assert.deepEqual([says(), writes()], [undefined, 0])
    })

    it('is said to be unavailable once, however often the removal is tried', async () => {
      await reporter.reconcile(present(), never)
      session.fail('setData', 'CONNECTION_LOSS')
      await assert.rejects(reporter.reconcile(byHand, never), /setData failed/)
      session.fail('delete', 'CONNECTION_LOSS')
      const failed = assert.rejects(reporter.reconcile(byHand, never), /delete failed/)
      await clock.advance(HALF_A_SECOND)
      await failed
      await reporter.reconcile(byHand, never)
      assert.deepEqual([says(), writes()], [undefined, 2])
    })

    it('is removed all the same when its znode is not there, or must not be written', async () => {
      for (const code of ['NO_NODE', 'NO_AUTH'] as const) {
        await reporter.reconcile(present(), never)
        session.fail('setData', code)
        const removed = reporter.reconcile(byHand, never)
        await clock.advance(HALF_A_SECOND)
        await removed
        assert.equal(says(), undefined, code)
      }
    })

    it('says what it said before when it is back', async () => {
      await reporter.reconcile(present(), never)
      const stop = new AbortController()
      const stopped = assert.rejects(reporter.reconcile(byHand, stop.signal))
      await clock.advance(1)
      stop.abort(new Error('stopped'))
      await stopped
      await reporter.reconcile(present(), never)
      assert.equal(says(), '{"host":"10.0.0.1","port":3000,"name":"i-1"}')
    })
  })

  describe('a persistent registration that a former process left', () => {
    const { payload } = present()
    const down = { ...absent, ifPresent: payload } as const
    const dataOf = (changes: Readonly<Record<string, unknown>> = {}) =>
      JSON.stringify({ host: '10.0.0.1', port: 3000, name: 'i-1', ...changes })
    const names = () => ensemble.childrenOf('/web')

    for (const [node_type, name] of Object.entries({ persistent: 'i-1_', persistent_sequential: 'i-1_0000000007' })) {
      it(`is removed when the service is down, whatever else it says (${node_type})`, async () => {
        create({ node_type })
        ensemble.put('/web')
        ensemble.put(`/web/${name}`, dataOf({ port: '3000', labels: { az: 'before an edit' } }))
        session.suspend()
        await assert.rejects(reporter.reconcile(down, never), { code: 'CONNECTION_LOSS' })
        session.resume()
        await reporter.reconcile(down, never)
        assert.deepEqual(names(), [])
      })
    }

    const carrying = (json: string) => encodeChildName('i-1', json)
    const guid = '0123456789abcdef0123456789abcdef'
    const before = dataOf({ weight: 7 })
    const formerNames: readonly { readonly how: string; readonly name: string }[] = [
      { how: 'persistent', name: 'i-1_' },
      { how: 'persistent_sequential', name: 'i-1_0000000007' },
      { how: 'persistent_sequential, of a counter that overflowed', name: 'i-1_-2147483648' },
      { how: 'persistent, use_path_encoding', name: carrying(before) },
      { how: 'persistent_sequential, use_path_encoding', name: `${carrying(before)}0000000007` },
      { how: 'persistent, node_naming: blablacar', name: `web_10.0.0.1_c_${guid}` },
      { how: 'persistent_sequential, node_naming: blablacar', name: `web_10.0.0.1_c_${guid}0000000007` },
    ]
    for (const { how, name } of formerNames) {
      it(`goes after the service is registered as an edit wants it meanwhile (${how})`, async () => {
        for (const more of [{}, { use_path_encoding: true }, { node_naming: 'blablacar' }]) {
          session = new FakeSession(ensemble)
          create({ node_type: 'persistent_sequential', ...more })
          ensemble.put('/web')
          ensemble.put(`/web/${name}`, before)
          await reporter.reconcile(present(), never)
          const [own, ...others] = names()
          assert.deepEqual([others, String(ensemble.nodes.get(`/web/${own}`)?.data)], [[], dataOf()])
          const changes = session.calls
            .filter((call) => /^(create|delete) \/web\//.test(call))
            .map((call) => call.split(' ')[0])
          assert.deepEqual(changes, ['create', 'delete'])
          await reporter.reconcile(absent, never)
          await reporter.close()
        }
      })

      it(`goes when the service is down, whatever the edit (${how})`, async () => {
        create({ node_type: 'persistent' })
        ensemble.put('/web')
        ensemble.put(`/web/${name}`, before)
        await reporter.reconcile(down, never)
        assert.deepEqual(names(), [])
      })
    }

    it('goes when ZooKeeper takes it, if not at once', async () => {
      create({ node_type: 'persistent_sequential' })
      ensemble.put('/web')
      ensemble.put('/web/i-1_0000000007', before)
      session.fail('delete', 'CONNECTION_LOSS')
      await assert.rejects(reporter.reconcile(present(), never), { code: 'CONNECTION_LOSS' })
      assert.deepEqual(names(), ['i-1_0000000000', 'i-1_0000000007'])
      await reporter.reconcile(present(), never)
      assert.deepEqual(names(), ['i-1_0000000000'])
    })

    it('that must not be removed is told, and no trouble of what is registered', async () => {
      create({ node_type: 'persistent_sequential' })
      ensemble.put('/web')
      ensemble.put('/web/i-1_0000000007', before)
      session.fail('delete', 'NO_AUTH')
      await reporter.reconcile(present(), never)
      assert.deepEqual(names(), ['i-1_0000000000', 'i-1_0000000007'])
      assert.deepEqual(
        log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message),
        ['znode that a former process left not removed'],
      )
      const calls = session.calls.length
      await reporter.reconcile(present(), never)
      assert.deepEqual(session.calls.slice(calls), ['getData /web/i-1_0000000000'], 'and not tried again')
    })

    it('is looked for once', async () => {
      create({ node_type: 'persistent' })
      await reporter.reconcile(down, never)
      assert.deepEqual(session.calls, ['exists /web'], 'and its path is not made for that')
      ensemble.put('/web')
      ensemble.put('/web/i-1_', dataOf())
      await reporter.reconcile(down, never)
      assert.deepEqual([names(), session.calls.length], [['i-1_'], 1])
    })

    for (const [state, desired] of Object.entries({ down, up: present() })) {
      it(`is told from those of others (${state})`, async () => {
        create({ node_type: 'persistent_sequential' })
        ensemble.put('/web')
        ensemble.put('/web/i-1_0000000001', dataOf({ port: 3001 }))
        ensemble.put('/web/i-1_0000000002', dataOf({ host: '10.0.0.2' }))
        ensemble.put('/web/i-1_0000000003', dataOf({ name: 'i-2' }))
        ensemble.put('/web/i-1_0000000004', before, '0xdead')
        ensemble.put('/web/i-1_0000000005', 'no registration')
        ensemble.put('/web/i-2_0000000006', before)
        ensemble.put('/web/i-1_b_0000000008', before)
        ensemble.put(`/web/shop_10.0.0.1_c_${guid}0000000009`, before)
        ensemble.put('/web/web_10.0.0.1_c_00000000010', before)
        ensemble.put(`/web/${carrying(dataOf({ port: 3001 }))}0000000011`, before)
        const others = names()
        await reporter.reconcile(desired, never)
        assert.deepEqual(
          names().filter((name) => name !== 'i-1_0000000000'),
          others,
        )
      })
    }

    it('is left to another service of this process that has it by now', async () => {
      create({ node_type: 'persistent' })
      const other = reporter
      await other.reconcile(present(), never)
      create({ node_type: 'persistent' })
      await reporter.reconcile(down, never)
      assert.deepEqual(names(), ['i-1_'])
      await other.close()
    })

    it('stays as long as nothing is known, and where an ephemeral one is registered', async () => {
      ensemble.put('/web')
      ensemble.put('/web/i-1_', dataOf())
      create({ node_type: 'persistent' })
      await reporter.reconcile(absent, never)
      await reporter.close()
      create({ node_type: 'ephemeral' })
      await reporter.reconcile(down, never)
      assert.deepEqual([names(), session.calls], [['i-1_'], []])
    })
  })

  it('takes edited options that do not concern the znode, and no others', async () => {
    const options = (changes: object) =>
      zookeeper.options.parse({ zk_hosts: ['zk1:2181'], zk_path: '/web', node_type: 'persistent', ...changes })
    await reporter.close()
    session = new FakeSession(ensemble)
    create({ node_type: 'persistent' })
    assert.deepEqual(await reporter.reconcile(present(), never), { requeueAfterMs: undefined })
    const writes = () => session.calls.filter((call) => call.startsWith('setData')).length

    const edited = options({ refresh_interval: 7, ttl_seconds: 3_600 })
    assert.equal(reporter.reconfigure?.(edited), true)
    assert.deepEqual(await reporter.reconcile(present(), never), { requeueAfterMs: 7_000 })
    assert.equal(reporter.reconfigure?.(options({})), true)
    assert.deepEqual(await reporter.reconcile(present(), never), { requeueAfterMs: undefined })
    assert.equal(writes(), 0)

    assert.equal(reporter.reconfigure?.(options({ expose_on_unavailable: true })), true)
    await reporter.reconcile({ ...absent, payload: present(3001).payload }, never)
    assert.deepEqual([writes(), ensemble.nodes.size > 0], [1, true])

    for (const change of [
      { zk_path: '/b' },
      { zk_hosts: ['zk2:2181'] },
      { zk_digest: 'a:b' },
      { zk_session_timeout: 7 },
    ])
      assert.equal(reporter.reconfigure?.(options(change)), false, JSON.stringify(change))
  })
})
