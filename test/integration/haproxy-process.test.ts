import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { ConfigFile } from '../../src/synapse/generators/haproxy/config-file.ts'
import { ExternalHaproxy } from '../../src/synapse/generators/haproxy/external.ts'
import { ManagedHaproxy, type ManagedOptions } from '../../src/synapse/generators/haproxy/managed.ts'
import { createMaster } from '../../src/synapse/generators/haproxy/master.ts'
import { runCommand } from '../../src/synapse/generators/haproxy/run-command.ts'
import { Child } from '../harness/child.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { FakeClock } from '../harness/fake-clock.ts'
import { Backend, HaproxyDirectory, isAlive, request, show, startLoad, workerPid } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { freePort } from '../harness/ports.ts'
import { recordingLog } from '../harness/recording-log.ts'

const never = new AbortController().signal

/** Of the waits between starts; nothing else takes exactly so long. */
const FIRST_WAIT_MS = 100

const configText = (stats: string, port: number, backend: number, extra = '') => `global
  stats socket ${stats} level admin
  hard-stop-after 5s
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  option idle-close-on-response
frontend fe
  bind 127.0.0.1:${port}
  default_backend be
backend be
  server one 127.0.0.1:${backend} id 1
${extra}`

describeOnEachHaproxy('ManagedHaproxy', (binary) => {
  let directory: HaproxyDirectory
  let backend: Backend
  let port: number
  let stats: string
  let config: string
  /** Every supervised HAProxy of the test; ended after it. */
  let running: { stop: AbortController; ended: Promise<void> }[]
  let restarts: number
  let starts: number

  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    backend = await Backend.start('one')
    port = await freePort()
    stats = directory.file('stats.sock')
    config = directory.file('haproxy.cfg')
    running = []
    restarts = 0
    starts = 0
    await writeFile(config, configText(stats, port, backend.port))
  })

  afterEach(async () => {
    for (const { stop } of running) stop.abort()
    await Promise.all(running.map(({ ended }) => ended))
    await backend.stop()
    await directory.remove()
  })

  function manage(overrides: Partial<ManagedOptions> = {}) {
    const log = recordingLog()
    const haproxy = new ManagedHaproxy({
      haproxyPath: directory.program,
      configPath: config,
      masterSocket: directory.file('master.sock'),
      statsSocket: stats,
      reloadTimeoutMs: 20_000,
      onStop: 'stop',
      stopDeadlineMs: 20_000,
      clock: systemClock,
      log,
      random: () => 0.5,
      beforeStart: async () => {
        starts += 1
      },
      onRestart: () => {
        restarts += 1
      },
      ...overrides,
    })
    const stop = new AbortController()
    const ended = haproxy.run(stop.signal)
    running.push({ stop, ended })
    return { haproxy, log, stop, ended }
  }

  const master = () => createMaster(directory.file('master.sock'), systemClock)

  /** Keeps how long is waited, ms. An end is always an early one on it: its time goes slowly. */
  const noting = (waits: number[]): Clock => ({
    ...systemClock,
    now: () => systemClock.now() / 100,
    after: (ms, callback) => {
      waits.push(ms)
      return systemClock.after(ms, callback)
    },
  })

  it('ManagedHaproxy.start() starts HAProxy and resolves when it serves', async () => {
    const { haproxy } = manage()
    await haproxy.start(never)
    assert.equal(await request(port), 'one')
    assert.equal(haproxy.state().origin, 'started')
    assert.deepEqual(await haproxy.oldWorkers(never), [])
  })

  it('ManagedHaproxy.start() is one start, however often it is called', async () => {
    const { haproxy } = manage()
    await Promise.all([haproxy.start(never), haproxy.start(never)])
    const before = await workerPid(stats)
    await haproxy.start(never)
    assert.equal(await workerPid(stats), before)
  })

  it('ManagedHaproxy.start() says when HAProxy ends while it starts', async () => {
    await writeFile(config, 'nonsense\n')
    const { haproxy } = manage()
    await assert.rejects(haproxy.start(never), { code: 'HAPROXY_PROCESS', message: /status 1 while starting/ })
  })

  it('ManagedHaproxy.start() says when there is no such program', async () => {
    const { haproxy } = manage({ haproxyPath: directory.file('no-such-program') })
    await assert.rejects(haproxy.start(never), { code: 'HAPROXY_PROCESS', message: /no-such-program.*ENOENT/ })
  })

  it('ManagedHaproxy.reload() resolves when the new worker answers, and loses no request', async () => {
    const { haproxy } = manage()
    await haproxy.start(never)
    const load = startLoad(port)
    await eventually(() => assert.ok(load.requests > 20))
    for (let reload = 0; reload < 3; reload++) {
      const before = await workerPid(stats)
      await haproxy.reload(never)
      assert.notEqual(await workerPid(stats), before)
    }
    await eventually(() => assert.ok(load.requests > 50))
    assert.deepEqual((await load.stop()).failures, {})
  })

  it('ManagedHaproxy.reload() reports a configuration that does not start, and the old worker serves on', async () => {
    const { haproxy } = manage()
    await haproxy.start(never)
    const before = await workerPid(stats)
    await writeFile(config, configText(stats, port, backend.port, '  nonsense\n'))
    await assert.rejects(haproxy.reload(never), { code: 'HAPROXY_RELOAD' })
    assert.equal(await workerPid(stats), before)
    assert.equal(await request(port), 'one')
    await writeFile(config, configText(stats, port, backend.port))
    await haproxy.reload(never)
    assert.notEqual(await workerPid(stats), before)
  })

  it('ManagedHaproxy counts the old workers that still serve', async () => {
    const { haproxy } = manage()
    await haproxy.start(never)
    const slow = request(port, '/held')
    await eventually(() => assert.equal(backend.hits, 1))
    await haproxy.reload(never)
    assert.equal((await haproxy.oldWorkers(never)).length, 1)
    backend.release()
    assert.equal(await slow, 'one', 'the request in flight ended well')
    await eventually(async () => assert.deepEqual(await haproxy.oldWorkers(never), []))
  })

  for (const victim of ['master', 'worker'] as const) {
    it(`ManagedHaproxy starts HAProxy again at once after kill -9 of its ${victim}`, async () => {
      const waits: number[] = []
      const { haproxy, log } = manage({ clock: noting(waits), random: () => 0 })
      await haproxy.start(never)
      const { pid, workers } = await master().info(never)
      const [worker = 0] = workers
      process.kill(victim === 'master' ? pid : worker, 'SIGKILL')
      await eventually(async () => {
        assert.equal(await request(port), 'one')
        assert.notEqual(await workerPid(stats), worker)
      })
      await eventually(() => assert.equal(restarts, 1))
      assert.equal(starts, 2)
      assert.ok(!waits.includes(FIRST_WAIT_MS), 'it was not waited for')
      assert.ok(log.lines.some(({ level, message }) => level === 'error' && message === 'haproxy ended'))
    })
  }

  for (const { victims, origin } of [
    { victims: ['worker'], origin: 'started' },
    { victims: ['worker'], origin: 'adopted' },
    { victims: ['worker', 'master'], origin: 'started' },
  ]) {
    it(`ManagedHaproxy starts HAProxy again (${origin}) when its ${victims.join(' and ')} hang${victims.length === 1 ? 's' : ''}`, async () => {
      if (origin === 'adopted') {
        const earlier = manage({ onStop: 'leave' })
        await earlier.haproxy.start(never)
        earlier.stop.abort()
        await earlier.ended
      }
      const { haproxy, log } = manage()
      await haproxy.start(never)
      assert.equal(haproxy.state().origin, origin)
      const { pid, workers } = await master().info(never)
      const [worker = 0] = workers
      for (const victim of victims) process.kill(victim === 'master' ? pid : worker, 'SIGSTOP')
      await eventually(() => {
        if (restarts === 0) haproxy.suspect() // as at each ping: a stop may come a moment after its signal
        assert.equal(restarts, 1)
      }, 45_000)
      assert.equal(await request(port), 'one')
      assert.notEqual(await workerPid(stats), worker)
      assert.ok(
        log.lines.some(({ message }) => message === 'haproxy hangs and is killed'),
        'the log says so',
      )
    })
  }

  it('ManagedHaproxy leaves a suspected HAProxy alone that answers', async () => {
    const { haproxy } = manage()
    await haproxy.start(never)
    const worker = await workerPid(stats)
    haproxy.suspect()
    await consistently(async () => assert.equal(await workerPid(stats), worker), 1_000)
    assert.equal(restarts, 0)
  })

  it('ManagedHaproxy retries less and less often while HAProxy does not start', async () => {
    const { haproxy, log } = manage({ random: () => 0 })
    await haproxy.start(never)
    await writeFile(config, 'nonsense\n')
    process.kill((await master().info(never)).pid, 'SIGKILL')
    const failures = () => log.lines.filter(({ message }) => message === 'haproxy does not start')
    await eventually(() => assert.ok(failures().length >= 3))
    assert.deepEqual(
      failures()
        .slice(0, 3)
        .map(({ fields }) => fields['retry_in_ms']),
      [100, 200, 400],
    )
    await writeFile(config, configText(stats, port, backend.port))
    await eventually(async () => assert.equal(await request(port), 'one'))
  })

  it('ManagedHaproxy waits before it starts a HAProxy that ended again at once', async () => {
    const waits: number[] = []
    const { haproxy } = manage({ clock: noting(waits), random: () => 0 })
    await haproxy.start(never)
    for (const expected of [undefined, FIRST_WAIT_MS, 2 * FIRST_WAIT_MS]) {
      const { length } = waits
      const before = restarts
      process.kill((await master().info(never)).pid, 'SIGKILL')
      await eventually(() => assert.equal(restarts, before + 1))
      const between = waits.slice(length).filter((ms) => ms === FIRST_WAIT_MS || ms === 2 * FIRST_WAIT_MS)
      assert.deepEqual(between, expected === undefined ? [] : [expected])
    }
  })

  it('ManagedHaproxy takes an adopted HAProxy that is frozen for alive', async () => {
    const first = manage({ onStop: 'leave' })
    await first.haproxy.start(never)
    first.stop.abort()
    await first.ended
    const second = manage()
    await second.haproxy.start(never)
    const { pid } = await master().info(never)
    process.kill(pid, 'SIGSTOP')
    try {
      second.haproxy.suspect()
      await consistently(() => assert.equal(second.haproxy.state().origin, 'adopted'), 3500)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    assert.equal(restarts, 0)
    assert.equal((await eventually(() => master().info(never))).pid, pid)
  })

  it('ManagedHaproxy adopts the HAProxy that an earlier synapse left, without touching it', async () => {
    const first = manage({ onStop: 'leave' })
    await first.haproxy.start(never)
    const worker = await workerPid(stats)
    const load = startLoad(port)
    await eventually(() => assert.ok(load.requests > 20))
    first.stop.abort()
    await first.ended
    const second = manage()
    await second.haproxy.start(never)
    assert.equal(second.haproxy.state().origin, 'adopted')
    assert.equal(await workerPid(stats), worker)
    await second.haproxy.reload(never)
    assert.notEqual(await workerPid(stats), worker)
    assert.deepEqual((await load.stop()).failures, {})
  })

  it('ManagedHaproxy starts an adopted HAProxy again when it dies', async () => {
    const first = manage({ onStop: 'leave' })
    await first.haproxy.start(never)
    first.stop.abort()
    await first.ended
    const second = manage()
    await second.haproxy.start(never)
    process.kill((await master().info(never)).pid, 'SIGKILL')
    await eventually(() => {
      if (second.haproxy.state().origin !== 'started') second.haproxy.suspect() // as at each ping
      assert.equal(second.haproxy.state().origin, 'started')
    })
    assert.equal(await request(port), 'one')
  })

  it('ManagedHaproxy lets requests in flight end when it stops', async () => {
    const { haproxy, stop, ended } = manage()
    await haproxy.start(never)
    const slow = request(port, '/held')
    await eventually(() => assert.equal(backend.hits, 1))
    stop.abort()
    await eventually(() => assert.rejects(request(port), { code: 'ECONNREFUSED' }))
    backend.release()
    assert.equal(await slow, 'one')
    await ended
    await assert.rejects(request(port), { code: 'ECONNREFUSED' })
  })

  it('ManagedHaproxy logs no error when it stops', async () => {
    const { haproxy, log, stop, ended } = manage()
    await haproxy.start(never)
    stop.abort()
    await ended
    const lines = log.lines.map(({ level, message }) => `${level}: ${message}`)
    assert.deepEqual(lines, ['info: haproxy started', 'info: haproxy stopped'])
  })

  it('ManagedHaproxy stops an adopted HAProxy too', async () => {
    const first = manage({ onStop: 'leave' })
    await first.haproxy.start(never)
    first.stop.abort()
    await first.ended
    const second = manage()
    await second.haproxy.start(never)
    second.stop.abort()
    await second.ended
    await assert.rejects(request(port), { code: 'ECONNREFUSED' })
  })

  it('ManagedHaproxy does not wait for ever for requests in flight', async () => {
    const { haproxy, stop, ended, log } = manage({ stopDeadlineMs: 200 })
    await haproxy.start(never)
    const slow = request(port, '/held').catch((error: Error) => error.message)
    await eventually(() => assert.equal(backend.hits, 1))
    stop.abort()
    await ended
    assert.equal(log.lines.at(-1)?.fields['by'], 'SIGTERM')
    await slow
  })
})

