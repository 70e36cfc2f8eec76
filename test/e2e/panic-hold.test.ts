import assert from 'node:assert/strict'
import { encodePayload } from '../../src/core/service-instance.ts'
import type { Session } from '../../src/zookeeper/zookeeper.ts'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, type MainJob, startMainJob } from '../harness/main-job.ts'
import { createTestPool, type TestPool } from '../harness/test-pool.ts'

interface SynapseState {
  readonly services: readonly { readonly held: number; readonly instances: readonly unknown[] }[]
  readonly generators: { readonly haproxy: { readonly reloads: number } }
}

const PATH = '/services/web'
const never = new AbortController().signal

describe('many instances are taken out by hand at once', function () {
  this.timeout(60_000)
  let job: MainJob
  before(async () => {
    job = await startMainJob()
  })
  after(() => job.close())

  interface Told {
    readonly services: readonly { readonly held: number; readonly instances: readonly { readonly port: number }[] }[]
  }

  it('with smartstack nerve disable, in the payload of Airbnb: none is held, and no request comes to them', async () => {
    const instances: Instance[] = []
    for (const name of ['a', 'b', 'c', 'd', 'e']) instances.push(await job.instance(name))
    const nerve = await job.nerve('host-1', Object.fromEntries(instances.map((one) => [one.name, job.service(one)])))
    const synapse = await job.synapse()
    const service = async () => (await synapse.state<Told>()).services[0]
    await eventually(async () => assert.equal((await service())?.instances.length, 5))
    for (const { name } of instances.slice(1)) {
      const request = { method: 'PUT', body: JSON.stringify({ state: 'disabled', reason: 'serves nonsense' }) }
      assert.ok((await fetch(`${nerve.adminUrl}/manual/${name}`, request)).ok, name)
    }
    await eventually(async () => assert.deepEqual((await service())?.instances.length, 1))
    await eventually(async () => assert.equal((await job.zookeeper.ephemeralsUnder(PATH)).length, 1))
    // synapse knows before HAProxy does.
    await eventually(async () => assert.deepEqual(await job.inUse(), [`127.0.0.1:${instances[0]?.port}`]))
    for (let call = 0; call < 10; call++) assert.equal(await job.call(), 'a')
    assert.equal((await service())?.held, 0)
    assert.doesNotMatch(synapse.output, /panic hold/)
  })
})

