import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { consistently, eventually } from '../../harness/eventually.ts'
import { createTestPool } from '../../harness/test-pool.ts'
import { startEnsemble, startZooKeeper, ZooKeeperServer } from '../../harness/zookeeper-server.ts'

const { signal } = new AbortController()

describe('startZooKeeper()', function () {
  this.timeout(120_000)
  const { PATH, TMPDIR } = process.env
  let directory: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'smartstack-test-'))
    process.env['TMPDIR'] = directory
  })
  afterEach(async () => assert.deepEqual(await readdir(directory), [], 'nothing is left behind'))
  after(async () => {
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
    await rm(directory, { recursive: true })
  })

  it('serves until it is stopped, keeps its data over a restart unless told to forget, and leaves nothing', async () => {
    const server = await startZooKeeper()
    const { port, pid } = server
    const { pool } = createTestPool()
    try {
      const session = pool.acquire({ hosts: [server.hosts], sessionTimeoutMs: 5000 })
      await session.connected(signal)
      await session.create('/kept', Buffer.alloc(0), { mode: 'persistent' }, signal)
      await session.create('/mine', Buffer.alloc(0), { mode: 'ephemeral' }, signal)
      assert.equal(await server.fourLetter('ruok'), 'imok')
      assert.deepEqual(await server.ephemerals(), new Map([[String(session.state.sessionId), ['/mine']]]))
      assert.deepEqual(
        (await server.connections()).map(({ sessionId, timeoutMs }) => [sessionId, timeoutMs]),
        [[session.state.sessionId, 5000]],
      )
      await server.restart()
      assert.deepEqual([server.port, server.pid === pid], [port, false])
      await session.connected(signal)
      assert.ok(await session.exists('/kept', signal))
      await server.kill()
      await server.restart({ empty: true })
      await eventually(async () => assert.equal(await session.exists('/kept', signal), undefined), 40_000)
    } finally {
      await pool.close()
      await server.close()
    }
    await assert.rejects(server.fourLetter('ruok'), /ECONNREFUSED/)
    assert.ok(!existsSync(`/proc/${pid}`))
  })

  it('answers nothing while it is frozen', async () => {
    const server = await startZooKeeper()
    try {
      await server.freeze()
      const answers: string[] = []
      const asking = server.fourLetter('ruok', 10_000).then((answer) => answers.push(answer))
      await consistently(() => assert.deepEqual(answers, []), 300)
      server.thaw()
      await asking
      assert.deepEqual(answers, ['imok'])
    } finally {
      await server.close()
    }
  })

  it('says what to install when java is missing', async () => {
    process.env['PATH'] = '/nowhere'
    try {
      await assert.rejects(startZooKeeper(), /java is missing: install the package default-jre-headless/)
    } finally {
      process.env['PATH'] = PATH
    }
  })

  it('tells what the server printed when it ends at once', async () => {
    await assert.rejects(startZooKeeper({ config: { tickTime: 'nonsense' } }), /did not start.*nonsense/s)
  })
})

describe('startEnsemble()', function () {
  this.timeout(120_000)

  it('elects a leader, and another when that one is killed', async () => {
    const ensemble = await startEnsemble(3)
    try {
      const first = await ensemble.leader()
      assert.ok(first instanceof ZooKeeperServer)
      await first.kill()
      const second = await eventually(() => ensemble.leader(), 40_000)
      assert.notEqual(second.port, first.port)
      await first.restart()
      assert.match(await first.fourLetter('srvr'), /Mode: follower/)
    } finally {
      await ensemble.close()
    }
  })
})
