import assert from 'node:assert/strict'
import { observePool, type ZooKeeperEvent } from '../../../src/zookeeper/observed-pool.ts'
import type { Session, SessionPool } from '../../../src/zookeeper/zookeeper.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { FakeSession, FakeZooKeeper } from '../../harness/fake-session.ts'

const never = new AbortController().signal
const wanted = { hosts: ['zk1:2181'], sessionTimeoutMs: 10_000 }

describe('observePool()', () => {
  let clock: FakeClock
  let events: ZooKeeperEvent[]
  let inner: FakeSession
  let pool: SessionPool
  let session: Session

  beforeEach(() => {
    let now = 0
    // Each look at this clock finds it 7 ms later.
    clock = Object.assign(new FakeClock(), {
      now: () => {
        now += 7
        return now
      },
    })
    events = []
    inner = new FakeSession(new FakeZooKeeper())
    let users = 0
    const open = () => (users === 0 ? [] : [{ ensemble: 'zk1:2181', users, session: inner.state }])
    const shared: SessionPool = {
      acquire: () => {
        users += 1
        return inner
      },
      state: open,
      close: async () => {},
    }
    pool = observePool(shared, clock, (event) => events.push(event))
    session = pool.acquire(wanted)
  })

  it('tells the first user of a session from the next ones', () => {
    pool.acquire(wanted)
    assert.deepEqual(
      events.map((event) => event.kind === 'session' && [event.hosts, event.reused]),
      [
        [['zk1:2181'], false],
        [['zk1:2181'], true],
      ],
    )
  })

  it('passes operations through and tells how long each took, also one that fails', async () => {
    events.length = 0
    await session.create('/a', Buffer.from('x'), { mode: 'persistent' }, never)
    assert.equal((await session.getData('/a', never)).data.toString(), 'x')
    await session.setData('/a', Buffer.from('y'), never)
    await assert.rejects(session.getData('/missing', never), /no \/missing/)
    const told = events.map((event) => {
      if (event.kind !== 'operation') return event
      const { operation, path, ms, ok, error = '' } = event
      return `${operation} ${path} ${ms} ${ok} ${error}`.trim()
    })
    assert.deepEqual(told, [
      'create /a 7 true',
      'getData /a 7 true',
      'setData /a 7 true',
      'getData /missing 7 false NO_NODE',
    ])
  })

  it('does not tell of what only lets the member catch up', async () => {
    events.length = 0
    await session.catchUp('/a', never)
    assert.deepEqual(events, [])
    assert.deepEqual(inner.calls, ['create /a'])
  })

  it('counts nodes that are read together as one read, and has no such thing where the session has none', async () => {
    assert.equal(session.getDataOf, undefined)
    inner = new FakeSession(new FakeZooKeeper(), { readsTogether: true })
    const together = pool.acquire(wanted)
    await together.ensurePath('/a', never)
    events.length = 0
    const read = await together.getDataOf?.([{ path: '/a' }, { path: '/missing' }], never)
    assert.deepEqual(
      read?.map((each) => (each instanceof Error ? each.message : each.data.length)),
      [0, 'no /missing'],
    )
    assert.deepEqual(
      events.map((event) => event.kind === 'operation' && `${event.operation} ${event.path} ${event.ok}`),
      ['getData /a true'],
    )
  })

  it('passes watches through', async () => {
    await session.ensurePath('/a', never)
    const seen: string[] = []
    await session.exists('/a', never, (event) => seen.push(event))
    await session.delete('/a', never)
    await settle()
    assert.deepEqual(seen, ['deleted'])
  })

  it('shows the state of the session, which others may share, and tells when it is lost', () => {
    events.length = 0
    assert.equal(session.shared, inner)
    assert.equal(session.state.status, 'connected')
    inner.expire()
    inner.renew()
    assert.equal(session.generation, 1)
    assert.deepEqual(events, [{ kind: 'session-lost', hosts: ['zk1:2181'] }])
  })

  it('releases the session with what its user says of it', async () => {
    await session.release({ keep: true })
    assert.equal(inner.state.status, 'closed')
  })
})
