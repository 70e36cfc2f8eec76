import assert from 'node:assert/strict'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type AirbnbRegistry, type Found, startAirbnbRegistry } from '../harness/airbnb-registry.ts'
import { type Daemon, type DaemonOptions, startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'

type Keys = Readonly<Record<string, unknown>>

let registry: AirbnbRegistry
const daemons: Daemon[] = []

/** A nerve with the instance id of its file `i-1`, ended after the test. */
async function nerveWith(services: Keys, options: DaemonOptions = {}, more: Keys = {}): Promise<Daemon> {
  const daemon = await startNerve({ instance_id: 'i-1', services, ...more }, options)
  daemons.push(daemon)
  return daemon
}

async function edit(nerve: Daemon, services: Keys, more: Keys = {}): Promise<void> {
  await nerve.configure({ instance_id: 'i-1', services, ...more })
  nerve.hup()
}

describe("Airbnb's nerve: the life of the daemon", function () {
  this.timeout(60_000)

  before(async () => {
    registry = await startAirbnbRegistry()
  })
  after(() => registry?.close())
  afterEach(async () => {
    await Promise.all(daemons.splice(0).map((daemon) => daemon.close()))
  })

  const ids: readonly { readonly name: string; readonly options: DaemonOptions; readonly id: string }[] = [
    { name: 'the file says it', options: {}, id: 'i-1' },
    { name: 'NERVE_INSTANCE_ID wins over the file', options: { env: { NERVE_INSTANCE_ID: 'i-2' } }, id: 'i-2' },
    { name: '-i wins over both', options: { env: { NERVE_INSTANCE_ID: 'i-2' }, args: ['-i', 'i-3'] }, id: 'i-3' },
    {
      name: '--instance_id wins over both',
      options: { env: { NERVE_INSTANCE_ID: 'i-2' }, args: ['--instance_id', 'i-4'] },
      id: 'i-4',
    },
  ]
  for (const { name, options, id } of ids) {
    it(`instance_id: ${name}; it is published and begins the name of the znode (2.1, 2.3)`, async () => {
      await nerveWith({ [id]: registry.service(`id-${id}`) }, options)
      const found = await registry.one(`id-${id}`)
      assert.equal(found.data, `{"host":"10.0.0.1","port":3000,"name":"${id}"}`)
      assert.equal(found.name, `${id}_0000000000`)
    })
  }

  for (const value of ['false', '']) {
    it(`NERVE_CHECK_CONFIG="${value}" is no check mode (2.1 defect D9: it is there)`, async () => {
      const nerve = await nerveWith({}, { env: { NERVE_CHECK_CONFIG: value } })
      assert.equal(nerve.exited, false)
    })
  }

  it('DEBUG, even if it is empty, logs everything, e.g. each run of a check (2.1)', async () => {
    const service = { debug: registry.service('debug', { checks: [{ type: 'noop' }] }) }
    const [usual, debug] = await Promise.all([nerveWith(service), nerveWith(service, { env: { DEBUG: '' } })])
    await eventually(() => assert.match(debug.output, /"level":"debug".*"ok":true,"status":"up"/))
    assert.doesNotMatch(usual.output, /"level":"debug"/)
  })

  it('logs go to stderr, one line each; nothing is on stdout (2.1, deviation: JSON, and no last word on stdout)', async () => {
    const nerve = await nerveWith({ logged: registry.service('logged') })
    await registry.one('logged')
    await nerve.stop()
    const lines = nerve.stderr.trimEnd().split('\n')
    assert.ok(lines.length > 2, 'it logs')
    for (const line of lines) assert.equal(JSON.parse(line).name, 'nerve')
    assert.equal(nerve.output, nerve.stderr)
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} removes what is registered, and ends with 0 (2.9, deviation: by the signal there)`, async () => {
      const nerve = await nerveWith({ end: registry.service('end') })
      await registry.one('end')
      nerve.kill(signal)
      assert.equal(await nerve.exit(), 0)
      assert.deepEqual(await registry.registrations('end'), [])
    })
  }

  it('a second signal ends at once, with 1 (deviation: the first one does there)', async () => {
    const nerve = await nerveWith({ twice: registry.service('twice') }, {}, { drain: '1h' })
    await eventually(async () => assert.equal(await nerve.metric('nerve_service_registered'), 1))
    nerve.kill('SIGTERM')
    await registry.none('twice')
    assert.equal(nerve.exited, false, 'it drains')
    nerve.kill('SIGTERM')
    assert.equal(await nerve.exit(), 1)
  })

  it('SIGTERM while ZooKeeper is away ends all the same (2.9)', async () => {
    const nerve = await nerveWith(
      { away: registry.service('away', { zk_hosts: ['127.0.0.1:1'] }) },
      { awaitReady: false },
    )
    await eventually(() => assert.match(nerve.output, /started/), 20_000)
    assert.equal(await nerve.stop(), 0)
  })

  it('a second nerve before the first one ends: there is a registration all the time (2.9)', async () => {
    const service = { hitless: registry.service('hitless') }
    const first = await nerveWith(service)
    const { name } = await registry.one('hitless')
    await nerveWith(service)
    await eventually(async () => assert.equal((await registry.registrations('hitless')).length, 2))
    await first.stop()
    assert.notEqual((await registry.one('hitless')).name, name)
  })

  it('heartbeat_path: a file that is made, and touched again and again (2.9)', async () => {
    const nerve = await nerveWith({}, {}, { heartbeat_path: 'beat' })
    const file = join(nerve.directory, 'beat')
    const beat = () => eventually(async () => (await stat(file)).mtimeMs, 20_000)
    const first = await beat()
    await eventually(async () => assert.ok((await beat()) > first, 'later'), 20_000)
    await rm(file)
    assert.ok((await beat()) > first, 'it is made again')
  })

  it('heartbeat_path: an edit touches another file (2.9)', async () => {
    const nerve = await nerveWith({})
    await edit(nerve, {}, { heartbeat_path: 'edited' })
    await eventually(
      async () => assert.ok((await stat(join(nerve.directory, 'edited'))).mtimeMs > 0, 'it is there'),
      20_000,
    )
  })

  it('SIGHUP adds a service to a nerve that has none (2.2, 2.9)', async () => {
    const nerve = await nerveWith({})
    await edit(nerve, { late: registry.service('late') })
    await registry.one('late')
  })

  it('an edit takes effect without a signal too (2.9, deviation: at SIGHUP only there)', async () => {
    const nerve = await nerveWith({})
    await nerve.configure({ instance_id: 'i-1', services: { watched: registry.service('watched') } })
    await registry.one('watched', 20_000)
  })

  it('SIGHUP removes a service that the file no longer has (2.9)', async () => {
    const nerve = await nerveWith({ kept: registry.service('kept'), gone: registry.service('gone') })
    await registry.one('gone')
    const before = await registry.one('kept')
    await edit(nerve, { kept: registry.service('kept') })
    await registry.none('gone')
    assert.deepEqual(await registry.one('kept'), before, 'the other one is not touched')
  })

  it('SIGHUP touches no service that is unchanged, whatever the order of its keys is (2.9)', async () => {
    const service = registry.service('calm', { labels: { a: '1' } })
    const nerve = await nerveWith({ calm: service })
    const before = await registry.one('calm')
    const turned = Object.fromEntries(Object.entries(service).reverse())
    await edit(nerve, { calm: turned, other: registry.service('other') })
    await registry.one('other')
    assert.deepEqual(await registry.one('calm'), before)
  })

  /** Waits for something to become true of the registrations of a service, and looks for a moment without any. */
  const withoutGap = async (service: string, assertion: (found: readonly Found[]) => void) => {
    let gaps = 0
    await eventually(async () => {
      const found = await registry.registrations(service)
      if (found.length === 0) gaps += 1
      assertion(found)
    })
    assert.equal(gaps, 0, 'there is a registration at each look')
  }

  for (const node_type of ['ephemeral_sequential', 'ephemeral', 'persistent'] as const) {
    it(`SIGHUP changes a registration without a gap: ${node_type} (2.9${node_type === 'ephemeral_sequential' ? '' : ' defect D4: a gap there'})`, async () => {
      const name = `edited-${node_type}`
      const nerve = await nerveWith({ web: registry.service(name, { node_type }) })
      const { czxid } = await registry.one(name)
      await edit(nerve, { web: registry.service(name, { node_type, weight: 7 }) })
      await withoutGap(name, ([found]) => assert.match(found?.data ?? '', /"weight":7/))
      const after = await registry.one(name)
      assert.equal(after.czxid, czxid, 'the znode is written again (deviation: another one there)')
    })
  }

  it('SIGHUP with another zk_path registers there before the old registration goes (2.9)', async () => {
    const nerve = await nerveWith({ web: registry.service('from') })
    await registry.one('from')
    await edit(nerve, { web: registry.service('from', { zk_path: '/services/to' }) })
    let gaps = 0
    await eventually(async () => {
      const from = await registry.registrations('from') // first: it may move between the two looks
      const to = await registry.registrations('to')
      if (from.length + to.length === 0) gaps += 1
      assert.deepEqual([from.length, to.length], [0, 1])
    })
    assert.equal(gaps, 0, 'it is somewhere at each look')
  })

  it('SIGHUP with another instance_id registers every service by the new name (2.9)', async () => {
    const services = { a: registry.service('name-a'), b: registry.service('name-b') }
    const nerve = await nerveWith(services)
    await Promise.all([registry.one('name-a'), registry.one('name-b')])
    await nerve.configure({ instance_id: 'i-9', services })
    nerve.hup()
    for (const service of ['name-a', 'name-b']) {
      await eventually(async () => assert.match((await registry.one(service)).data, /"name":"i-9"/))
      assert.match((await registry.one(service)).name, /^i-9_/)
    }
  })

  const broken: readonly { readonly name: string; readonly text: string; readonly says?: RegExp }[] = [
    { name: 'a syntax error', text: 'services: [' },
    { name: 'no instance_id', text: 'services: {}' },
    { name: 'a service that is not valid', text: 'instance_id: i-1\nservices: {web: {host: h}}' },
    {
      name: 'zk_hosts that no session could be made of',
      text: 'instance_id: i-1\nservices: {web: {host: h, port: 1, zk_hosts: ["zk1:2l81"], zk_path: /w}}',
      says: /nerve\.yaml:2:\d+ services\.web\.zk_hosts: .*zk1:2l81/,
    },
    { name: 'a directory of services that is missing', text: 'instance_id: i-1\nservice_conf_dir: /no/such' },
  ]
  for (const [index, { name, text, says }] of broken.entries()) {
    it(`SIGHUP with a broken file changes nothing: ${name} (2.9 defect D3: nerve ends there)`, async () => {
      const service = `broken-${index}`
      const nerve = await nerveWith({ web: registry.service(service) })
      const before = await registry.one(service)
      await nerve.configure(text)
      nerve.hup()
      await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0))
      assert.deepEqual(await registry.one(service), before)
      if (says !== undefined) assert.match(nerve.output, says)
      await edit(nerve, { web: registry.service(service, { weight: 1 }) })
      await eventually(async () => assert.match((await registry.one(service)).data, /"weight":1/))
    })
  }

  it('SIGHUP when the file is gone changes nothing (2.9 defect D3: nerve ends there)', async () => {
    const nerve = await nerveWith({ web: registry.service('no-file') })
    const before = await registry.one('no-file')
    await rm(nerve.configPath)
    nerve.hup()
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0))
    assert.deepEqual(await registry.one('no-file'), before)
  })
})

describe("Airbnb's nerve: a persistent registration after a crash of nerve", function () {
  this.timeout(60_000)
  let instance: Instance

  before(async () => {
    ;[registry, instance] = await Promise.all([startAirbnbRegistry(), startInstance('web')])
  })
  after(async () => {
    await Promise.all([registry?.close(), instance?.stop()])
  })
  afterEach(async () => {
    await Promise.all(daemons.splice(0).map((daemon) => daemon.close()))
    instance.healthy = true
  })

  /** A nerve that is killed once it has registered. */
  const crashed = async (name: string, keys: Keys) => {
    const check = { type: 'http', host: '127.0.0.1', port: instance.port, uri: '/health', timeout: 5 }
    const nerve = await nerveWith({ web: registry.service(name, { checks: [check], ...keys }) })
    const before = await registry.one(name)
    nerve.kill('SIGKILL')
    await nerve.exit()
    return { nerve, before }
  }

  for (const node_type of ['persistent', 'persistent_sequential'] as const) {
    it(`is taken over by the next nerve when the service is up: ${node_type} (2.8)`, async () => {
      const name = `up-${node_type}`
      const { nerve, before } = await crashed(name, { node_type })
      await nerve.restart()
      await eventually(async () => assert.equal(await nerve.metric('nerve_service_registered'), 1))
      assert.equal((await registry.one(name)).czxid, before.czxid)
    })

    for (const down_on_shutdown of [true, false]) {
      it(`is removed by it when the service is down: ${node_type}, down_on_shutdown: ${down_on_shutdown} (2.8, deviation: it stays there)`, async () => {
        const name = `down-${node_type}-${down_on_shutdown}`
        const { nerve } = await crashed(name, { node_type, down_on_shutdown })
        instance.healthy = false
        await nerve.restart()
        await registry.none(name)
      })
    }
  }
})

describe("Airbnb's nerve: an edit of checks", function () {
  this.timeout(60_000)
  let instance: Instance
  let nerve: Daemon

  before(async () => {
    ;[registry, instance] = await Promise.all([startAirbnbRegistry(), startInstance('web')])
  })
  after(async () => {
    await nerve?.close()
    await Promise.all([registry?.close(), instance?.stop()])
  })

  it('the registration stays until the edited checks have a verdict, which then counts (2.9)', async () => {
    const check = { type: 'http', host: '127.0.0.1', port: instance.port, timeout: 5 }
    const web = (checks: readonly Keys[]) => ({ web: registry.service('web', { checks }) })
    nerve = await startNerve({ instance_id: 'i-1', services: web([{ ...check, uri: '/health' }]) })
    const before = await registry.one('web')
    await edit(nerve, web([{ ...check, uri: '/' }]))
    await eventually(() => assert.ok(instance.requests > 0, 'the edited check runs'))
    await consistently(async () => assert.deepEqual(await registry.one('web'), before), 300)
    await edit(nerve, web([{ ...check, uri: '/', expect: 'not this' }]))
    await registry.none('web')
  })
})
