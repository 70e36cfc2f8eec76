import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from '../harness/child.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { makeHangingFile } from '../harness/hanging-file.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'
import { readHistory } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const program = fileURLToPath(new URL('../../bin/smartstack', import.meta.url))

interface ManualJson {
  readonly done: boolean
  readonly kept: boolean
  readonly hint: string | null
  readonly problem: string | null
  readonly entries: readonly { readonly target: string; readonly says: string; readonly reason: string }[]
  readonly services: readonly { readonly service: string; readonly state: string; readonly draining: unknown }[]
}

/** nerve's manual state on real registries: through its API, through `smartstack nerve`, and over crashes. */
describe('manual state of nerve', function () {
  this.timeout(60_000)
  let zookeeper: ZooKeeperServer
  let web: Instance
  let db: Instance
  let directory: string
  let nerve: Daemon

  before(async () => {
    zookeeper = await startZooKeeper()
    web = await startInstance('web')
    db = await startInstance('db')
  })
  after(async () => {
    await Promise.all([web.stop(), db.stop()])
    await zookeeper.close()
  })
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'manual-state-'))
    web.healthy = true
  })
  afterEach(async () => {
    await nerve.close()
    await rm(directory, { recursive: true, force: true })
  })

  const service = (instance: Instance, path: string) => ({
    ...{ host: '127.0.0.1', port: instance.port, check_interval: 0.1 },
    ...{ zk_hosts: [zookeeper.hosts], zk_path: path, zk_session_timeout: 2 },
    checks: [{ type: 'http', uri: '/health', timeout: 5 }],
  })
  const bothServices = () => ({ web: service(web, '/services/web'), db: service(db, '/services/db') })
  const start = async (more: Readonly<Record<string, unknown>> = {}) => {
    nerve = await startNerve({
      ...{ instance_id: 'host-1', services: bothServices(), state_directory: join(directory, 'state') },
      ...more,
    })
    return nerve
  }
  const manualFile = () => join(directory, 'state', 'manual.json')
  const nodes = (name: string) => zookeeper.ephemeralsUnder(`/services/${name}`)
  const registered = (name: string, count = 1) =>
    eventually(async () => assert.equal((await nodes(name)).length, count, `znodes of ${name}`), 20_000)
  const gone = (name: string) => registered(name, 0)
  /** How the registrations of a service came and went after `zxid`, also what a look at them would come too late for. */
  const happened = async (name: string, zxid: bigint) =>
    (await readHistory(zookeeper))
      .since(zxid)
      .filter(({ path, kind }) => path.startsWith(`/services/${name}/`) && kind !== 'written')
      .map(({ kind }) => kind)
  const ask = async (method: string, target: string, body?: object) => {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${nerve.adminUrl}/manual${target}`, { method, ...sent })
    return { status: response.status, answer: (await response.json()) as ManualJson }
  }
  const put = (target: string, body: object) => ask('PUT', `/${target}`, body)
  const smartstack = async (...args: readonly string[]) => {
    const command = [program, 'nerve', ...args, '--nerve', nerve.adminUrl]
    const child = new Child('smartstack', process.execPath, command, { env: { ...process.env, SUDO_USER: 'alice' } })
    await new Promise((resolve) => child.process.once('close', resolve))
    return { status: await child.exit(), output: child.output, flat: child.output.replaceAll(/\s+/g, ' ') }
  }
  /** A crash, and a nerve that starts with the same files. The session of the old one may outlive it. */
  const crash = async () => {
    nerve.kill('SIGKILL')
    await nerve.exit()
  }

  it('a disabled service is gone, and a nerve that was killed never registers it again until it is enabled', async () => {
    await start()
    await Promise.all([registered('web'), registered('db')])
    const { status, answer } = await put('web', { state: 'disabled', reason: 'deploy 42', by: 'test' })
    assert.ok(status === 202 || answer.done, `202 until it is done, not ${status}`)
    assert.equal(answer.kept, true)
    await gone('web')
    await eventually(async () => assert.equal((await ask('GET', '/web')).answer.done, true))
    await crash()
    const restarted = nerve.restart({ awaitReady: false })
    await consistently(async () => assert.deepEqual(await nodes('web'), []), 3_000)
    await restarted
    await nerve.ready()
    assert.deepEqual(await nodes('web'), [])
    await registered('db')
    const said = (await ask('GET', '')).answer.entries
    assert.deepEqual(
      said.map(({ target, says, reason }) => [target, says, reason]),
      [['web', 'disabled', 'deploy 42']],
    )
    assert.doesNotMatch(nerve.output, /"service":"web".*"to":"present"/, 'it was not registered for a moment either')
    assert.equal(await nerve.metric('nerve_service_disabled', 'service="web"'), 1)
    assert.match(await (await fetch(nerve.adminUrl)).text(), /By hand.*deploy 42/s)
    await put('web', { state: 'enabled' })
    await registered('web')
    assert.equal(await nerve.metric('nerve_service_disabled', 'service="web"'), 0)
    assert.match(nerve.output, /"from":"disabled","to":"enabled"/)
  })

  it('an expiry returns the service by itself, and one that came while nerve was dead does, too', async () => {
    await start()
    await registered('web')
    const { lastZxid } = await readHistory(zookeeper)
    await put('web', { state: 'disabled', expires_in: 2 })
    await eventually(async () => assert.deepEqual(await happened('web', lastZxid), ['deleted', 'created']), 20_000)
    await eventually(() => assert.match(nerve.output, /expired: disabled/))
    const expiry = Date.now() + 5_000
    await put('web', { state: 'disabled', expires_at: new Date(expiry).toISOString() })
    await eventually(async () => assert.equal((await happened('web', lastZxid))[2], 'deleted'), 20_000)
    await crash()
    await eventually(() => assert.ok(Date.now() >= expiry, 'it has not expired yet'), 20_000)
    await nerve.restart()
    await registered('web')
    assert.deepEqual((await ask('GET', '')).answer.entries, [])
  })

  it('all takes every service down, a service may be excepted, and a restart keeps both', async () => {
    await start()
    await Promise.all([registered('web'), registered('db')])
    await put('all', { state: 'disabled', reason: 'patching' })
    await Promise.all([gone('web'), gone('db')])
    await put(`db:${db.port}`, { state: 'enabled' })
    await registered('db')
    await crash()
    await nerve.restart()
    await registered('db')
    assert.deepEqual(await nodes('web'), [])
    await put('all', { state: 'enabled' })
    await registered('web')
    assert.deepEqual((await ask('GET', '')).answer.entries, [])
  })

  it('service:port means a service of that name alone, for as long as there is one', async () => {
    const namesake = `web:${web.port}`
    const configure = async (services: object) => {
      await nerve.configure({ instance_id: 'host-1', services, state_directory: join(directory, 'state') })
      nerve.hup()
    }
    const both = { ...bothServices(), [namesake]: service(db, '/services/namesake') }
    await start({ services: both })
    await Promise.all([registered('web'), registered('namesake')])
    const told = await smartstack('disable', namesake, '--wait')
    assert.equal(told.status, 0, told.output)
    await gone('namesake')
    await consistently(async () => assert.equal((await nodes('web')).length, 1), 500, 50)
    const { services } = (await ask('GET', `/${namesake}`)).answer
    assert.deepEqual(
      services.map((one) => [one.service, one.state]),
      [[namesake, 'disabled']],
    )
    assert.match(nerve.output, /and not web on port \d+, which is/)

    await configure(bothServices())
    await gone('web') // it is the port of that one now
    await configure(both)
    await registered('web')
    await consistently(async () => assert.deepEqual(await nodes('namesake'), []), 500, 50)
    await put(namesake, { state: 'enabled' })
    await registered('namesake')
  })

  it('service:port means the service only while it has that port', async () => {
    await start()
    await registered('web')
    assert.equal((await put(`web:${db.port}`, { state: 'disabled' })).status, 404)
    await put(`web:${web.port}`, { state: 'disabled' })
    await gone('web')
    const moved = { ...bothServices(), web: service(db, '/services/web') }
    const keys = { instance_id: 'host-1', state_directory: join(directory, 'state') }
    await nerve.configure({ ...keys, services: moved })
    nerve.hup()
    await registered('web')
    await nerve.configure({ ...keys, services: bothServices() })
    nerve.hup()
    await gone('web')
  })

  it('a service whose checks fail is forced up, also by the next nerve, until it is enabled', async () => {
    web.healthy = false
    await start()
    await registered('db')
    assert.deepEqual(await nodes('web'), [])
    await put('web', { state: 'forced', reason: 'the check lies' })
    await registered('web')
    await crash()
    await nerve.restart()
    await registered('web')
    const { services } = await nerve.state<{ services: { name: string; reason: string }[] }>()
    assert.equal(services[0]?.reason, 'forced by hand, whatever the checks say: the check lies')
    await put('web', { state: 'enabled' })
    await gone('web')
  })

  it('a weight is published, kept over a restart, and taken back', async () => {
    const report = join(directory, 'report')
    const services = { web: { ...service(web, '/services/web'), reporters: [{ type: 'file', path: report }] } }
    await start({ services })
    const weightIs = (expected: number | undefined) =>
      eventually(async () => {
        const payload = JSON.parse(await readFile(report, 'utf8')) as { weight?: number }
        assert.equal(payload.weight, expected)
      }, 20_000)
    assert.equal((await put('web', { weight: 7 })).status < 300, true)
    await weightIs(7)
    await crash()
    await rm(report)
    await nerve.restart()
    await weightIs(7)
    await put('web', { weight: 'default' })
    await weightIs(undefined)
  })

  it('a damaged file does not keep nerve from starting: it says so, and the rest is kept', async () => {
    await start()
    await put('web', { state: 'disabled', reason: 'x' })
    await gone('web')
    await crash()
    const text = await readFile(manualFile(), 'utf8')
    await writeFile(manualFile(), text.slice(0, -9))
    await nerve.restart()
    await registered('web')
    assert.match((await ask('GET', '')).answer.problem ?? '', /is damaged: .*put aside as .*smartstack nerve disable/)
    const names = await readdir(join(directory, 'state'))
    assert.ok(
      names.some((name) => name.startsWith('manual.json.damaged-')),
      names.join(),
    )
    assert.equal(await nerve.metric('nerve_manual_state_problem'), 1)
    const { status, flat } = await smartstack('manual')
    assert.equal(status, 1)
    assert.match(flat, /is damaged: .*put aside/)
    await put('web', { state: 'disabled' })
    await gone('web')
    assert.equal(await nerve.metric('nerve_manual_state_problem'), 0)
    await crash()
    await nerve.restart()
    assert.deepEqual(await nodes('web'), [])
  })

  describe('on a disk that hangs at the start', () => {
    const startHanging = async () => {
      await mkdir(join(directory, 'state'))
      makeHangingFile(manualFile())
      await start()
      await registered('web')
    }

    it('nerve starts, says loudly what it does not know, and does what the disk says when it answers', async () => {
      await startHanging()
      assert.match(nerve.output, /"level":"?error"?.*manual state cannot be read/)
      const { kept, problem } = (await ask('GET', '')).answer
      assert.deepEqual(
        [kept, /does its disk hang\? What was disabled by hand is registered/.test(String(problem))],
        [false, true],
      )
      const disabled = { target: 'web', says: 'disabled', reason: 'disk', since: '2030-01-01T00:00:00.000Z' }
      await writeFile(manualFile(), JSON.stringify({ format: 1, entries: [disabled] }))
      await gone('web')
      await registered('db')
      await eventually(async () => assert.equal((await ask('GET', '')).answer.kept, true))
      assert.equal(await nerve.stop(), 0)
      assert.match(await readFile(manualFile(), 'utf8'), /"disabled","reason":"disk"/)
    })

    it('nerve ends while it hangs, and takes its znodes along', async () => {
      await startHanging()
      assert.equal(await nerve.stop(30_000), 'SIGKILL', 'of its own doing: there is no other way')
      assert.match(nerve.output, /"msg":"stopped".*\nnerve: a file system does not answer; ending by SIGKILL\n$/)
      assert.deepEqual(await nodes('web'), [])
    })
  })

  it('without a state_directory everything works, and the answer says that a restart forgets it', async () => {
    await start({ state_directory: undefined })
    await registered('web')
    const { answer } = await put('web', { state: 'disabled' })
    assert.deepEqual([answer.kept, answer.hint], [false, 'not kept over a restart: set state_directory'])
    await gone('web')
    await nerve.restart()
    await registered('web')
  })

  it("what hacheck's spool takes down stays so over a restart, until haup, whatever else is said", async () => {
    const spool = join(directory, 'spool')
    await mkdir(spool)
    await start({ hacheck_spool: spool })
    await Promise.all([registered('web'), registered('db')])
    await writeFile(join(spool, 'web'), JSON.stringify({ reason: 'deploy', creation: Date.now() / 1000 }))
    await gone('web')
    await crash()
    await nerve.restart()
    await registered('db')
    assert.deepEqual(await nodes('web'), [])
    const up = await smartstack('enable', 'web', '--wait')
    assert.equal(up.status, 1)
    assert.match(up.flat, /web stays disabled, as is said in hacheck's spool: deploy; haup web takes that back $/)
    assert.deepEqual(await nodes('web'), [])
    await rm(join(spool, 'web'))
    await registered('web')
  })

  it("BlaBlaCar's routes keep what they are told, in the same file", async () => {
    const services = `
  - name: web
    port: ${web.port}
    disableMinDurationInMilli: 4000
    enableWarmupIntervalInMilli: 10
    checks: [{type: tcp, rise: 1, checkIntervalInMilli: 50}]
    reporters: [{type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /services/web, connectionTimeoutInMilli: 2000}]
`
    const keys = `apiHost: 127.0.0.1\napiPort: ${await freePort()}\nstateDirectory: ${join(directory, 'state')}`
    nerve = await startNerve(`${keys}\nservices:${services}`)
    await registered('web')
    // Asynchronous by our own route: 202 at once, then what is left of the least time.
    const { status, answer } = await put('web', { state: 'disabled' })
    assert.deepEqual([status, answer.done], [202, false])
    await eventually(async () => assert.ok((await ask('GET', '/web')).answer.services[0]?.draining, 'it drains'))
    const joined = await fetch(`${nerve.adminUrl}/services/web/disable`, { method: 'PUT' })
    assert.equal(joined.status, 200)
    assert.equal((await ask('GET', '/web')).answer.done, true, 'their disable answers when the clients had their time')
    await crash()
    await nerve.restart()
    const { Status } = (await (await fetch(`${nerve.adminUrl}/services/web/status`)).json()) as { Status: string }
    assert.deepEqual([Status, await nodes('web')], ['disabled', []])
    // A disabled service is ready before its checks have run, and enable of one without a verdict is answered 503.
    const passed = async () =>
      assert.ok((await nerve.metric('nerve_check_runs_total', 'result="pass"')) > 0, 'a verdict')
    await eventually(passed)
    const enabled = await fetch(`${nerve.adminUrl}/services/web/enable`, { method: 'PUT' })
    assert.equal(enabled.status, 200)
    await registered('web')
    assert.match(await readFile(manualFile(), 'utf8'), /"entries": \[\]/)
    const waited = await smartstack('disable', 'web', '--wait')
    assert.equal((await ask('GET', '/web')).answer.done, true, '--wait waits for the clients, too')
    assert.match(waited.flat, /web drains, .*Done: web is out of every registry, and drained\. $/)
  })

  it('enable of a service that is up never restarts its warm-up', async () => {
    const services = `
  - name: web
    port: ${web.port}
    disableMinDurationInMilli: 1
    enableWarmupIntervalInMilli: 20
    checks: [{type: tcp, rise: 1, checkIntervalInMilli: 50}]
    reporters: [{type: file, path: ${directory}/report}]
`
    const top = `apiHost: 127.0.0.1\napiPort: ${await freePort()}\nservices:`
    nerve = await startNerve(top + services)
    const phases = async () =>
      (await nerve.state<{ services: { availability: { phase: string } }[] }>()).services[0]?.availability.phase
    await eventually(async () => assert.equal(await phases(), 'warm'), 20_000)
    for (const state of ['enabled', 'forced', 'enabled']) {
      await put('web', { state })
      assert.equal(await phases(), 'warm', state)
    }
    await put('web', { state: 'disabled' })
    assert.equal(await phases(), 'cold')
    // So long that the next look is not too late to see it.
    await nerve.configure(
      top + services.replace('enableWarmupIntervalInMilli: 20', 'enableWarmupIntervalInMilli: 10000'),
    )
    nerve.hup()
    const edits = () => nerve.metric('smartstack_config_reloads_total', 'result="applied"')
    await eventually(async () => assert.equal(await edits(), 1))
    await put('web', { state: 'enabled' })
    assert.equal(await phases(), 'warming')
  })

  it('smartstack nerve disables with a reason and a time, waits, lists and enables', async () => {
    await start()
    await Promise.all([registered('web'), registered('db')])
    const args = ['web', '--reason', 'deploy 42', '--for', '30m', '--wait']
    const down = await smartstack('disable', ...args)
    assert.equal(down.status, 0, down.output)
    assert.match(down.output, /web +127\.0\.0\.1:\d+ +disabled .*deploy 42/)
    assert.match(down.output, /Done: web is out of every registry, and drained\.\n$/)
    assert.deepEqual(await nodes('web'), [], 'when --wait returns it is gone')
    assert.match((await smartstack('manual')).flat, / web disabled \S+ \S+, in (29|30)m alice deploy 42 $/)
    const json = await smartstack('manual', '--json')
    assert.equal((JSON.parse(json.output) as ManualJson).entries[0]?.reason, 'deploy 42')
    const up = await smartstack('enable', 'web', '--wait')
    assert.deepEqual([up.status, (await nodes('web')).length], [0, 1], up.output)
    assert.match(up.output, /Done: web is up and registered\.\n$/)
    assert.match((await smartstack('manual')).output, /^Nothing is said by hand/)
  })

  it('smartstack nerve knows the services, gives up in time, and tells whom "all" does not reach', async () => {
    await start()
    await Promise.all([registered('web'), registered('db')])
    const unknown = await smartstack('disable', 'wbe')
    assert.deepEqual(
      [unknown.status, unknown.output.split('\n')[0]],
      [2, 'smartstack nerve: no service wbe. Did you mean "web"?'],
    )
    const none = await smartstack('disable')
    assert.deepEqual([none.status, none.output.split('\n')[0]], [2, 'smartstack nerve: give a service: web, db, all'])
    web.healthy = false
    await gone('web')
    const late = await smartstack('enable', 'web', '--wait', '--timeout', '1s')
    assert.equal(late.status, 1)
    assert.match(late.output, /smartstack: not done in 1s: web is down: .*503/)
    const json = await smartstack('disable', 'db', '--json', '--wait')
    assert.equal((JSON.parse(json.output) as ManualJson).done, true)
    const all = await smartstack('enable', 'all')
    assert.match(all.flat, /db stays disabled, as is said of db; name it to change it/)
    assert.match((await smartstack('weight', 'db', '9')).output, /db .* disabled +9 /)
    assert.equal((await smartstack('forget', 'db', '--wait')).status, 0)
    assert.equal((await nodes('db')).length, 1)
  })
})
