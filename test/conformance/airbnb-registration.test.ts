import assert from 'node:assert/strict'
import { type AirbnbRegistry, startAirbnbRegistry } from '../harness/airbnb-registry.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'

const payload = '{"host":"10.0.0.1","port":3000,"name":"i-1"}'

describe("Airbnb's nerve: the life of a registration", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let instance: Instance
  let nerve: Daemon
  const services: Record<string, Readonly<Record<string, unknown>>> = {}

  before(async () => {
    registry = await startAirbnbRegistry()
    instance = await startInstance('web')
    instance.healthy = false
    const target = { host: '127.0.0.1', port: instance.port }
    const checks = [{ type: 'http', uri: '/health', timeout: 5, ...target }]
    for (const name of ['web', 'lost', 'orphan', 'changed']) services[name] = registry.service(name)
    services['web'] = registry.service('web', { checks })
    services['checked'] = registry.service('checked', { checks, node_type: 'persistent' })
    for (const name of ['leftover', 'foreign']) await registry.session.ensurePath(`/services/${name}`, never)
    await registry.create('/services/leftover/i-1_', 'of a nerve that died')
    await registry.create('/services/foreign/i-1_', 'of another nerve', 'ephemeral')
    services['leftover'] = registry.service('leftover', { node_type: 'persistent' })
    services['foreign'] = registry.service('foreign', { node_type: 'ephemeral' })
    // An ephemeral znode has no children, so that the registry can be asked, and every report fails.
    await registry.create('/services/blocked', '', 'ephemeral')
    services['blocked'] = registry.service('blocked')
    nerve = await startNerve({ instance_id: 'i-1', max_repeated_report_failures: 2, services }, { awaitReady: false })
    await registry.one('lost', 20_000)
    await eventually(() => nerve.state(), 20_000) // it need not listen yet
  })
  after(async () => {
    await nerve?.close()
    await instance?.stop()
    await registry?.close()
  })

  const failures = () => nerve.metric('nerve_reports_total', 'service="blocked",result="failure"')

  it('a service whose first result is a failure creates nothing, not even the path (2.6)', async () => {
    await eventually(async () => assert.equal(await statusOf('web'), 'down'))
    for (const path of ['/services/web', '/services/checked']) assert.equal(await registry.at(path), undefined)
  })

  it('a service that comes up is registered (2.6)', async () => {
    instance.healthy = true
    assert.deepEqual(pick(await registry.one('web')), ['i-1_0000000000', payload])
    assert.deepEqual(pick(await registry.one('checked')), ['i-1_', payload])
  })

  it('a status that stays as it is reports nothing (2.6)', async () => {
    const before = await registry.one('web')
    await consistently(async () => assert.deepEqual(await registry.one('web'), before), 500)
  })

  it('a service that goes down is removed, a persistent znode too (2.6, 2.8)', async () => {
    instance.healthy = false
    await Promise.all([registry.none('web'), registry.none('checked')])
    assert.ok(await registry.at('/services/web'), 'the path stays')
  })

  it('a service that comes up again has the next number (2.8)', async () => {
    instance.healthy = true
    assert.deepEqual(pick(await registry.one('web')), ['i-1_0000000001', payload])
  })

  it('a znode that somebody removes is there again at once (2.6, 2.8 defect D2: after ten intervals there)', async () => {
    const { name } = await registry.one('lost')
    await registry.remove(`/services/lost/${name}`)
    assert.deepEqual(pick(await registry.one('lost')), ['i-1_0000000001', payload])
  })

  it('a path that somebody removes is made again (2.8)', async () => {
    const { czxid } = await registry.one('orphan')
    // nerve puts its znode back, so removing both may take several tries.
    await eventually(async () => {
      for (const { name } of await registry.registrations('orphan')) await registry.remove(`/services/orphan/${name}`)
      await registry.remove('/services/orphan')
    })
    const again = await registry.one('orphan')
    assert.equal(again.data, payload)
    assert.notEqual(again.czxid, czxid)
  })

  it('data that somebody changed is put right (2.8, deviation: it stays there)', async () => {
    const { name } = await registry.one('changed')
    await registry.session.setData(`/services/changed/${name}`, Buffer.from('{}'), never)
    await eventually(async () => assert.deepEqual(pick(await registry.one('changed')), [name, payload]))
  })

  it('a persistent znode of this name that exists gets our data (2.8)', async () => {
    assert.deepEqual(pick(await registry.one('leftover')), ['i-1_', payload])
  })

  it('an ephemeral znode of this name is taken over, and then ends with us (2.8, deviation: with its owner there)', async () => {
    await eventually(async () => assert.deepEqual(pick(await registry.one('foreign')), ['i-1_', payload]))
    assert.notEqual((await registry.one('foreign')).owner, registry.session.state.sessionId)
  })

  it('a failed report is tried again until it holds (2.6 defect D1: it counts as done there)', async () => {
    await eventually(async () => assert.ok((await failures()) > 1, 'it fails more than once'))
    await registry.remove('/services/blocked')
    assert.equal((await registry.one('blocked')).data, payload)
  })

  it('it does not give up after max_repeated_report_failures (2.6, deviation: relaunched by and by there)', async () => {
    await registry.create('/services/again', '', 'ephemeral')
    const again = registry.service('again')
    await nerve.configure({ instance_id: 'i-1', max_repeated_report_failures: 1, services: { ...services, again } })
    nerve.hup()
    const tried = () => nerve.metric('nerve_reports_total', 'service="again",result="failure"')
    await eventually(async () => assert.ok((await tried()) > 2, 'more often than the limit'))
    await registry.remove('/services/again')
    assert.equal((await registry.one('again')).data, payload)
  })

  const statusOf = async (name: string) => {
    const state = await nerve.state<{ services: { name: string; status: string }[] }>()
    return state.services.find((service) => service.name === name)?.status
  }
})

