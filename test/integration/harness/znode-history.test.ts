import assert from 'node:assert/strict'
import { createTestPool } from '../../harness/test-pool.ts'
import { readHistory } from '../../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../../harness/zookeeper-server.ts'

describe('readHistory', function () {
  this.timeout(120_000)
  const { signal } = new AbortController()
  let server: ZooKeeperServer

  before(async () => {
    server = await startZooKeeper()
  })
  after(() => server.close())

  it('tells every change with who made it, also those that no watch would see, over a restart of the server', async () => {
    const { pool } = createTestPool()
    const session = pool.acquire({ hosts: [server.hosts], sessionTimeoutMs: 20_000 })
    await session.connected(signal)
    const { sessionId } = session.state
    const sequential = { mode: 'ephemeral_sequential' } as const
    await session.ensurePath('/a/b', signal)
    const one = await session.create('/a/b/one_', Buffer.from('1'), sequential, signal)
    await session.setData(one, Buffer.from('one'), signal)
    const { lastZxid } = await readHistory(server)
    const two = await session.create('/a/b/two_', Buffer.from('2'), sequential, signal)
    await session.delete(one, signal)
    await server.restart()
    await session.connected(signal)
    await pool.close()

    const history = await readHistory(server)
    const told = history.changes.map(({ kind, path, data, session: by }) => ({ kind, path, data, by }))
    const by = String(sessionId)
    assert.deepEqual(
      told.filter(({ path }) => path.startsWith('/a')),
      [
        { kind: 'created', path: '/a', data: '', by },
        { kind: 'created', path: '/a/b', data: '', by },
        { kind: 'created', path: one, data: '1', by },
        { kind: 'written', path: one, data: 'one', by },
        { kind: 'created', path: two, data: '2', by },
        { kind: 'deleted', path: one, data: '', by },
        { kind: 'ended', path: two, data: '', by },
      ],
    )
    assert.deepEqual(
      history.since(lastZxid).map(({ kind }) => kind),
      ['created', 'deleted', 'ended'],
    )
    assert.deepEqual(
      history.childSets(['/a/b'], lastZxid).map(({ paths }) => paths),
      [[one], [one, two], [two], []],
    )
    assert.deepEqual(history.extremes(['/a/b'], lastZxid), { least: 0, most: 2 })
    assert.ok(
      history.changes.every(({ at }) => Math.abs(at - Date.now()) < 60_000),
      'instants are in ms since 1970',
    )
  })
})
