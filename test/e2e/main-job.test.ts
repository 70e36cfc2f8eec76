import assert from 'node:assert/strict'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, type MainJob, startMainJobOfTwo } from '../harness/main-job.ts'

/** What of synapse's state these tests look at. */
interface SynapseState {
  readonly generators: { readonly haproxy: { readonly pid: number; readonly reloads: number } }
}

describe('the main job: checks, znodes, HAProxy, a client on localhost', function () {
  this.timeout(60_000)
  let job: MainJob
  let one: Instance
  let two: Instance
  let nerve: Daemon
  let synapse: Daemon

  before(async () => {
    ;({ job, one, two, nerve, synapse } = await startMainJobOfTwo())
  })
  after(() => job.close())

  const haproxy = async () => (await synapse.state<SynapseState>()).generators.haproxy

  it('a client reaches every healthy instance through the localhost port', async () => {
    await eventually(async () => {
      const answers = new Set([await job.call(), await job.call(), await job.call(), await job.call()])
      assert.deepEqual([...answers].sort(), ['one', 'two'])
    })
  })

  it('an instance that fails its check gets no further request, and comes back when it is mended, without a reload', async () => {
    const before = await haproxy()
    two.healthy = false
    await eventually(async () => assert.equal((await job.zookeeper.ephemeralsUnder('/services/web')).length, 1))
    await eventually(async () => {
      for (let call = 0; call < 6; call++) assert.equal(await job.call(), 'one')
    })
    two.healthy = true
    await eventually(async () => {
      const answers = [await job.call(), await job.call(), await job.call(), await job.call()]
      assert.ok(answers.includes('two'), `${answers}`)
    })
    const { pid, reloads } = await haproxy()
    assert.deepEqual([pid, reloads], [before.pid, before.reloads])
  })

  it('200 joins and leaves change neither the pid of HAProxy nor its reloads, and lose no request', async () => {
    const before = await haproxy()
    const failures: string[] = []
    let running = true
    const client = (async () => {
      while (running) {
        const answer = await job.call().catch((error: unknown) => `no answer: ${error}`)
        if (answer !== 'one' && answer !== 'two') failures.push(answer)
      }
    })()
    for (let change = 0; change < 200; change++) {
      const joins = change % 2 === 1
      await nerve.configure({
        instance_id: 'host-1',
        services: joins ? { one: job.service(one), two: job.service(two) } : { one: job.service(one) },
      })
      nerve.hup()
      const expected = joins ? 2 : 1
      await eventually(async () => {
        const { services } = await synapse.state<{ services: { instances: unknown[] }[] }>()
        assert.equal(services[0]?.instances.length, expected)
      }, 20_000)
    }
    running = false
    await client
    assert.deepEqual(failures, [])
    const after = await haproxy()
    assert.equal(after.pid, before.pid)
    assert.equal(after.reloads, before.reloads)
  }).timeout(300_000)

  it('an orderly stop of nerve removes its znodes at once', async () => {
    await nerve.stop()
    assert.equal((await job.zookeeper.ephemeralsUnder('/services/web')).length, 0)
    assert.match(nerve.output, /"msg":"stopped"/)
    assert.equal(await nerve.exit(), 0)
  })

  it('with no registration left, the previous instances keep serving', async () => {
    assert.match(await job.call(), /^(one|two)$/)
  })
})
