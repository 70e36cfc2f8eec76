import assert from 'node:assert/strict'
import { createMetrics } from '../../../../src/core/metrics.ts'
import { zookeeper } from '../../../../src/synapse/watchers/zookeeper.ts'
import { FakeClock } from '../../../harness/fake-clock.ts'
import { FakeSession, FakeZooKeeper } from '../../../harness/fake-session.ts'
import { type LogLine, recordingLog } from '../../../harness/recording-log.ts'

describe('zookeeper watcher', () => {
  const ensemble = new FakeZooKeeper()
  const metrics = createMetrics()
  let session: FakeSession
  let lines: LogLine[]
  let unreadable: string[]

  const create = () =>
    zookeeper.create(
      {
        ...{ service: 'web', clock: new FakeClock(), log: recordingLog(lines), metrics, random: () => 0 },
        sessions: { acquire: () => session, state: () => [], close: async () => {} },
        onUnreadable: (what) => unreadable.push(what),
      },
      zookeeper.options.parse({ hosts: ['zk1:2181'], path: '/web' }),
    )

  beforeEach(() => {
    session = new FakeSession(ensemble)
    lines = []
    unreadable = []
  })

  it('is away once a connection was refused, and until the first one is there', () => {
    const watcher = create()
    session.state = { status: 'connecting' }
    assert.equal(watcher.isAway?.(), false, 'nobody knows yet')
    session.state = { status: 'connecting', reason: 'connect ECONNREFUSED' }
    assert.equal(watcher.isAway?.(), true)
    session.resume()
    assert.equal(watcher.isAway?.(), false)
    session.suspend()
    assert.equal(watcher.isAway?.(), false, 'it was there')
  })

  it('tells what is left out, and what is used without what makes no sense in it', async () => {
    ensemble.put('/web')
    ensemble.put('/web/bad_1', '{')
    ensemble.put('/web/odd_2', '{"host":"h","port":1,"weight":-5}')
    const stop = new AbortController()
    const found = new Promise<readonly unknown[]>((resolve) => {
      void create().run(({ instances }) => resolve(instances), stop.signal)
    })
    assert.equal((await found).length, 1)
    stop.abort()
    assert.deepEqual(
      lines.map(({ message, fields }) => `${message} ${fields['path']}`),
      ['registration left out /web/bad_1', 'registration used without what makes no sense /web/odd_2'],
    )
    assert.deepEqual(unreadable, ['registration'], "Airbnb's metric counts what is left out")
    assert.match(await metrics.text(), /synapse_bad_registrations_total\{service="web"\} 2/)
  })
})