describeOnEachHaproxy('ConfigFile', (binary) => {
  let directory: HaproxyDirectory
  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
  })
  afterEach(() => directory.remove())

  const file = (check: string | readonly string[] | undefined, candidate = directory.file('haproxy.cfg.tmp')) =>
    new ConfigFile({
      path: directory.file('haproxy.cfg'),
      candidatePath: candidate,
      check,
      checkTimeoutMs: 10_000,
      clock: systemClock,
    })
  const good =
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nlisten l\n  bind 127.0.0.1:1\n'
  const haproxyCheck = () => [binary.path, '-c', '-f', directory.file('haproxy.cfg.tmp')]

  it('ConfigFile.replace() replaces the file when the check accepts the candidate', async () => {
    const config = file(haproxyCheck())
    assert.equal(await config.read(), undefined)
    await config.replace(good, never)
    assert.equal(await config.read(), good)
  })

  it("ConfigFile.replace() keeps the file and gives HAProxy's own words when the check refuses", async () => {
    const config = file(haproxyCheck())
    await config.replace(good, never)
    await assert.rejects(config.replace(`${good}  nonsense here\n`, never), {
      code: 'HAPROXY_CONFIG',
      message: /tmp:8\] : unknown keyword 'nonsense' in 'listen' section$/,
    })
    assert.equal(await config.read(), good)
  })

  it('ConfigFile.replace() runs a check command through the shell', async () => {
    await assert.rejects(file('echo too few of them >&2; exit 3').replace(good, never), /too few of them/)
    await file(`test -s ${directory.file('haproxy.cfg.tmp')} && true`).replace(good, never)
    assert.equal(await readFile(directory.file('haproxy.cfg'), 'utf8'), good)
  })

  it('ConfigFile.put() replaces the file without a check', async () => {
    const config = file('exit 1')
    await config.put(good)
    assert.equal(await config.read(), good)
  })

  it('ConfigFile.isProvable is true of a check that is HAProxy alone', () => {
    const options = { path: '', candidatePath: '', checkTimeoutMs: 1, clock: systemClock }
    assert.equal(new ConfigFile({ ...options, check: haproxyCheck(), isHaproxyCheck: true }).isProvable, true)
    assert.equal(new ConfigFile({ ...options, check: 'lint', isHaproxyCheck: false }).isProvable, false)
    assert.equal(new ConfigFile({ ...options, check: undefined, isHaproxyCheck: true }).isProvable, false)
  })

  it('ConfigFile.replace() says why a file cannot be written', async () => {
    await assert.rejects(file(undefined, directory.file('no/such/file')).replace(good, never), {
      code: 'HAPROXY_CONFIG',
      message: /no\/such\/file: the directory does not exist/,
    })
  })

  it('ConfigFile.replace() says that the candidate must be on the same file system', async () => {
    const candidate = `/dev/shm/${directory.path.split('/').at(-1)}.tmp`
    try {
      await assert.rejects(file(undefined, candidate).replace(good, never), {
        code: 'HAPROXY_CONFIG',
        message: /different file systems; put candidate_config_file_path beside config_file_path/,
      })
    } finally {
      await runCommand(['rm', '-f', candidate], { clock: systemClock, deadlineMs: 5000 }, never)
    }
  })
})

