import assert from 'node:assert/strict'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { startLoad } from '../harness/haproxy.ts'
import { type Instance, type MainJob, startMainJob } from '../harness/main-job.ts'

interface SynapseState {
  readonly generators: {
    readonly haproxy: { readonly pid: number; readonly reloads: number; readonly origin: string }
  }
}

describe('synapse is killed under load', function () {
  this.timeout(60_000)
  let job: MainJob
  let one: Instance
  let two: Instance
  let synapse: Daemon

  before(async () => {
    job = await startMainJob()
    one = await job.instance('one')
    two = await job.instance('two')
    await job.nerve('host-1', { one: job.service(one), two: job.service(two) })
    synapse = await job.synapse()
    await eventually(async () => assert.deepEqual(await answers(), ['one', 'two']))
  })
  after(() => job.close())

  const haproxy = async () => (await synapse.state<SynapseState>()).generators.haproxy
  const answers = async () => {
    const all = [await job.call(), await job.call(), await job.call(), await job.call()]
    return [...new Set(all)].sort()
  }

  it('HAProxy serves on, the next synapse adopts it without a reload, and no request fails', async () => {
    const { pid } = await haproxy()
    const load = startLoad(job.port, { maxMs: 50_000 })
    await eventually(() => assert.notEqual(load.requests, 0))
    for (let crash = 0; crash < 3; crash++) {
      synapse.kill('SIGKILL')
      await synapse.exit()
      await consistently(async () => assert.match(await job.call(), /^(one|two)$/), 500)
      await synapse.restart()
      const found = await haproxy()
      assert.deepEqual([found.pid, found.reloads, found.origin], [pid, 0, 'adopted'])
    }
    assert.match(synapse.output, /adopted the running haproxy/)
    await eventually(() => assert.ok(load.requests > 500, `only ${load.requests} requests`), 20_000)
    const { failures } = await load.stop()
    assert.deepEqual(failures, {})
  })

  it('the next synapse still applies changes at run time', async () => {
    const before = await haproxy()
    two.healthy = false
    await eventually(async () => assert.deepEqual(await answers(), ['one']), 20_000)
    two.healthy = true
    await eventually(async () => assert.deepEqual(await answers(), ['one', 'two']), 20_000)
    assert.deepEqual([(await haproxy()).pid, (await haproxy()).reloads], [before.pid, before.reloads])
  })
})
