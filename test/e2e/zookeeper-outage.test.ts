import assert from 'node:assert/strict'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, type MainJob, startMainJobOfTwo } from '../harness/main-job.ts'

describe('ZooKeeper goes away and comes back', function () {
  this.timeout(240_000)
  let job: MainJob
  let one: Instance
  let two: Instance
  let nerve: Daemon
  let synapse: Daemon

  before(async () => {
    ;({ job, one, two, nerve, synapse } = await startMainJobOfTwo())
  })
  after(() => job.close())

  const registered = async () => (await job.zookeeper.ephemeralsUnder('/services/web')).length
  const serving = async () => assert.match(await job.call(), /^(one|two)$/)

  const comesBack = async (outageMs: number, empty: boolean) => {
    const pids = [nerve.pid, synapse.pid]
    const { reloads } = (await synapse.state<{ generators: { haproxy: { reloads: number } } }>()).generators.haproxy
    await job.zookeeper.kill()
    await consistently(serving, outageMs, 50)
    await job.zookeeper.restart({ empty })
    await eventually(async () => {
      await serving()
      assert.equal(await registered(), 2)
    }, 20_000)
    await consistently(serving, 1_000, 50)
    assert.equal(await registered(), 2, 'no twin appears')
    await eventually(async () => assert.equal(await job.zookeeper.connections().then((all) => all.length), 2))
    assert.deepEqual([nerve.pid, synapse.pid], pids)
    assert.equal(nerve.exited || synapse.exited, false)
    const after = await synapse.state<{ generators: { haproxy: { reloads: number } } }>()
    assert.equal(after.generators.haproxy.reloads, reloads)
  }

  it('for 60 s, and comes back with an empty data directory: traffic never stops, all register again', () =>
    comesBack(60_000, true))

  it('for longer than the session timeout, and comes back with its data', () => comesBack(8_000, false))

  it('a change made right after it is back reaches the clients', async () => {
    two.healthy = false
    await eventually(async () => {
      for (let call = 0; call < 6; call++) assert.equal(await job.call(), 'one')
    })
    two.healthy = true
    await eventually(async () => assert.equal(await registered(), 2))
  })

  it('synapse restarted while ZooKeeper is away serves what it served before', async () => {
    await job.zookeeper.kill()
    await synapse.restart()
    await eventually(serving)
    await consistently(serving, 2_000, 50)
    await job.zookeeper.restart()
  })

  it('a killed nerve is gone from ZooKeeper when its session ends', async () => {
    await eventually(async () => assert.equal(await registered(), 2), 20_000)
    nerve.kill('SIGKILL')
    await eventually(async () => assert.equal(await registered(), 0), 20_000)
    await serving()
  })

  it('a frozen nerve that wakes up after its session ended registers again, once', async () => {
    const other = await job.nerve('host-2', { one: job.service(one) })
    await eventually(async () => assert.equal(await registered(), 1))
    other.kill('SIGSTOP')
    await eventually(async () => assert.equal(await registered(), 0), 20_000)
    other.kill('SIGCONT')
    await eventually(async () => assert.equal(await registered(), 1), 20_000)
    await consistently(async () => assert.equal(await registered(), 1), 1_000, 100)
  })
})