describe("Airbnb's nerve: a ZooKeeper that is away", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let nerve: Daemon

  before(async () => {
    registry = await startAirbnbRegistry()
    nerve = await startNerve(
      {
        instance_id: 'i-1',
        services: {
          away: registry.service('away', { zk_hosts: ['127.0.0.1:1'], checks: [{ type: 'noop' }] }), // first, so that it would hold up the others
          short: registry.service('short', { zk_session_timeout: 1 }),
          usual: registry.service('usual', { zk_session_timeout: 32 }),
        },
      },
      { awaitReady: false },
    )
    await registry.one('short', 20_000)
    await eventually(() => nerve.state(), 20_000) // it need not listen yet
  })
  after(async () => {
    await nerve?.close()
    await registry?.close()
  })

  it('a cluster that cannot be reached holds up no other (2.8 defect D7: 5 s each there)', async () => {
    assert.equal((await registry.one('usual')).data, payload)
    const { services } = await nerve.state<{ services: { name: string; registered: boolean }[] }>()
    assert.equal(services.find(({ name }) => name === 'away')?.registered, false)
  })

  it('checks run while the registry is away (2.6, deviation: they do not there)', async () => {
    const runs = () => nerve.metric('nerve_check_runs_total', 'service="away"')
    const before = await runs()
    await eventually(async () => assert.ok((await runs()) > before + 3, 'more runs'))
  })

  it("zk_session_timeout: 32 gives Airbnb's session timeout (2.8, deviation: 10 s unless given)", async () => {
    const timeouts = (await registry.zookeeper.connections()).map(({ timeoutMs }) => timeoutMs)
    assert.ok(timeouts.includes(32_000), timeouts.join())
  })

  it('a lost session is replaced, and the service registered in it at once (2.8 defect D2: after 10 to 30 s there)', async () => {
    const before = await registry.one('short')
    nerve.kill('SIGSTOP')
    await registry.none('short', 20_000)
    nerve.kill('SIGCONT')
    const after = await registry.one('short')
    assert.equal(after.data, payload)
    assert.notEqual(after.owner, before.owner, 'another session')
  })

  it('a restart of ZooKeeper that the session survives changes nothing (2.8)', async () => {
    const before = await registry.one('usual')
    await registry.zookeeper.restart()
    await registry.session.connected(never)
    assert.deepEqual(await registry.one('usual'), before)
  })
})

const never = new AbortController().signal

const pick = ({ name, data }: { readonly name: string; readonly data: string }) => [name, data]