describe('runCommand()', () => {
  const options = { clock: systemClock, deadlineMs: 30_000 }

  it('runCommand() gives status and output', async () => {
    assert.deepEqual(await runCommand('echo out; echo err >&2; exit 7', options, never), {
      status: 7,
      output: 'out\nerr\n',
    })
    const { status, output } = await runCommand(['/no/such/program'], options, never)
    assert.equal(status, 'start')
    assert.match(output, /ENOENT/)
  })

  it('runCommand() does not wait for a daemon that the command leaves behind', async () => {
    const { output } = await runCommand('sleep 60 & echo $!', options, never)
    process.kill(Number(output), 'SIGKILL') // throws when it has ended
  })

  it('runCommand() kills everything that the command started at the deadline', async () => {
    const directory = await HaproxyDirectory.create()
    const pidFile = directory.file('pid')
    const clock = new FakeClock()
    const command = `sleep 60 & echo $! > ${pidFile}; wait`
    const missed = assert.rejects(runCommand(command, { clock, deadlineMs: 300 }, never), { code: 'DEADLINE' })
    await eventually(async () => assert.match(await readFile(pidFile, 'utf8'), /^\d+\n$/))
    const pid = Number(await readFile(pidFile, 'utf8'))
    assert.equal(await isAlive(pid), true)
    await clock.advance(300)
    await missed
    await eventually(async () => assert.equal(await isAlive(pid), false))
    await directory.remove()
  })
})

