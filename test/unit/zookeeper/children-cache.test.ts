import assert from 'node:assert/strict'
import { type ChildrenCacheOptions, createChildrenCache } from '../../../src/zookeeper/children-cache.ts'
import { decodeChildName, encodeChildName } from '../../../src/zookeeper/names.ts'
import { READS_IN_FLIGHT } from '../../../src/zookeeper/read-limit.ts'
import type { ChildrenSnapshot } from '../../../src/zookeeper/zookeeper.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { FakeSession, FakeZooKeeper } from '../../harness/fake-session.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const PATH = '/services/web'

describe('createChildrenCache()', () => {
  let zookeeper: FakeZooKeeper
  let session: FakeSession
  let clock: FakeClock
  let log: ReturnType<typeof recordingLog>
  let published: ChildrenSnapshot[]
  let stop: AbortController
  let running: Promise<void>[]

  const start = (options: Partial<ChildrenCacheOptions> = {}) => {
    const cache = createChildrenCache({ session, path: PATH, clock, random: () => 0.5, log, ...options })
    running.push(cache.run((snapshot) => published.push(snapshot), stop.signal))
  }
  /** Lets time pass in steps of so many ms until it holds. */
  const until = (assertion: () => void, stepMs = 10) =>
    eventually(async () => {
      await clock.advance(stepMs)
      assertion()
    })
  /** Long enough for every retry and pass that is due, not for a resync. */
  const calm = () => clock.advance(2000)
  const last = () => {
    const { children = [], data } = published.at(-1) ?? {}
    return [...children.map((child) => `${child.name}=${child.data}`), `(${data})`].join(' ')
  }
  const becomes = (text: string) => until(() => assert.equal(last(), text))
  const put = (name: string, data: string) => zookeeper.put(`${PATH}/${name}`, data)
  const callsOf = (operation: string) => session.calls.filter((call) => call.startsWith(`${operation} `))

  beforeEach(() => {
    zookeeper = new FakeZooKeeper()
    session = new FakeSession(zookeeper)
    clock = new FakeClock(1000)
    log = recordingLog()
    published = []
    stop = new AbortController()
    running = []
    zookeeper.put('/services')
    zookeeper.put(PATH, 'config')
  })

  afterEach(async () => {
    stop.abort()
    await Promise.all(running)
    assert.equal(session.listeners, 0)
    assert.equal(clock.pending, 0)
  })

  it('publishes all children with their data, sorted, and the data of the path, once', async () => {
    put('b', '2')
    put('a', '1')
    start()
    await becomes('a=1 b=2 (config)')
    await calm()
    assert.equal(published.length, 1)
  })

  it('publishes an empty set once', async () => {
    start()
    await becomes('(config)')
    await calm()
    assert.equal(published.length, 1)
  })

  it('reads only the child that is new, and leaves the others as they were', async () => {
    put('a', '1')
    put('c', '3')
    start()
    await becomes('a=1 c=3 (config)')
    session.calls.length = 0
    put('b', '2')
    await becomes('a=1 b=2 c=3 (config)')
    assert.deepEqual(session.calls, [`getChildren ${PATH}`, `getData ${PATH}/b`])
    const [first, second] = published
    assert.equal(first?.children[0], second?.children[0])
    assert.equal(first?.children[1], second?.children[2])
  })

  it('reads only the child whose data changed, and does not list', async () => {
    put('a', '1')
    put('b', '2')
    start()
    await becomes('a=1 b=2 (config)')
    for (const weight of ['5', '6']) {
      session.calls.length = 0
      put('b', weight)
      await becomes(`a=1 b=${weight} (config)`)
      assert.deepEqual(session.calls, [`getData ${PATH}/b`])
    }
  })

  it('reads nothing but the listing when a child is gone', async () => {
    put('a', '1')
    put('b', '2')
    start()
    await becomes('a=1 b=2 (config)')
    session.calls.length = 0
    zookeeper.remove(`${PATH}/a`)
    await becomes('b=2 (config)')
    assert.deepEqual(callsOf('getData'), [])
  })

  it('reads a child again that was removed and made again under its name', async () => {
    put('a', 'old')
    start()
    await becomes('a=old (config)')
    zookeeper.remove(`${PATH}/a`)
    put('a', 'new')
    await becomes('a=new (config)')
    put('a', 'newer')
    await becomes('a=newer (config)')
  })

  it('publishes nothing for a write of the same bytes', async () => {
    put('a', '1')
    start()
    await becomes('a=1 (config)')
    put('a', '1')
    zookeeper.put(PATH, 'config')
    await calm()
    assert.deepEqual([published.length, callsOf('getData').length], [1, 4])
  })

  it('follows the data of the path', async () => {
    start()
    await becomes('(config)')
    zookeeper.put(PATH, 'other')
    await becomes('(other)')
    zookeeper.put(PATH, 'third')
    await becomes('(third)')
  })

  it('acts on the first event at once and merges what comes during a pass', async () => {
    start()
    await becomes('(config)')
    await calm()
    session.calls.length = 0
    for (let child = 0; child < 50; child++) put(`n${String(child).padStart(2, '0')}`, 'x')
    await until(() => assert.equal(published.at(-1)?.children.length, 50))
    assert.ok(callsOf('getChildren').length <= 2, session.calls.join('\n'))
    assert.equal(callsOf('getData').length, 50)
  })

  it('tells when the first event of what it publishes arrived', async () => {
    put('a', '1')
    start()
    await becomes('a=1 (config)')
    assert.equal(published[0]?.eventAt, 1000)
    await calm()
    const eventAt = clock.now()
    session.fail('getData', 'CONNECTION_LOSS')
    put('a', '2')
    await becomes('a=2 (config)')
    assert.ok(clock.now() > eventAt)
    assert.equal(published[1]?.eventAt, eventAt)
  })

  it('takes the data from names that carry it, without a read or a watch', async () => {
    const payload = '{"host":"10.0.0.1","port":3000,"name":"i-abc"}'
    const name = `${encodeChildName('i-abc', payload)}0000000001`
    put(name, 'ignored')
    put('base64_9_broken_0000000002', 'read')
    start({ dataInName: decodeChildName })
    await becomes(`${name}=${payload} base64_9_broken_0000000002=read (config)`)
    assert.deepEqual(callsOf('getData').sort(), [`getData ${PATH}`, `getData ${PATH}/base64_9_broken_0000000002`])
    assert.equal(zookeeper.watches(`${PATH}/${name}`), 0)
    const next = `${encodeChildName('i-abc', '{}')}0000000003`
    put(next, 'ignored')
    await becomes(`${next}={} ${name}=${payload} base64_9_broken_0000000002=read (config)`)
    zookeeper.remove(`${PATH}/${name}`)
    await becomes(`${next}={} base64_9_broken_0000000002=read (config)`)
  })

  it('sets no watches on the data of children if told so', async () => {
    put('a', '1')
    start({ watchData: 'none' })
    await becomes('a=1 (config)')
    assert.equal(zookeeper.watches(`${PATH}/a`), 0)
    put('b', '2')
    await becomes('a=1 b=2 (config)')
  })

  describe('with a session that reads several nodes at once', () => {
    const names = Array.from({ length: 100 }, (_, index) => `n${String(index).padStart(3, '0')}`)
    const all = (data: (name: string) => string) => `${names.map((name) => `${name}=${data(name)}`).join(' ')} (config)`

    beforeEach(() => {
      session = new FakeSession(zookeeper, { readsTogether: true })
      for (const name of names) put(name, '1')
    })

    it('reads the children of a path with few requests, and one that changes alone', async () => {
      start()
      await becomes(all(() => '1'))
      assert.equal(published.length, 1)
      assert.equal(callsOf('getDataOf').length, 2)
      assert.deepEqual(callsOf('getData'), [`getData ${PATH}`])
      session.calls.length = 0
      put('n042', '2')
      await becomes(all((name) => (name === 'n042' ? '2' : '1')))
      assert.deepEqual(session.calls, [`getData ${PATH}/n042`])
    })

    it('reads a child again that changes after its watch was set, whatever the first read said', async () => {
      start()
      await until(() => assert.equal(callsOf('getDataOf').length, 2))
      put('n099', '2')
      await becomes(all((name) => (name === 'n099' ? '2' : '1')))
      zookeeper.remove(`${PATH}/n099`)
      await becomes(all((name) => (name === 'n099' ? '2' : '1')).replace('n099=2 ', ''))
    })

    it('treats a child that vanished as not there, and leaves out one that it must not read', async () => {
      session.fail(`part ${PATH}/n001`, 'NO_NODE')
      session.fail(`part ${PATH}/n002`, 'NO_AUTH')
      start()
      await becomes(all(() => '1').replace('n001=1 n002=1 ', ''))
      assert.deepEqual(
        log.lines.map(({ message, fields }) => `${message} ${fields['path']} ${fields['reason']}`),
        [`child cannot be read ${PATH}/n002 getData ${PATH}/n002: NO_AUTH`],
      )
    })

    it('reads those of a failed request again, and publishes no half of the set', async () => {
      session.fail(`getDataOf ${PATH}/n0`, 'CONNECTION_LOSS')
      start()
      await becomes(all(() => '1'))
      assert.equal(published.length, 1)
      assert.deepEqual(log.lines, [])
    })

    it('says why the path cannot be read when a read fails in another way', async () => {
      session.fail(`part ${PATH}/n050`, 'OTHER')
      start()
      await becomes(all(() => '1'))
      assert.equal(log.lines[0]?.message, 'watched path cannot be read, the last known children stand')
    })
  })

  it('keeps at most so many reads of a session in flight, over all its caches', async () => {
    for (let child = 0; child < 400; child++) put(`n${child}`, 'x')
    start()
    start()
    await until(() =>
      assert.deepEqual(
        published.map(({ children }) => children.length),
        [400, 400],
      ),
    )
    assert.ok(session.mostInFlight <= READS_IN_FLIGHT, `${session.mostInFlight} in flight`)
    assert.ok(session.mostInFlight > READS_IN_FLIGHT / 2, `${session.mostInFlight} in flight`)
  })

  it('treats a child that vanishes between the listing and its reading as not there', async () => {
    put('a', '1')
    put('b', '2')
    session.fail(`getData ${PATH}/a`, 'NO_NODE')
    start()
    await becomes('b=2 (config)')
  })

  it('leaves out a child that it must not read, says so once, and keeps what it knew', async () => {
    put('a', '1')
    put('b', '2')
    session.fail(`getData ${PATH}/a`, 'NO_AUTH')
    start()
    await becomes('b=2 (config)')
    session.fail(`getData ${PATH}/b`, 'NO_AUTH')
    put('b', '3')
    await calm()
    assert.equal(last(), 'b=2 (config)')
    assert.deepEqual(
      log.lines.map(({ message, fields }) => `${message} ${fields['path']}`),
      [`child cannot be read ${PATH}/a`, `child cannot be read ${PATH}/b`],
    )
    await clock.advance(400_000)
    assert.equal(last(), 'a=1 b=3 (config)', 'a resync tries again')
  })

  it('never publishes half a set: one failed read holds it back until it succeeds', async () => {
    for (const name of ['a', 'b', 'c']) put(name, name)
    session.fail(`getData ${PATH}/b`, 'CONNECTION_LOSS')
    session.fail(`getData ${PATH}/b`, 'OPERATION_TIMEOUT')
    start()
    await becomes('a=a b=b c=c (config)')
    assert.equal(published.length, 1)
    assert.equal(callsOf('getData').filter((call) => call.endsWith('/a')).length, 1, 'what was read is not read again')
  })

  it('keeps the last set and says why, once, while the path cannot be read', async () => {
    put('a', '1')
    start()
    await becomes('a=1 (config)')
    for (let failure = 0; failure < 3; failure++) session.fail('getChildren', 'NO_AUTH')
    put('b', '2')
    await becomes('a=1 b=2 (config)')
    assert.deepEqual(
      log.lines.map(({ level, message }) => [level, message]),
      [['warn', 'watched path cannot be read, the last known children stand']],
    )
  })

  it('waits longer and longer while reading fails', async () => {
    for (let failure = 0; failure < 200; failure++) session.fail('getChildren', 'OPERATION_TIMEOUT')
    start()
    await clock.advance(60_000)
    assert.ok(callsOf('getChildren').length < 20, `${callsOf('getChildren').length} tries in a minute`)
    assert.deepEqual(published, [])
    assert.deepEqual(log.lines, [], 'the session tells of its connection')
  })

  describe('when the path is missing', () => {
    beforeEach(() => zookeeper.remove(PATH))

    it('creates it', async () => {
      start()
      await becomes('()')
      assert.ok(zookeeper.nodes.has(PATH))
      put('a', '1')
      await becomes('a=1 ()')
    })

    it('does not create it if told so, publishes an empty set and waits for it', async () => {
      start({ createPath: false })
      await becomes('()')
      assert.ok(!zookeeper.nodes.has(PATH))
      zookeeper.put(PATH, 'made')
      await becomes('(made)')
      put('a', '1')
      await becomes('a=1 (made)')
      zookeeper.put(PATH, 'changed')
      await becomes('a=1 (changed)')
    })

    it('takes lacking the right to create it for missing, says so once, and waits for it', async () => {
      session.fail('ensurePath', 'NO_AUTH')
      start()
      await becomes('()')
      await calm()
      assert.deepEqual(
        log.lines.map(({ message }) => message),
        ['watched path is missing and cannot be created'],
      )
      zookeeper.put(PATH, 'made')
      await becomes('(made)')
    })

    it('publishes nothing while creating it fails for want of a connection', async () => {
      session.fail('ensurePath', 'CONNECTION_LOSS')
      start()
      await clock.advance(0)
      assert.deepEqual(published, [])
      await becomes('()')
    })
  })

  it('publishes an empty set when the path is removed, and makes it again', async () => {
    put('a', '1')
    start()
    await becomes('a=1 (config)')
    zookeeper.remove(`${PATH}/a`)
    zookeeper.remove(PATH)
    await becomes('()')
    put('b', '2')
    await becomes('b=2 ()')
  })

  it('publishes nothing before the session is connected', async () => {
    put('a', '1')
    session.suspend()
    start()
    await calm()
    assert.deepEqual([published, session.calls], [[], []])
    session.resume()
    await becomes('a=1 (config)')
  })

  it('reads everything once at the start: the first connection is no reconnect', async () => {
    put('a', '1')
    session.suspend()
    start({ random: () => 0.7 })
    await calm()
    session.resume()
    await becomes('a=1 (config)')
    await calm()
    assert.deepEqual([...session.calls].sort(), [`getChildren ${PATH}`, `getData ${PATH}`, `getData ${PATH}/a`])
  })

  it('publishes nothing while the connection is away, and what changed meanwhile afterwards', async () => {
    put('a', '1')
    start()
    await becomes('a=1 (config)')
    session.suspend()
    put('a', '2')
    put('b', '2')
    await clock.advance(100_000)
    assert.deepEqual([published.length, session.calls.length], [1, 3])
    session.resume()
    await becomes('a=2 b=2 (config)')
  })

  it('lists again within a second after a reconnect, spread by chance, in case a watch was lost', async () => {
    put('a', '1')
    start({ random: () => 0.7 })
    await becomes('a=1 (config)')
    session.suspend()
    session.resume()
    await clock.advance(690)
    assert.equal(callsOf('getChildren').length, 1)
    await clock.advance(40)
    assert.equal(callsOf('getChildren').length, 2)
    assert.equal(published.length, 1)
  })

  it('reads all at once on a new session, with new watches, and publishes only what differs', async () => {
    put('a', '1')
    put('b', '2')
    start()
    await becomes('a=1 b=2 (config)')
    session.expire()
    await clock.advance(50_000)
    session.calls.length = 0
    session.renew()
    await clock.advance(0)
    assert.deepEqual([...session.calls].sort(), [
      `getChildren ${PATH}`,
      `getData ${PATH}`,
      `getData ${PATH}/a`,
      `getData ${PATH}/b`,
    ])
    assert.equal(published.length, 1)
    await calm()
    assert.equal(session.calls.length, 4, 'and once is enough')
    put('a', '5')
    await becomes('a=5 b=2 (config)')
    put('c', '3')
    await becomes('a=5 b=2 c=3 (config)')
    zookeeper.put(PATH, 'new')
    await becomes('a=5 b=2 c=3 (new)')
  })

  it('publishes nothing that was read while one session took the place of another', async () => {
    put('a', 'old')
    const getData = session.getData.bind(session)
    session.getData = async (...read) => {
      const answer = await getData(...read)
      if (read[0] === `${PATH}/a` && session.generation === 0) {
        session.generation = 1
        zookeeper.unwatch(session)
        put('a', 'new')
      }
      return answer
    }
    start()
    await becomes('a=new (config)')
    assert.equal(published.length, 1)
  })

  it('does not mix what it read in two sessions', async () => {
    for (const name of ['a', 'b', 'c']) put(name, 'old')
    start()
    await becomes('a=old b=old c=old (config)')
    // c is due and cannot be read, so a is read together with it, and waits for it.
    session.fail(`getData ${PATH}/c`, 'CONNECTION_LOSS')
    session.fail(`getData ${PATH}/c`, 'CONNECTION_LOSS')
    put('c', 'new')
    put('a', 'new')
    await until(() => assert.equal(callsOf('getData').length, 7))
    session.expire()
    zookeeper.put(`${PATH}/b`, 'new')
    await clock.advance(5000)
    assert.equal(published.length, 1)
    session.renew()
    await becomes('a=new b=new c=new (config)')
    assert.equal(published.length, 2)
  })

  it('lists and reads again every few minutes whatever the watches say, all children in turn', async () => {
    for (let child = 0; child < 150; child++) put(`n${String(child).padStart(3, '0')}`, 'x')
    start({ resyncMs: 60_000 })
    await until(() => assert.equal(published.length, 1))
    zookeeper.unwatch(session)
    for (let child = 0; child < 150; child++) put(`n${String(child).padStart(3, '0')}`, 'y')
    put('lost', 'z')
    zookeeper.put(PATH, 'new')
    await clock.advance(65_000)
    assert.equal(published.length, 1)
    await clock.advance(5000)
    const changed = () => published.at(-1)?.children.filter(({ data }) => String(data) === 'y').length
    assert.equal(published.at(-1)?.children.length, 151)
    assert.equal(String(published.at(-1)?.data), 'new')
    assert.equal(changed(), 100)
    await clock.advance(70_000)
    assert.equal(changed(), 150)
  })

  it('goes on when the publisher throws', async () => {
    put('a', '1')
    let calls = 0
    const cache = createChildrenCache({ session, path: PATH, clock, random: () => 0.5, log })
    const publish = (snapshot: ChildrenSnapshot) => {
      calls += 1
      if (calls === 1) throw new Error('no')
      published.push(snapshot)
    }
    running.push(cache.run(publish, stop.signal))
    await becomes('a=1 (config)')
    assert.equal(calls, 2)
  })

  it('resolves after an abort, at any moment, and ignores late events', async () => {
    put('a', '1')
    start()
    await clock.advance(0)
    stop.abort()
    await Promise.all(running)
    put('a', '2')
    await calm()
    assert.ok(published.length <= 1)
  })

  it('converges to what the ensemble holds, whatever changes and failures come', async () => {
    let seed = 42
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed / 2 ** 31
    }
    const pick = (count: number) => Math.floor(random() * count)
    start({ random })
    const steps = [
      () => put(`n${pick(8)}`, `v${pick(1000)}`),
      () => zookeeper.remove(`${PATH}/n${pick(8)}`),
      () => zookeeper.put(PATH, `config ${pick(100)}`),
      () => session.fail(pick(2) === 0 ? 'getData' : 'getChildren', 'CONNECTION_LOSS', pick(2) === 0),
      () => session.state.status === 'connected' && pick(3) === 0 && session.suspend(),
      () => session.state.status === 'suspended' && session.resume(),
      () => session.state.status === 'lost' && session.renew(),
      () => session.state.status !== 'lost' && pick(5) === 0 && session.expire(),
      () => clock.advance(pick(40)),
      () => clock.advance(pick(40)),
    ]
    for (let round = 0; round < 40; round++) {
      for (let step = 0; step < 25; step++) await steps[pick(steps.length)]?.()
      if (session.state.status === 'suspended') session.resume()
      if (session.state.status === 'lost') session.renew()
      const held = zookeeper.childrenOf(PATH).map((name) => `${name}=${zookeeper.nodes.get(`${PATH}/${name}`)?.data}`)
      const expected = [...held, `(${zookeeper.nodes.get(PATH)?.data})`].join(' ')
      await until(() => assert.equal(last(), expected), 500)
    }
    assert.ok(published.length > 50, `${published.length} sets`)
  })
})
