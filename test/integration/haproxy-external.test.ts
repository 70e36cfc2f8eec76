import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { systemClock } from '../../src/core/clock.ts'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { ExternalSetup } from '../harness/external-haproxy.ts'
import { Backend, request, showServers, workerPid } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { hurriedClock } from '../harness/hurried-clock.ts'
import { freePort } from '../harness/ports.ts'

/** What of the generator's state these tests look at. */
interface State {
  readonly connected: boolean
  readonly last_failure?: string
  readonly file_error: string | null
  readonly waiting_for_reload: readonly string[]
}

describeOnEachHaproxy('haproxy generator beside an external HAProxy', (binary) => {
  let setup: ExternalSetup
  let a: Backend
  let b: Backend
  let port: number
  let driver: Driver | undefined

  beforeEach(async () => {
    ;[a, b] = await Promise.all([Backend.start('a'), Backend.start('b')])
    port = await freePort()
  })
  afterEach(async () => {
    await driver?.stop()
    driver = undefined
    await setup.close()
    await Promise.all([a.stop(), b.stop()])
  })

  const instance = ({ name, port: own }: Backend, weight?: number): ServiceInstance => ({
    ...{ name, host: '127.0.0.1', port: own },
    ...(weight === undefined ? {} : { weight }),
  })
  const web = (backends: readonly Backend[], options: Readonly<Record<string, unknown>> = {}) => ({
    web: { options: { port, ...options }, instances: backends.map((each) => instance(each)) },
  })
  /** What the answers of several calls say: more than any single process would be asked by chance. */
  const answers = async (calls = 12) => {
    const names = new Set<string>()
    for (let call = 0; call < calls; call++) names.add(await request(port).catch((error: Error) => error.message))
    return [...names].sort()
  }
  const untilServes = (...names: readonly string[]) => eventually(async () => assert.deepEqual(await answers(), names))
  const untilSettled = async (started: Driver) => {
    await eventually(() => assert.notEqual(started.passes, 0))
    await eventually(() => assert.deepEqual(state(started).waiting_for_reload, []))
    await eventually(async () => assert.equal(await started.metric('synapse_haproxy_up'), 1))
  }
  const state = (of: Driver) => of.generator.state() as unknown as State
  const start = async (options: Readonly<Record<string, unknown>> = {}, clock = systemClock) => {
    const started = new Driver(setup.options(options), { clock })
    driver = started
    started.configure(web([a]))
    return started
  }
  /** For what is spent in waits of synapse: until a silence is an end, until a command is run again. */
  const hurried = hurriedClock(3)
  /** Of `reload_timeout`, hurried: a busy machine still gets the mended command done in it. */
  const PATIENCE_S = 6

  describe('with two processes, each with a socket of its own', function () {
    this.timeout(120_000)
    beforeEach(async () => {
      setup = await ExternalSetup.create(binary, 2)
    })
    const servers = () => Promise.all(setup.sockets.map((socket) => showServers(socket, 'web')))

    it('changes the servers of both at run time, and reloads both with one command', async () => {
      const started = await start()
      await untilServes('a')
      await untilSettled(started)
      const pids = await Promise.all(setup.sockets.map(workerPid))
      assert.equal(new Set(pids).size, 2)
      started.discover('web', [instance(a), instance(b)])
      await untilServes('a', 'b')
      await eventually(async () => {
        const [first, second] = await servers()
        assert.equal(first?.length, 2)
        assert.deepEqual(second, first, 'each answers for itself')
      })
      started.discover('web', [instance(b)])
      await untilServes('b')
      assert.deepEqual(await Promise.all(setup.sockets.map(workerPid)), pids)
      assert.equal((await setup.runs()).length, 1)

      port = await freePort()
      started.configure(web([b]))
      await untilServes('b')
      await eventually(async () => assert.equal(await started.reloads(), 1))
      assert.equal((await setup.runs()).length, 2)
      for (const pid of await Promise.all(setup.sockets.map(workerPid))) assert.ok(!pids.includes(pid))
    })

    it('goes on with the other while one is gone and cannot be started, and has both again when it can', async () => {
      const started = await start()
      await untilServes('a')
      await untilSettled(started)
      const mend = await setup.sabotage('echo no more memory; exit 3')
      await setup.kill(1)
      await eventually(() => assert.match(String(state(started).last_failure), /no more memory/))
      await eventually(async () => assert.equal(await started.metric('synapse_haproxy_up'), 0))
      assert.equal(state(started).connected, false)
      started.discover('web', [instance(b)])
      await untilServes('b')
      await mend()
      await eventually(() => assert.equal(state(started).connected, true))
      await eventually(async () => {
        const [first, second] = await servers()
        assert.deepEqual(second, first)
      })
      await untilServes('b')
      // The port is taken, by the HAProxy that goes on: no reason to leave the service out.
      assert.doesNotMatch(JSON.stringify(started.lines), /quarantine/)
    })

    it('takes a command that only starts the one that is gone', async () => {
      const started = await start()
      await untilServes('a')
      await untilSettled(started)
      const survivor = await workerPid(setup.socket)
      const socket = setup.sockets[1] ?? ''
      const mend = await setup.sabotage(
        `STATS=${socket} ${binary.path} -q -D -p ${setup.directory.file('1.pid')} -f ${setup.configFile}`,
      )
      await setup.kill(1)
      await eventually(() => assert.equal(state(started).connected, true))
      await eventually(() => assert.equal(started.logged('haproxy answers again').length, 1))
      assert.equal(await workerPid(setup.socket), survivor)
      assert.equal((await setup.runs()).length, 2)
      await mend()
      started.discover('web', [instance(a), instance(b)])
      await untilServes('a', 'b')
    })
  })

  describe('with one process', function () {
    this.timeout(120_000)
    beforeEach(async () => {
      setup = await ExternalSetup.create(binary)
    })

    it('notices within moments that it was killed, and runs the reload command again with back-off until it serves', async () => {
      const started = await start({}, hurried)
      await untilServes('a')
      await untilSettled(started)
      const mend = await setup.sabotage('echo the disk is full; exit 1')
      await setup.kill()
      // What is said, not what ran: a command has run a moment before its failure is logged.
      const failures = () => started.logged('haproxy still does not answer')
      await eventually(() => assert.ok(failures().length >= 3, 'it is tried again'), 40_000)
      const tries = failures()
      assert.ok((await setup.runs()).length >= 4)
      assert.match(String(tries[0]?.fields['reason']), /reload_command ended with 1: the disk is full/)
      const waits = tries.map(({ fields }) => Number(fields['retry_in_ms']))
      assert.deepEqual(
        waits,
        [...waits].sort((one, two) => one - two),
      )
      assert.ok((waits.at(-1) ?? 0) > 2 * (waits[0] ?? 0), `the waits grow: ${waits}`)
      assert.equal(started.logged('haproxy does not answer').length, 1, 'said once')
      await mend()
      await untilServes('a')
      await eventually(async () => assert.equal(await started.metric('synapse_haproxy_up'), 1))
      await eventually(async () => assert.equal(await started.metric('synapse_haproxy_restarts_total'), 1))
      started.discover('web', [instance(b)])
      await untilServes('b')
    })

    it('notices that it hangs, says so, and runs the reload command', async () => {
      const started = await start({}, hurried)
      await untilServes('a')
      await untilSettled(started)
      const mend = await setup.sabotage('exit 1')
      const pid = await workerPid(setup.socket)
      process.kill(pid, 'SIGSTOP')
      await eventually(async () => assert.equal(await started.metric('synapse_haproxy_up'), 0))
      assert.equal(state(started).connected, false)
      await eventually(async () => assert.ok((await setup.runs()).length >= 2, 'it is run'))
      assert.match(String(started.logged('haproxy does not answer')[0]?.fields['reason']), /stats-0\.sock/)
      await mend()
      await eventually(() => assert.equal(started.logged('haproxy answers again').length, 1), 40_000)
      assert.notEqual(await workerPid(setup.socket), pid)
      process.kill(pid, 'SIGKILL') // or it keeps its share of the connections to the port
      await untilServes('a')
      await eventually(() => assert.equal(state(started).connected, true))
    })

    it('does not take a busy moment for an end: one that goes on at once is not reloaded', async () => {
      const started = await start()
      await untilServes('a')
      await untilSettled(started)
      const pid = await workerPid(setup.socket)
      process.kill(pid, 'SIGSTOP')
      await eventually(async () => assert.equal(await started.metric('synapse_haproxy_up'), 0))
      process.kill(pid, 'SIGCONT')
      await eventually(async () => assert.equal(await started.metric('synapse_haproxy_up'), 1))
      await consistently(async () => assert.equal((await setup.runs()).length, 1), 2_500, 100)
      assert.equal(await workerPid(setup.socket), pid)
      started.discover('web', [instance(b)])
      await untilServes('b')
    })

    it('a reload command that fails: its words are told, the old file is back, servers go on, and it is tried again', async () => {
      const started = await start({}, hurried)
      await untilServes('a')
      await untilSettled(started)
      const good = await readFile(setup.configFile, 'utf8')
      const mend = await setup.sabotage('echo you may not; exit 4')
      const before = port
      port = await freePort()
      started.configure(web([a]))
      await eventually(() => assert.match(JSON.stringify(state(started)), /reload_command ended with 4: you may not/))
      await eventually(async () => assert.equal(await readFile(setup.configFile, 'utf8'), good))
      const wanted = port
      port = before
      started.discover('web', [instance(b)])
      await untilServes('b')
      await mend()
      port = wanted
      await untilServes('b')
      await eventually(() => assert.doesNotMatch(JSON.stringify(state(started)), /you may not/))
    })

    it('a reload command that hangs is ended after reload_timeout', async () => {
      const started = await start({ reload_timeout: PATIENCE_S }, hurried)
      await untilServes('a')
      await untilSettled(started)
      const mend = await setup.sabotage('sleep 60')
      port = await freePort()
      started.configure(web([a]))
      await eventually(async () => assert.ok((await started.reloads('failed')) >= 1))
      await eventually(() => assert.match(JSON.stringify(state(started)), /took longer than 6000 ms/))
      await mend()
      await untilServes('a')
    })

    it('a reload command that ends well and reloads nothing counts as failed', async () => {
      const started = await start({ reload_timeout: PATIENCE_S }, hurried)
      await untilServes('a')
      await untilSettled(started)
      const mend = await setup.sabotage('exit 0')
      port = await freePort()
      started.configure(web([a]))
      await eventually(() => assert.match(JSON.stringify(state(started)), /same worker as before/))
      await mend()
      await untilServes('a')
    })

    it('do_writes false: servers change at run time, the file is left alone, and nothing is reloaded', async () => {
      const file = (bind: number) => `global
  ${setup.statsLine}
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend web
  bind 127.0.0.1:${bind}
  default_backend web
backend web
`
      await writeFile(setup.configFile, file(port))
      await setup.reloadByHand()
      const started = await start({ do_writes: false, config_file_path: undefined })
      await untilServes('a')
      started.discover('web', [instance(a), instance(b)])
      await untilServes('a', 'b')
      started.configure({ ...web([a, b]), more: { options: { port: await freePort() }, instances: [instance(a)] } })
      await eventually(() =>
        assert.match(state(started).waiting_for_reload.join(), /service more has no backend in it/),
      )
      assert.equal(await readFile(setup.configFile, 'utf8'), file(port))
      assert.equal((await setup.runs()).length, 1)
      await setup.kill()
      await eventually(async () => assert.equal((await setup.runs()).length, 2))
      await untilServes('a', 'b')
    })

    it('do_reloads false: the file follows every change, and whoever reloads gets it', async () => {
      const started = await start({ do_reloads: false, reload_command: undefined }, hurried)
      await eventually(async () => assert.match(await readFile(setup.configFile, 'utf8'), /server /))
      await setup.reloadByHand()
      await untilServes('a')
      started.discover('web', [instance(b)])
      await untilServes('b')
      port = await freePort()
      started.configure(web([b]))
      await eventually(
        async () => assert.match(await readFile(setup.configFile, 'utf8'), new RegExp(`:${port}\\b`)),
        10_000,
      )
      assert.equal((await setup.runs()).length, 1)
      await setup.reloadByHand()
      await untilServes('b')
      started.discover('web', [instance(a)])
      await untilServes('a')
      await setup.kill()
      await eventually(() => assert.match(String(state(started).last_failure), /stats-0\.sock/))
      await consistently(async () => assert.equal((await setup.runs()).length, 2), 500, 100)
      await setup.reloadByHand()
      await eventually(() => assert.equal(state(started).connected, true), 40_000)
      started.discover('web', [instance(b)])
      await untilServes('b')
    })

    it('do_reloads false with a reload_command: the command is never run', async () => {
      await start({ do_reloads: false }, hurried)
      await eventually(async () => assert.match(await readFile(setup.configFile, 'utf8'), /server /))
      await setup.reloadByHand()
      await untilServes('a')
      await setup.kill()
      await consistently(async () => assert.equal((await setup.runs()).length, 1), 1_000, 100)
    })

    it('do_socket false: every change is a file and a reload, also without a stats socket at all', async () => {
      const started = await start({ do_socket: false, socket_file_path: undefined, global: [] })
      await untilServes('a')
      for (const backend of [b, a]) {
        started.discover('web', [instance(backend)])
        await untilServes(backend.name)
      }
      assert.equal((await setup.runs()).length, 3)
      const runs = await setup.runs()
      started.discover('web', [instance(a)])
      await consistently(async () => assert.deepEqual(await setup.runs(), runs), 1_000, 100)
    })

    /** From now on the reload command does not end, although HAProxy serves, before this is called. */
    const holdCommand = async () => {
      const gate = setup.directory.file('gate')
      const good = await readFile(setup.reloadCommand, 'utf8')
      await setup.mend(`${good}\nwhile [ ! -e ${gate} ]; do sleep 0.02; done\n`)
      return () => writeFile(gate, '')
    }
    /** Until it has looked at what was said just now. */
    const untilPassed = async (started: Driver) => {
      const { passes } = started
      await eventually(() => assert.ok(started.passes > passes, 'it has looked'))
    }

    it('do_socket false: a change that comes while the reload command runs is not lost', async () => {
      const started = await start({ do_socket: false, socket_file_path: undefined, global: [] })
      await untilServes('a')
      await untilSettled(started)
      const release = await holdCommand()
      started.discover('web', [instance(b)])
      await untilServes('b')
      started.discover('web', [instance(a)])
      await untilPassed(started)
      await release()
      await untilServes('a')
      assert.equal(started.logged('a reload has not settled this').length, 0)
    })

    it('a change that comes while the reload command runs is not lost, though it is told in the same words', async () => {
      const started = await start()
      await untilServes('a')
      await untilSettled(started)
      started.configure(web([a], { backend: ['http-response set-header x-token first'] }))
      await eventually(async () => assert.equal(await started.reloads(), 1))
      const release = await holdCommand()
      started.configure(web([a], { backend: ['http-response set-header x-token second'] }))
      await eventually(async () => assert.equal((await setup.runs()).length, 3))
      started.configure(web([a], { backend: ['http-response set-header x-token third'] }))
      await untilPassed(started)
      await release()
      await eventually(async () => assert.match(await readFile(setup.configFile, 'utf8'), /x-token third/))
      await eventually(async () => assert.equal(await started.reloads(), 3))
      assert.equal(started.logged('a reload has not settled this').length, 0)
    })

    it('do_socket and do_reloads false: only the file is kept', async () => {
      const started = await start({ do_socket: false, do_reloads: false, socket_file_path: undefined })
      const says = (backend: Backend) =>
        eventually(
          async () =>
            assert.match(await readFile(setup.configFile, 'utf8'), new RegExp(`127\\.0\\.0\\.1:${backend.port} `)),
          10_000,
        )
      await says(a)
      started.discover('web', [instance(b)])
      await says(b)
      assert.deepEqual(await setup.runs(), [])
      assert.deepEqual(started.errors, [])
    })

    for (const socket of [true, false]) {
      it(`do_checks with a candidate file of its own${socket ? '' : ', and do_socket false'}: what the command refuses never gets to HAProxy`, async () => {
        const candidate = setup.directory.file('candidate.cfg')
        const check = setup.directory.file('check')
        const seen = setup.directory.file('checked')
        await writeFile(
          check,
          `cat ${candidate} >> ${seen}\nif grep -q forbidden ${candidate}; then echo 'not in this house'; exit 2; fi\nSTATS=/dev/null exec ${binary.path} -c -q -f ${candidate}\n`,
        )
        const started = await start({
          ...{ do_checks: true, check_command: `sh ${check}`, candidate_config_file_path: candidate },
          ...(socket ? {} : { do_socket: false, socket_file_path: undefined }),
        })
        await untilServes('a')
        await untilSettled(started)
        assert.match(await readFile(seen, 'utf8'), /server /)
        const good = await readFile(setup.configFile, 'utf8')
        const runs = await setup.runs()
        started.configure(web([a], { backend: ['http-response set-header x forbidden'] }))
        await eventually(() => assert.match(JSON.stringify(started.generator.state()), /not in this house/))
        assert.equal(await readFile(setup.configFile, 'utf8'), good)
        assert.deepEqual(await setup.runs(), runs)
        assert.match(await readFile(candidate, 'utf8'), /\S/, 'the candidate stays to be looked at')
        started.configure(web([a], { backend: ['http-response set-header x allowed'] }))
        await eventually(async () => assert.match(await readFile(setup.configFile, 'utf8'), /allowed/))
        await eventually(async () => assert.equal((await setup.runs()).length, runs.length + 1))
        await untilServes('a')
      })
    }

    it('do_checks: a check command that cannot be run keeps the last good file, and servers still change', async () => {
      const check = setup.directory.file('check')
      await writeFile(check, 'exit 0\n')
      const started = await start({ do_checks: true, check_command: `sh ${check}` })
      await untilServes('a')
      await untilSettled(started)
      await writeFile(check, 'exec /nowhere/haproxy\n')
      const old = port
      port = await freePort()
      started.configure(web([a]))
      await eventually(() => assert.match(JSON.stringify(started.generator.state()), /nowhere/))
      port = old
      started.discover('web', [instance(b)])
      await untilServes('b')
      assert.equal((await setup.runs()).length, 1)
    })
  })
})
