import assert from 'node:assert/strict'
import { createBackoff } from '../../../src/core/backoff.ts'
import { watchData } from '../../../src/zookeeper/data-watch.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { FakeSession, FakeZooKeeper } from '../../harness/fake-session.ts'
import { recordingLog } from '../../harness/recording-log.ts'

describe('watchData()', () => {
  const path = '/config/web'
  let clock: FakeClock
  let zookeeper: FakeZooKeeper
  let session: FakeSession
  let log: ReturnType<typeof recordingLog>
  let stop: AbortController
  let published: (string | undefined)[]
  let running: Promise<void>

  const start = async () => {
    const backoff = createBackoff({ initialMs: 100, maxMs: 1_000, jitter: 0, random: () => 0 })
    running = watchData(
      { session, path, clock, backoff, log, resyncMs: 60_000 },
      (data) => published.push(data?.toString('utf8')),
      stop.signal,
    )
    await clock.advance(10)
  }

  beforeEach(() => {
    clock = new FakeClock()
    zookeeper = new FakeZooKeeper()
    session = new FakeSession(zookeeper)
    log = recordingLog()
    stop = new AbortController()
    published = []
  })
  afterEach(async () => {
    stop.abort()
    await running
    assert.equal(clock.pending, 0)
  })

  it('publishes the data, then each change', async () => {
    zookeeper.put(path, 'a')
    await start()
    zookeeper.put(path, 'b')
    await clock.advance(10)
    assert.deepEqual(published, ['a', 'b'])
  })

  it('publishes undefined for a missing node, and its data once it is created', async () => {
    await start()
    zookeeper.put(path, 'a')
    await clock.advance(10)
    assert.deepEqual(published, [undefined, 'a'])
  })

  it('publishes nothing while it cannot read, tries again, and says nothing of a cut link', async () => {
    session.fail('getData', 'CONNECTION_LOSS')
    zookeeper.put(path, 'a')
    await start()
    assert.deepEqual(published, [])
    await clock.advance(100)
    assert.deepEqual(published, ['a'])
    assert.equal(log.lines.length, 0)
  })

  it('names what an operator has to mend', async () => {
    session.fail('getData', 'NO_AUTH')
    zookeeper.put(path, 'a')
    await start()
    assert.deepEqual(
      log.lines.map(({ level, fields }) => [level, fields['path']]),
      [['warn', path]],
    )
    await clock.advance(100)
    assert.deepEqual(published, ['a'])
  })

  it('does not publish the same data twice', async () => {
    zookeeper.put(path, 'a')
    await start()
    await clock.advance(60_000)
    assert.deepEqual(published, ['a'])
  })

  it('reads again on a new session, whose watches are gone', async () => {
    zookeeper.put(path, 'a')
    await start()
    session.expire()
    zookeeper.put(path, 'b')
    session.renew()
    await clock.advance(10)
    assert.deepEqual(published, ['a', 'b'])
  })

  it('reads at least every resyncMs, whatever the watches say', async () => {
    zookeeper.put(path, 'a')
    await start()
    const before = session.calls.length
    await clock.advance(60_000)
    assert.ok(session.calls.length > before)
  })
})