describeOnEachHaproxy('ExternalHaproxy', (binary) => {
  let directory: HaproxyDirectory
  let backend: Backend
  let port: number
  let stats: string
  let stop: AbortController
  let ended: Promise<void>
  let restarts: number

  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    backend = await Backend.start('one')
    port = await freePort()
    stats = directory.file('stats.sock')
    stop = new AbortController()
    restarts = 0
    await writeFile(directory.file('haproxy.cfg'), configText(stats, port, backend.port))
    // As the reload scripts of distributions: start it, or replace the one that runs.
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
    stop.abort()
    await ended
    const pid = await readFile(directory.file('pid'), 'utf8').catch(() => '')
    if (pid !== '') await new Child('kill', 'kill', ['-9', pid.trim()]).exit()
    await backend.stop()
    await directory.remove()
  })

  function drive(reloadCommand: string | undefined) {
    const log = recordingLog()
    const haproxy = new ExternalHaproxy({
      reloadCommand,
      reloadTimeoutMs: 20_000,
      statsSockets: [stats],
      clock: systemClock,
      log,
      random: () => 0.5,
      beforeStart: async () => {},
      onRestart: () => {
        restarts += 1
      },
    })
    ended = haproxy.run(stop.signal)
    return { haproxy, log }
  }

  it('ExternalHaproxy.start() runs the reload command when HAProxy does not answer, and only then', async () => {
    const { haproxy } = drive(directory.file('reload'))
    await haproxy.start(never)
    assert.equal(await request(port), 'one')
    await haproxy.start(never)
    assert.equal(await readFile(directory.file('runs'), 'utf8'), 'run\n')
  })

  it('ExternalHaproxy.reload() resolves when another worker answers', async () => {
    const { haproxy } = drive(directory.file('reload'))
    await haproxy.start(never)
    const before = await workerPid(stats)
    await haproxy.reload(never)
    assert.notEqual(await workerPid(stats), before)
  })

  it('ExternalHaproxy.reload() reports a failing command with its words', async () => {
    const { haproxy } = drive('echo no such unit >&2; exit 5')
    await assert.rejects(haproxy.reload(never), { code: 'HAPROXY_RELOAD', message: /ended with 5: no such unit/ })
  })

  it('ExternalHaproxy runs the reload command again when HAProxy was killed', async () => {
    const { haproxy } = drive(directory.file('reload'))
    await haproxy.start(never)
    process.kill(await workerPid(stats), 'SIGKILL')
    await eventually(() => assert.rejects(show(stats, 'show info')))
    haproxy.suspect()
    await eventually(async () => assert.equal(await request(port), 'one'))
    await eventually(() => assert.equal(restarts, 1))
  })

  it('ExternalHaproxy without a reload command only says that HAProxy is gone', async () => {
    const { haproxy, log } = drive(undefined)
    haproxy.suspect()
    await eventually(() => assert.ok(log.lines.some(({ message }) => message === 'haproxy does not answer')))
    await consistently(() => assert.rejects(show(stats, 'show info')), 100)
  })
})
