import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { systemClock } from '../../src/core/clock.ts'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { createMaster } from '../../src/synapse/generators/haproxy/master.ts'
import { Child } from '../harness/child.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { Backend, HaproxyDirectory, request, show, showServers, startLoad, workerPid } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { Driver, SETTLE_MS } from '../harness/haproxy-driver.ts'
import { holdingClock } from '../harness/holding-clock.ts'
import { freePort, freePorts } from '../harness/ports.ts'

const never = new AbortController().signal

const instance = (backend: Backend, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  name: backend.name,
  host: '127.0.0.1',
  port: backend.port,
  ...more,
})

describeOnEachHaproxy('haproxy generator, managed', (binary) => {
  let directory: HaproxyDirectory
  let backends: Backend[]
  let port: number
  let stats: string
  let drivers: Driver[]

  before(async () => {
    backends = await Promise.all(['a', 'b', 'c', 'd'].map((name) => Backend.start(name)))
  })
  after(() => Promise.all(backends.map((backend) => backend.stop())))

  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    port = await freePort()
    stats = directory.file('haproxy.sock')
    drivers = []
    for (const backend of backends) backend.hits = 0
  })

  afterEach(async () => {
    await Promise.all(drivers.map((driver) => driver.stop()))
    await directory.remove()
  })

  function drive(options: Readonly<Record<string, unknown>> = {}): Driver {
    const driver = new Driver(directory.options(options))
    drivers.push(driver)
    return driver
  }

  const pick = (...names: string[]) => names.map((name) => instance(named(name)))
  const named = (name: string): Backend => {
    const found = backends.find((backend) => backend.name === name)
    if (found === undefined) throw new Error(`no backend ${name}`)
    return found
  }
  const web = (...names: string[]) => ({ web: { options: { port }, instances: pick(...names) } })
  const server = (name: string, weight = 1, state = 0) =>
    `${name}_127.0.0.1:${named(name).port} 127.0.0.1:${named(name).port} ${weight} ${state}`
  const shows = (...servers: string[]) =>
    eventually(async () => assert.deepEqual(await showServers(stats, 'web'), [...servers].sort()))
  const serves = (name: string) => eventually(async () => assert.equal(await request(port), name))
  const config = () => readFile(directory.file('haproxy.cfg'), 'utf8')
  const confirmed = (driver: Driver) => driver.metric('synapse_propagation_seconds_count{stage="confirmed"}')

  /** A new connection is one of the causes to look at everything again; the other is that 30 seconds have passed. */
  async function loseConnection(): Promise<void> {
    const sessions = await show(stats, 'show sess')
    for (const [, session] of sessions.matchAll(/^(0x[0-9a-f]+): proto=unix_stream/gm)) {
      await show(stats, `shutdown session ${session}`)
    }
  }

  /** Starts with these instances and waits until the first serves. */
  async function started(names: string[], options?: Readonly<Record<string, unknown>>): Promise<Driver> {
    const driver = drive(options)
    driver.configure(web(...names))
    await eventually(async () => assert.match(await request(port), /^[abcd]$/))
    await eventually(() => assert.notEqual(driver.passes, 0))
    return driver
  }

  it('haproxy generator starts HAProxy once, with a file that says everything', async () => {
    const driver = await started(['a', 'b'])
    await shows(server('a'), server('b'))
    assert.match(await config(), /server a_127/)
    assert.equal(await driver.reloads(), 0)
    assert.deepEqual(driver.errors, [])
    assert.equal(driver.generator.state()['mode'], 'managed')
    assert.equal(driver.generator.state()['pid'], await workerPid(stats))
  })

  it('haproxy generator starts without any service', async () => {
    const driver = drive()
    driver.configure({})
    await eventually(() => assert.ok(driver.passes > 0, String(driver.errors[0])))
    driver.configure(web('a'))
    await serves('a')
  })

  it('haproxy generator adds a server at run time, and the file follows', async () => {
    const driver = await started(['a'])
    const pid = await workerPid(stats)
    driver.discover('web', pick('a', 'b'))
    await shows(server('a'), server('b'))
    await eventually(async () => assert.ok((await Promise.all([request(port), request(port)])).includes('b')))
    await eventually(async () => assert.match(await config(), /server b_127/))
    assert.equal(await workerPid(stats), pid)
    assert.equal(await driver.reloads(), 0)
    const line = await eventually(() => {
      const [found] = driver.logged('servers changed')
      assert.ok(found, 'the pass is told of')
      return found
    })
    assert.deepEqual(line.fields['added'], [`b_127.0.0.1:${named('b').port}`])
    assert.equal(line.fields['service'], 'web')
    assert.equal(await driver.metric('synapse_haproxy_commands_total{kind="add-server",result="ok"}'), 1)
    assert.equal(await driver.metric('synapse_propagation_seconds_count{stage="applied"}'), 1)
    await eventually(async () => assert.equal(await confirmed(driver), 1))
  })

  /** A HAProxy that counts how often it was asked about a file. */
  async function countingHaproxy() {
    const program = directory.file('counting-haproxy')
    const checks = directory.file('checks')
    const count = '[ "$1" = -c ] && echo check >>'
    await writeFile(program, `#!/bin/sh\n${count} ${checks}\nexec ${directory.program} "$@"\n`, { mode: 0o755 })
    return { program, asked: async () => (await readFile(checks, 'utf8')).split('\n').length - 1 }
  }

  it('haproxy generator asks haproxy -c about its very first file while the instances are still unknown', async () => {
    const { program, asked } = await countingHaproxy()
    const driver = drive({ haproxy_path: program })
    await driver.prepare({ web: { options: { port }, instances: [] } })
    assert.equal(await asked(), 1)
    await assert.rejects(config(), { code: 'ENOENT' }, 'nothing was written that HAProxy would start from')
    driver.configure(web('a', 'b'))
    await shows(server('a'), server('b'))
    await eventually(() => assert.notEqual(driver.passes, 0))
    assert.equal(await asked(), 1)
    assert.doesNotMatch(await config(), /sample/)
  })

  it('haproxy generator finds out who is refused as ever when the very first file is not taken', async () => {
    const { program, asked } = await countingHaproxy()
    const driver = drive({ haproxy_path: program })
    const bad = { options: { port: await freePort(), backend: ['timeout server never'] }, instances: pick('b') }
    await driver.prepare({ bad: { ...bad, instances: [] }, web: { options: { port }, instances: [] } })
    driver.configure({ bad, ...web('a') })
    await serves('a')
    await eventually(() => assert.notEqual(driver.passes, 0))
    assert.deepEqual(
      driver.logged('in quarantine: haproxy does not take it, the others go on').map(({ fields }) => fields['service']),
      ['bad'],
    )
    assert.ok((await asked()) > 1)
  })

  it('haproxy generator asks haproxy -c about a new kind of server, but not about one more of a kind', async () => {
    const { program, asked } = await countingHaproxy()
    const driver = await started(['a'], { haproxy_path: program })
    assert.equal(await asked(), 1)
    driver.discover('web', pick('a', 'b'))
    await eventually(async () => assert.match(await config(), /server b_127/))
    driver.discover('web', pick('b'))
    await eventually(async () => assert.doesNotMatch(await config(), /server a_127/))
    assert.equal(await asked(), 1)
    driver.discover('web', [...pick('b'), instance(named('c'), { haproxyServerOptions: 'slowstart 5s' })])
    await eventually(async () => assert.match(await config(), /server c_127.* slowstart 5s/))
    assert.equal(await asked(), 2)
    driver.configure({ web: { options: { port, backend: ['timeout server 9s'] }, instances: pick('b') } })
    await eventually(async () => assert.equal(await driver.reloads(), 1))
    assert.equal(await asked(), 3)
  })

  it('haproxy generator changes weights at run time', async () => {
    const driver = await started(['a', 'b'], { use_nerve_weights: true })
    driver.discover('web', [instance(named('a'), { weight: 7 }), instance(named('b'), { weight: 0 })])
    await shows(server('a', 7), server('b', 0))
    assert.equal(await driver.reloads(), 0)
  })

  it('haproxy generator warms a server up that joins at run time when the options say slowstart', async () => {
    const options = { port, server_options: 'check inter 200ms slowstart 20s weight 100' }
    const driver = drive()
    driver.configure({ web: { options, instances: pick('a') } })
    await serves('a')
    driver.discover('web', pick('a', 'b'))
    const effectiveWeight = async (name: string) => {
      const [header = '', ...rows] = (await show(stats, 'show stat')).split('\n').map((row) => row.split(','))
      const row = rows.find((fields) => fields[1]?.startsWith(`${name}_`))
      return Number(row?.[header.indexOf('weight')])
    }
    await eventually(async () => {
      const weight = await effectiveWeight('b')
      assert.ok(weight > 0 && weight < 50, `it starts small, with ${weight}`)
    })
    assert.equal(await driver.reloads(), 0)
  })

  it('haproxy generator lets a request in flight end when its instance goes', async () => {
    const driver = await started(['a', 'b'])
    driver.discover('web', pick('b'))
    await shows(server('a', 1, 1), server('b'))
    driver.discover('web', pick('a'))
    await shows(server('a'), server('b', 1, 1))
    named('a').hits = 0
    const slow = request(port, '/held')
    await eventually(() => assert.equal(named('a').hits, 1))
    driver.discover('web', pick('b'))
    await shows(server('a', 1, 1), server('b'))
    assert.equal(await request(port), 'b')
    named('a').release()
    assert.equal(await slow, 'a')
  })

  it('haproxy generator only says ready when an instance returns', async () => {
    const driver = await started(['a', 'b'])
    driver.discover('web', pick('a'))
    await shows(server('a'), server('b', 1, 1))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_tombstones'), 1))
    driver.discover('web', pick('a', 'b'))
    await shows(server('a'), server('b'))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_tombstones'), 0))
    assert.equal(await driver.metric('synapse_haproxy_commands_total{kind="add-server",result="ok"}'), 0)
    assert.deepEqual(driver.logged('servers changed').at(-1)?.fields['returned'], [`b_127.0.0.1:${named('b').port}`])
  })

  it('haproxy generator deletes a server that stays away, late', async () => {
    const driver = await started(['a', 'b'], { tombstone_delete_delay: 1 })
    const gone = performance.now()
    driver.discover('web', pick('a'))
    await shows(server('a'), server('b', 1, 1))
    await shows(server('a'))
    assert.ok(performance.now() - gone > 1900, 'not before the delay and a second look')
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_tombstones'), 0))
    driver.discover('web', pick('a', 'b'))
    await shows(server('a'), server('b'))
    assert.equal(await driver.reloads(), 0)
  })

  it('haproxy generator takes 200 joins and leaves without a reload and without a failed request', async () => {
    const driver = await started(['a', 'b'])
    const pid = await workerPid(stats)
    const load = startLoad(port, { maxMs: 45_000 })
    for (let change = 0; change < 200; change++) {
      const names = change % 2 === 0 ? ['a', 'c', 'd'] : ['a', 'b']
      driver.discover('web', pick(...names))
      const passes = driver.passes
      await eventually(() => assert.ok(driver.passes > passes), undefined, 1)
    }
    await shows(server('a'), server('b'), server('c', 1, 1), server('d', 1, 1))
    await eventually(() => assert.ok(load.requests > 200))
    assert.deepEqual((await load.stop()).failures, {})
    assert.equal(await workerPid(stats), pid)
    assert.equal(await driver.reloads(), 0)
    assert.deepEqual(driver.errors, [])
  })

  it('haproxy generator reloads once for a change of structure, with the reason, and without a failed request', async () => {
    const driver = await started(['a'])
    const pid = await workerPid(stats)
    const load = startLoad(port)
    await eventually(() => assert.ok(load.requests > 20))
    const [second = 0] = await freePorts(1)
    driver.configure({ ...web('a'), api: { options: { port: second }, instances: pick('b') } })
    await eventually(async () => assert.equal(await request(second), 'b'))
    await eventually(async () => assert.equal(await driver.reloads(), 1))
    await consistently(async () => assert.equal(await driver.reloads(), 1), 400)
    assert.notEqual(await workerPid(stats), pid)
    assert.deepEqual((await load.stop()).failures, {})
    const [line] = driver.logged('haproxy reloaded')
    assert.match(String(line?.fields['reasons']), /service api is new/)
    assert.deepEqual(driver.errors, [])
  })

  it('haproxy generator applies changes of other services while a reload has to wait', async () => {
    const driver = await started(['a'], { restart_interval: 60 })
    const [second = 0, third = 0] = await freePorts(2)
    driver.configure({ ...web('a'), api: { options: { port: second }, instances: pick('b') } })
    await eventually(async () => assert.equal(await driver.reloads(), 1))
    driver.configure({
      ...web('a', 'c'),
      api: { options: { port: second }, instances: pick('b') },
      more: { options: { port: third }, instances: pick('d') },
    })
    await shows(server('a'), server('c'))
    assert.equal(await driver.reloads(), 1)
    await eventually(() => assert.match(String(driver.generator.state()['waiting_for_reload']), /service more is new/))
  })

  it('haproxy generator keeps serving when a configuration is refused, says why, and recovers when it is mended', async () => {
    const driver = await started(['a'])
    const pid = await workerPid(stats)
    const good = await config()
    const broken = { web: { options: { port, backend: ['timeout server never'] }, instances: pick('a') } }
    driver.configure(broken)
    await eventually(() => assert.match(JSON.stringify(driver.generator.state()['quarantined']), /timeout server/))
    assert.equal(await config(), good)
    assert.equal(await workerPid(stats), pid)
    driver.discover('web', pick('a', 'b'))
    await shows(server('a'), server('b'))
    const errors = driver.logged('in quarantine: haproxy does not take it, the others go on')
    assert.equal(errors.length, 1, 'logged once')
    assert.ok((await driver.metric('synapse_haproxy_config_failures_total')) >= 1)
    driver.configure({ web: { options: { port, backend: ['timeout server 3s'] }, instances: pick('a', 'b') } })
    await eventually(async () => assert.equal(await driver.reloads(), 1))
    await eventually(() => assert.deepEqual(driver.generator.state()['quarantined'], []))
    assert.equal(await request(port).then((body) => ['a', 'b'].includes(body)), true)
  })

  it('haproxy generator does not reload for a port that another process has, and serves on', async () => {
    const driver = await started(['a'])
    const good = await config()
    const taken = await Backend.start('taken') // haproxy -c cannot know that its port is in use
    try {
      const load = startLoad(port)
      driver.configure({ ...web('a'), api: { options: { port: taken.port }, instances: pick('b') } })
      const error = `frontend api wants 127.0.0.1:${taken.port}, which another process listens on`
      await eventually(() => assert.match(JSON.stringify(driver.generator.state()['quarantined']), new RegExp(error)))
      assert.equal(await config(), good)
      assert.equal((await driver.reloads()) + (await driver.reloads('failed')), 0)
      driver.configure(web('a', 'b'))
      await shows(server('a'), server('b'))
      await eventually(async () => assert.match(await config(), /server b_127/))
      await eventually(() => assert.deepEqual(driver.generator.state()['quarantined'], []))
      assert.deepEqual((await load.stop()).failures, {})
    } finally {
      await taken.stop()
    }
  })

  it('haproxy generator puts the last good file back when the new worker does not start', async () => {
    const driver = await started(['a'])
    const good = await config()
    // Passes `haproxy -c` and the look at ports (a range is not looked at), and fails when HAProxy binds it.
    const taken = await Backend.start('taken')
    try {
      const unlucky = [`bind 127.0.0.1:${taken.port}-${taken.port}`]
      driver.configure({ web: { options: { port, frontend: unlucky }, instances: pick('a') } })
      const failed = () => driver.reloads('failed')
      await eventually(async () => assert.equal(await failed(), 1))
      await eventually(async () => assert.equal(await config(), good))
      await eventually(() =>
        assert.match(JSON.stringify(driver.generator.state()['quarantined']), /serves on as before/),
      )
      await serves('a')
    } finally {
      await taken.stop()
    }
  })

  for (const victim of ['master', 'worker'] as const) {
    it(`haproxy generator has HAProxy running again after kill -9 of the ${victim}`, async () => {
      const driver = await started(['a'])
      driver.discover('web', pick('a', 'b'))
      await shows(server('a'), server('b'))
      const { pid, workers } = await createMaster(directory.file('master.sock'), systemClock).info(never)
      process.kill(victim === 'master' ? pid : (workers[0] ?? 0), 'SIGKILL')
      await eventually(async () => assert.notEqual(await workerPid(stats), workers[0]))
      await shows(server('a'), server('b'))
      driver.discover('web', pick('b'))
      await shows(server('a', 1, 1), server('b'))
      await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_restarts_total'), 1))
      assert.equal(await driver.reloads(), 0)
    })
  }

  it('haproxy generator has HAProxy running again when its worker hangs, and goes on with it', async () => {
    const driver = await started(['a'])
    const { workers } = await createMaster(directory.file('master.sock'), systemClock).info(never)
    process.kill(workers[0] ?? 0, 'SIGSTOP')
    driver.discover('web', pick('a', 'b')) // what has to wait is done by the next worker
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_up'), 0))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_restarts_total'), 1), 45_000)
    await shows(server('a'), server('b'))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_up'), 1))
    assert.equal(driver.logged('haproxy hangs and is killed').length, 1)
  })

  it('haproxy generator repairs what somebody else changed, and counts it', async () => {
    const driver = await started(['a', 'b'])
    await show(stats, `set server web/a_127.0.0.1:${named('a').port} state maint`)
    await show(stats, `set server web/b_127.0.0.1:${named('b').port} weight 99`)
    await loseConnection()
    await shows(server('a'), server('b'))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_drift_repairs_total'), 2))
    assert.equal(driver.logged('haproxy was not as it had been left').length, 1)
    assert.equal(await driver.reloads(), 0)
  })

  it('haproxy generator repairs what it saw when it read back a deletion, at the latest when it looks at everything', async () => {
    const driver = await started(['a', 'b'], { tombstone_delete_delay: '1s' })
    driver.discover('web', pick('a'))
    await shows(server('a'), server('b', 1, 1))
    await show(stats, `set server web/a_127.0.0.1:${named('a').port} weight 99`)
    await eventually(async () => assert.deepEqual(await showServers(stats, 'web'), [server('a', 99)]))
    await loseConnection()
    await shows(server('a'))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_drift_repairs_total'), 1))
  })

  it('haproxy generator deletes servers also while changes never end', async () => {
    const driver = await started(['a', 'b'], { tombstone_delete_delay: 1, use_nerve_weights: true })
    let weight = 1
    const change = async () => {
      weight = 1 + (weight % 100)
      driver.discover('web', [instance(named('a'), { weight })])
      const passes = driver.passes
      while (driver.passes === passes) await new Promise(setImmediate)
    }
    let ended = false
    const changes = (async () => {
      while (!ended) await change()
    })()
    try {
      await eventually(async () => assert.equal((await showServers(stats, 'web')).length, 1))
    } finally {
      ended = true
      await changes
    }
  })

  it('haproxy generator never touches sections and servers that are not its own', async () => {
    const foreign = await freePort()
    const driver = await started(['a'], {
      extra_sections: {
        'listen foreign': [`bind 127.0.0.1:${foreign}`, `server x 127.0.0.1:${named('d').port}`],
      },
    })
    driver.discover('web', pick('b'))
    await shows(server('a', 1, 1), server('b'))
    assert.deepEqual(await showServers(stats, 'foreign'), [`x 127.0.0.1:${named('d').port} 1 0`])
    assert.equal(await request(foreign), 'd')
  })

  it('haproxy generator notices that somebody else reloads, and goes on with the new worker', async () => {
    const driver = await started(['a'])
    for (let reload = 0; reload < 5; reload++) {
      const before = await workerPid(stats)
      await createMaster(directory.file('master.sock'), systemClock).reload(20_000, never)
      // Said while we are still connected to the old worker, which takes some commands and drops them.
      driver.discover('web', reload % 2 === 0 ? pick('b') : pick('a'))
      await serves(reload % 2 === 0 ? 'b' : 'a')
      assert.notEqual(await workerPid(stats), before)
    }
    // They are counted every 5 s.
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_old_workers'), 0), 40_000)
    await eventually(() => assert.equal(driver.generator.state()['connected'], true))
    assert.equal(await driver.reloads(), 0)
    assert.deepEqual(driver.errors, [])
  })

  it('haproxy generator lets go of a worker that somebody else replaced, so that it can end', async () => {
    const driver = await started(['a'])
    const before = await workerPid(stats)
    const master = createMaster(directory.file('master.sock'), systemClock)
    await master.reload(20_000, never)
    const after = await workerPid(stats)
    assert.notEqual(after, before)
    await eventually(() => assert.equal(driver.generator.state()['pid'], after))
    await eventually(async () => assert.deepEqual((await master.info(never)).oldWorkers, []))
  })

  it('haproxy generator adopts the HAProxy of a synapse that ended, with no lost request and no reload', async () => {
    const first = await started(['a'], { on_stop: 'leave' })
    first.discover('web', pick('a', 'b'))
    await shows(server('a'), server('b'))
    await eventually(async () => assert.match(await config(), /server b_127/))
    const pid = await workerPid(stats)
    const load = startLoad(port)
    await first.stop()
    await eventually(() => assert.ok(load.requests > 20, 'requests are served'))
    const second = drive()
    second.configure(web('b', 'c'))
    await shows(server('a', 1, 1), server('b'), server('c'))
    await consistently(async () => assert.equal(await workerPid(stats), pid), 500)
    assert.equal(await second.reloads(), 0)
    assert.deepEqual((await load.stop()).failures, {})
    assert.equal(second.logged('adopted the running haproxy').length, 1)
  })

  it('haproxy generator reloads an adopted HAProxy when its structure is another', async () => {
    const first = await started(['a'], { on_stop: 'leave' })
    await first.stop()
    const second = drive()
    const other = await freePort()
    second.configure({ web: { options: { port: other }, instances: pick('a') } })
    await eventually(async () => assert.equal(await request(other), 'a'))
    await eventually(async () => assert.equal(await second.reloads(), 1))
    assert.match(String(second.logged('haproxy reloaded')[0]?.fields['reasons']), /service web: bind changed/)
  })

  it('haproxy generator stops HAProxy softly when it is stopped', async () => {
    const driver = await started(['a'], { stop_timeout: 20 })
    const slow = request(port, '/held')
    await eventually(() => assert.ok(named('a').hits >= 2))
    const stopped = driver.stop()
    await eventually(() => assert.rejects(request(port), { code: 'ECONNREFUSED' }))
    named('a').release()
    assert.equal(await slow, 'a')
    await stopped
    await assert.rejects(request(port), { code: 'ECONNREFUSED' })
    assert.equal(driver.logged('haproxy stopped')[0]?.fields['by'], 'SIGUSR1', 'nothing of ours kept it from ending')
    assert.deepEqual(driver.errors, [])
  })

  it('haproxy generator starts HAProxy with the last good file when its own is refused', async () => {
    const first = await started(['a'])
    await first.stop()
    const second = drive()
    second.configure({ web: { options: { port, backend: ['timeout server never'] }, instances: pick('a', 'b') } })
    await serves('a')
    await eventually(() => assert.match(JSON.stringify(second.generator.state()['quarantined']), /timeout server/))
    await shows(server('a'), server('b'))
  })

  it('haproxy generator starts HAProxy with the last good file when it does not start with its own', async () => {
    const first = await started(['a'])
    await first.stop()
    const taken = await Backend.start('taken')
    try {
      const second = drive()
      second.configure({ ...web('a', 'b'), api: { options: { port: taken.port }, instances: pick('c') } })
      await eventually(async () => assert.match(await request(port), /^[ab]$/))
      await shows(server('a'), server('b'))
      assert.match(JSON.stringify(second.generator.state()['quarantined']), /which another process listens on/)
    } finally {
      await taken.stop()
    }
  })

  it('haproxy generator reloads once for a server that the Runtime API cannot add', async () => {
    const options = { port, backend: ['balance static-rr'] }
    const driver = drive()
    driver.configure({ web: { options, instances: pick('a') } })
    await serves('a')
    driver.discover('web', pick('a', 'b'))
    await shows(server('a'), server('b'))
    await eventually(async () =>
      assert.equal(await driver.metric('synapse_haproxy_reloads_total{kind="servers",result="ok"}'), 1),
    )
    assert.match(String(driver.logged('haproxy reloaded')[0]?.fields['reasons']), /service web: server b_.* static-rr/)
    await consistently(async () => assert.equal(await driver.reloads(), 1), 300)
    assert.match(String(Object.values(driver.generator.state()['reload_only'] as object)), /static-rr/)
  })

  it('haproxy generator applies a change at once: it waits for nothing but HAProxy, and between two passes for 5 ms', async () => {
    const clock = holdingClock()
    const driver = new Driver(directory.options(), { clock })
    drivers.push(driver)
    driver.configure(web('a'))
    await serves('a')
    await eventually(() => assert.notEqual(driver.passes, 0))
    clock.hold(SETTLE_MS)
    try {
      for (let change = 1; change <= 20; change++) {
        driver.discover('web', change % 2 === 1 ? pick('a', 'b') : pick('a'))
        await eventually(async () => assert.equal(await confirmed(driver), change), undefined, 1)
      }
    } finally {
      clock.release()
    }
  })
})