describe('many instances vanish from the registry at once', function () {
  this.timeout(60_000)
  let job: MainJob
  let synapse: Daemon
  let instances: Instance[]
  let pools: TestPool[]
  /** Takes each out, and leaves it registered, as BlaBlaCar's nerve does. */
  let withdrawals: Map<string, () => Promise<unknown>>

  before(async () => {
    job = await startMainJob()
    instances = []
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) instances.push(await job.instance(name))
    pools = []
    withdrawals = new Map()
    await registerAll()
    synapse = await job.synapse()
    await eventually(async () => assert.equal((await answers()).size, 6))
  })
  after(async () => {
    await Promise.all(pools.map(({ pool }) => pool.close()))
    await job.close()
  })

  /** As six nerves would: each with a session of its own. */
  async function registerAll(): Promise<void> {
    const registered = instances.map(async (instance) => {
      const testPool = createTestPool()
      pools.push(testPool)
      const session = testPool.pool.acquire({ hosts: [job.zookeeper.hosts], sessionTimeoutMs: 4_000 })
      await session.connected(never)
      await register(session, instance)
    })
    await Promise.all(registered)
  }

  async function register(session: Session, { name, port }: Instance): Promise<void> {
    await session.ensurePath(PATH, never)
    const payload = { host: '127.0.0.1', port, name }
    const mode = 'ephemeral_sequential'
    const path = await session.create(`${PATH}/${name}_`, Buffer.from(encodePayload(payload)), { mode }, never)
    const withdrawn = encodePayload({ ...payload, available: false })
    withdrawals.set(name, () => session.setData(path, Buffer.from(withdrawn), never))
  }

  async function vanishAll(): Promise<void> {
    await Promise.all(pools.map(({ pool }) => pool.close()))
    pools = []
    withdrawals = new Map()
    await eventually(async () => assert.deepEqual(await job.zookeeper.ephemeralsUnder(PATH), []), 20_000)
  }

  const service = async () => (await synapse.state<SynapseState>()).services[0]
  const answers = async () => {
    const all: string[] = []
    for (let call = 0; call < 12; call++) all.push(await job.call())
    return new Set(all)
  }

  it('they are kept, and the log, the metric and the status page say so', async () => {
    await vanishAll()
    // Sessions end one after the other: those of the first, harmless-looking half may be gone before it is a panic.
    const held = await eventually(async () => {
      const { held = 0, instances = [] } = (await service()) ?? {}
      assert.ok(held >= 3, 'most are held')
      assert.equal(instances.length, held, 'synapse knows of the last one, too')
      return held
    })
    await eventually(async () => assert.equal((await job.inUse()).length, held))
    await consistently(async () => assert.match(await job.call(), /^[a-f]$/), 1_000, 20)
    assert.equal((await service())?.instances.length, held)
    assert.equal((await answers()).size, held)
    assert.equal(await synapse.metric('synapse_panic_held_instances', 'service="web"'), held)
    assert.match(synapse.output, /panic hold: too many instances vanished at once/)
    const page = await (await fetch(`${synapse.adminUrl}/`)).text()
    assert.match(page, new RegExp(`Panic hold: ${held} instances of web vanished from the registry at once`))
  })

  it('the health checks of HAProxy decide about them', async () => {
    const [name] = await answers()
    const dead = instances.find((instance) => instance.name === name)
    assert.ok(dead, 'it is one of ours')
    dead.healthy = false
    await eventually(async () => assert.equal((await answers()).has(dead.name), false), 20_000)
    dead.healthy = true
    await eventually(async () => assert.equal((await answers()).has(dead.name), true), 20_000)
  })

  it('they are kept when synapse is started again', async () => {
    const held = (await service())?.held ?? 0
    const [listed] = instances
    assert.ok(listed, 'one')
    const testPool = createTestPool()
    pools.push(testPool)
    const session = testPool.pool.acquire({ hosts: [job.zookeeper.hosts], sessionTimeoutMs: 4_000 })
    await session.connected(never)
    await register(session, listed) // a listing without any would be answered with the previous ones anyhow
    await eventually(async () => assert.ok((await answers()).size >= held, 'the held, and it'))
    await synapse.restart()
    await eventually(async () => assert.ok(((await service())?.held ?? 0) >= held - 1, 'they are held again'))
    await eventually(async () => assert.ok((await answers()).size >= held, 'they answer'))
    await testPool.pool.close()
    pools = []
    withdrawals = new Map()
  })

  it('the hold ends when they are back, without a reload', async () => {
    await registerAll()
    await eventually(async () => assert.equal((await service())?.held, 0))
    await eventually(async () => assert.equal((await service())?.instances.length, 6))
    assert.equal(await synapse.metric('synapse_panic_held_instances', 'service="web"'), 0)
    assert.match(synapse.output, /panic hold ended/)
    await eventually(async () => assert.equal((await answers()).size, 6))
    assert.equal((await synapse.state<SynapseState>()).generators.haproxy.reloads, 0)
  })

  it('one that leaves alone is believed at once', async () => {
    await pools[0]?.pool.close()
    await eventually(async () => assert.equal((await service())?.instances.length, 5))
    assert.equal((await service())?.held, 0)
  })

  it('those that are taken out on purpose are believed at once, however many', async () => {
    await Promise.all(instances.slice(1, -1).map(({ name }) => withdrawals.get(name)?.()))
    await eventually(async () => assert.equal((await service())?.instances.length, 1))
    assert.equal((await service())?.held, 0)
  })
})