describeOnEachHaproxy('haproxy generator, external', (binary) => {
  let directory: HaproxyDirectory
  let backends: Backend[]
  let port: number
  let stats: string
  let driver: Driver

  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    backends = await Promise.all(['a', 'b'].map((name) => Backend.start(name)))
    port = await freePort()
    stats = directory.file('stats.sock')
    const script = `#!/bin/sh
echo run >> ${directory.file('runs')}
old=$(cat ${directory.file('pid')} 2>/dev/null)
[ -n "$old" ] && kill -0 $old 2>/dev/null && replace="-sf $old"
exec '${binary.path}' -q -D -p ${directory.file('pid')} -f ${directory.file('haproxy.cfg')} $replace
`
    await writeFile(directory.file('reload'), script)
    await chmod(directory.file('reload'), 0o755)
  })

  afterEach(async () => {
    await driver.stop()
    const pid = await readFile(directory.file('pid'), 'utf8').catch(() => '')
    if (pid !== '') await new Child('kill', 'kill', ['-9', pid.trim()]).exit()
    await Promise.all(backends.map((backend) => backend.stop()))
    await directory.remove()
  })

  /** As a configuration of Airbnb's synapse would say it. */
  const airbnb = (more: Readonly<Record<string, unknown>> = {}) => ({
    global: [`stats socket ${stats} level admin`],
    defaults: ['mode http', 'timeout connect 1s', 'timeout client 5s', 'timeout server 5s'],
    config_file_path: directory.file('haproxy.cfg'),
    socket_file_path: stats,
    reload_command: directory.file('reload'),
    bind_address: '127.0.0.1',
    restart_interval: 0.1,
    ...more,
  })

  const web = (...chosen: Backend[]) => ({
    web: { options: { port }, instances: chosen.map((each) => instance(each)) },
  })
  const runs = async () => (await readFile(directory.file('runs'), 'utf8').catch(() => '')).split('\n').length - 1
  const [a, b] = [0, 1].map((index) => () => {
    const backend = backends[index]
    if (backend === undefined) throw new Error('not started')
    return backend
  }) as [() => Backend, () => Backend]

  it('haproxy generator starts an external HAProxy by its reload command, then works at run time', async () => {
    driver = new Driver(airbnb())
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    const pid = await workerPid(stats)
    driver.discover('web', [instance(b())])
    await eventually(async () => assert.equal(await request(port), 'b'))
    assert.equal(await workerPid(stats), pid)
    assert.equal(await runs(), 1)
    assert.equal(driver.generator.state()['mode'], 'external')
  })

  it('haproxy generator reloads an external HAProxy by its command for a change of structure', async () => {
    driver = new Driver(airbnb())
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    port = await freePort()
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    assert.equal(await runs(), 2)
    const reloading = driver // it serves before the reload is confirmed
    await eventually(async () => assert.equal(await reloading.reloads(), 1))
  })

  it('haproxy generator runs the reload command again when an external HAProxy is killed', async () => {
    driver = new Driver(airbnb())
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    await eventually(() => assert.notEqual(driver.passes, 0))
    process.kill(await workerPid(stats), 'SIGKILL')
    await eventually(async () => assert.equal(await runs(), 2))
    await eventually(async () => assert.equal(await request(port), 'a'))
    driver.discover('web', [instance(a()), instance(b())])
    await eventually(async () => assert.equal((await showServers(stats, 'web')).length, 2))
  })

  it('haproxy generator leaves a running external HAProxy alone when synapse is started again', async () => {
    driver = new Driver(airbnb())
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    await eventually(() => assert.notEqual(driver.passes, 0))
    await driver.stop()
    const pid = await workerPid(stats)
    driver = new Driver(airbnb())
    driver.configure(web(b()))
    await eventually(async () => assert.equal(await request(port), 'b'))
    assert.equal(await workerPid(stats), pid)
    assert.equal(await runs(), 1)
  })

  it('haproxy generator with do_socket false reloads for every change', async () => {
    driver = new Driver(airbnb({ do_socket: false, socket_file_path: undefined }))
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    driver.discover('web', [instance(b())])
    await eventually(async () => assert.equal(await request(port), 'b'))
    assert.equal(await runs(), 2)
    const reloading = driver // it serves before the command has ended
    await eventually(() =>
      assert.match(String(reloading.logged('haproxy reloaded').at(-1)?.fields['reasons']), /do_socket is off/),
    )
  })

  it('haproxy generator with do_checks keeps a refused candidate away from an external HAProxy', async () => {
    const candidate = directory.file('haproxy.cfg.tmp')
    driver = new Driver(airbnb({ do_checks: true, check_command: `${binary.path} -c -f ${candidate}` }))
    driver.configure(web(a()))
    await eventually(async () => assert.equal(await request(port), 'a'))
    const good = await readFile(directory.file('haproxy.cfg'), 'utf8')
    driver.configure({ web: { options: { port, backend: ['timeout server never'] }, instances: [instance(a())] } })
    await eventually(() => assert.match(JSON.stringify(driver.generator.state()['quarantined']), /timeout server/))
    assert.equal(await readFile(directory.file('haproxy.cfg'), 'utf8'), good)
    assert.equal(await runs(), 1)
  })
})
