import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from '../harness/child.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { HaproxyDirectory, show, startHaproxy, workerPid } from '../harness/haproxy.ts'
import { type Instance, type MainJob, startMainJobOfTwo } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'
import { blackHole, startTcpServer } from '../harness/tcp-server.ts'

const program = fileURLToPath(new URL('../../bin/smartstack', import.meta.url))

interface Outcome {
  readonly status: number | NodeJS.Signals
  /** stdout and stderr. */
  readonly output: string
  /** The same with every break and run of blanks as one blank, for sentences that may be wrapped. */
  readonly flat: string
}

async function smartstack(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const child = new Child('smartstack', process.execPath, [program, ...args], { env: { ...process.env, ...env } })
  await new Promise((resolve) => child.process.once('close', resolve))
  return { status: await child.exit(), output: child.output, flat: child.output.replaceAll(/\s+/g, ' ') }
}

interface PlanJson {
  readonly ok: boolean
  readonly instances_from: string
  readonly services: readonly { readonly name: string; readonly source: string; readonly instances: unknown[] }[]
  readonly workers: readonly {
    readonly pid: number | null
    readonly commands: readonly string[]
    readonly reload_reasons: readonly string[]
  }[]
  readonly file: { readonly changes: boolean; readonly diff: readonly string[]; readonly refusal: string | null }
  readonly troubles: readonly string[]
}

interface DoctorJson {
  readonly ok: boolean
  readonly findings: readonly { readonly area: string; readonly level: string; readonly what: string }[]
  readonly haproxy: { readonly version: string; readonly defects: readonly string[] } | null
}

describe('bin/smartstack', function () {
  this.timeout(60_000)

  it('--version prints the version of package.json', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    const { status, output } = await smartstack(['--version'])
    assert.deepEqual([status, output], [0, `smartstack ${version}\n`])
  })

  it('schema prints what config/schema holds', async () => {
    for (const name of ['nerve', 'synapse']) {
      const file = new URL(`../../config/schema/${name}.schema.json`, import.meta.url)
      const { status, output } = await smartstack(['schema', name])
      assert.deepEqual([status, output], [0, await readFile(file, 'utf8')])
    }
  })

  it('a reader that has gone away is no error', async () => {
    const command = `{ "${process.execPath}" "${program}" schema nerve; echo "status $?" >&2; } | exec true`
    const child = new Child('sh', '/bin/sh', ['-c', command])
    await new Promise((resolve) => child.process.once('close', resolve))
    assert.equal(child.output, 'status 0\n')
  })

  it('status with no daemon there says so, and what to do on a machine with only one', async () => {
    const [nerve, synapse] = [await freePort(), await freePort()]
    const { status, output } = await smartstack([
      'status',
      '--nerve',
      String(nerve),
      '--synapse',
      `127.0.0.1:${synapse}`,
    ])
    assert.equal(status, 1)
    assert.match(output, new RegExp(`nerve does not answer at http://127.0.0.1:${nerve}: nobody listens there`))
    assert.match(output, new RegExp(`synapse does not answer at http://127.0.0.1:${synapse}`))
  })
})

describe("bin/smartstack with somebody else's HAProxy", function () {
  this.timeout(60_000)
  let directory: HaproxyDirectory
  let haproxy: Child
  let port: number

  const configFile = () => directory.file('haproxy.cfg')
  const socket = () => directory.file('stats.sock')

  before(async () => {
    directory = await HaproxyDirectory.create()
    port = await freePort()
    const lines = [
      `global\n\tstats socket ${socket()} mode 600 level admin`,
      'defaults\n\tmode http\n\ttimeout connect 1s\n\ttimeout client 1s\n\ttimeout server 1s',
      'backend web\n\tserver old_127.0.0.1:1 127.0.0.1:1 id 5 weight 1',
    ]
    haproxy = await startHaproxy({ path: 'haproxy' }, configFile(), `${lines.join('\n')}\n`, socket())
  })
  after(async () => {
    await haproxy.stop()
    await directory.remove()
  })

  async function configure(haproxyKeys: Readonly<Record<string, unknown>>): Promise<string> {
    const path = directory.file('synapse.yaml')
    const web = {
      discovery: { method: 'base' },
      default_servers: [{ name: 'new', host: '127.0.0.1', port: 2 }],
      haproxy: { port },
    }
    const own = {
      reload_command: 'false',
      config_file_path: configFile(),
      socket_file_path: socket(),
      global: [`stats socket ${socket()} mode 600 level admin`],
    }
    const config = { haproxy: { ...own, ...haproxyKeys }, state_directory: directory.path, services: { web } }
    await writeFile(path, JSON.stringify(config))
    return path
  }

  it('plan works out the commands from what runs, and runs no reload_command', async () => {
    const before = await readFile(configFile(), 'utf8')
    const { status, output, flat } = await smartstack(['plan', '-c', await configure({})])
    assert.equal(status, 0, output)
    assert.match(output, /^ {2}add server web\/new_127\.0\.0\.1:2 127\.0\.0\.1:2 id \d+ weight 1 /m)
    assert.match(output, /^ {2}set server web\/old_127\.0\.0\.1:1 state maint$/m)
    assert.match(flat, /reload: it is not known what the running HAProxy was started with/)
    assert.equal(await readFile(configFile(), 'utf8'), before)
    assert.match(await show(socket(), 'show servers state web'), / old_127\.0\.0\.1:1 127\.0\.0\.1 \d+ 0 /)
  })

  it('plan without a stats socket compares the file', async () => {
    const { status, output } = await smartstack(['plan', '-c', await configure({ do_socket: false })])
    assert.equal(status, 0, output)
    assert.match(output, /It would be reloaded with the new file\./)
  })

  it('doctor asks its socket, and wants no directory of its own', async () => {
    const { status, output, flat } = await smartstack(['doctor', '-c', await configure({})])
    assert.equal(status, 0, output)
    assert.match(flat, / ok stats socket \S+stats\.sock: HAProxy \d+\.\d+/)
    assert.ok(!output.includes('run_directory'))
  })

  it('an interrupted plan ends at once and says so', async () => {
    const registry = await startTcpServer(blackHole)
    try {
      const path = directory.file('silent.yaml')
      const discovery = { method: 'zookeeper', hosts: [`127.0.0.1:${registry.port}`], path: '/x' }
      const config = { haproxy: { run_directory: directory.path }, services: { web: { discovery } } }
      await writeFile(path, JSON.stringify(config))
      const child = new Child('smartstack', process.execPath, [program, 'plan', '-c', path, '--discover', '60'])
      await eventually(() => assert.notEqual(registry.accepted, 0), 20_000)
      child.kill('SIGINT')
      assert.equal(await child.exit(), 1)
      await eventually(() => assert.equal(child.output, 'smartstack: interrupted\n'))
    } finally {
      await registry.close()
    }
  })
})

describe('bin/smartstack with running daemons', function () {
  this.timeout(120_000)
  let job: MainJob
  let one: Instance
  let two: Instance
  let nerve: Daemon
  let synapse: Daemon

  before(async () => {
    ;({ job, one, two, nerve, synapse } = await startMainJobOfTwo())
    await settled()
  })
  after(() => job.close())

  /** Waits until both instances are in HAProxy's file and in synapse's memory, which is written seconds after a change. */
  const settled = () =>
    eventually(async () => {
      for (const { port } of [one, two]) {
        assert.match(await readFile(memory(), 'utf8'), new RegExp(`:${port},`))
        assert.match(await readFile(haproxyFile(), 'utf8'), new RegExp(`:${port} `))
      }
    }, 30_000)
  const memory = () => join(job.directory, 'state', 'instances.json')
  const haproxyFile = () => join(job.directory, 'haproxy', 'haproxy.cfg')
  const statsSocket = () => join(job.directory, 'haproxy', 'haproxy.sock')
  const statusArgs = () => ['status', '--nerve', nerve.adminUrl, '--synapse', synapse.adminUrl]

  /** A copy of synapse's configuration with another service `web`. */
  async function edited(web: Readonly<Record<string, unknown>>): Promise<string> {
    const path = join(job.directory, 'edited.yaml')
    await writeFile(path, JSON.stringify(job.synapseConfig(web)))
    return path
  }

  const webHaproxy = () =>
    (job.synapseConfig()['services'] as { web: { haproxy: Record<string, unknown> } }).web.haproxy

  async function plan(...args: readonly string[]): Promise<{ status: Outcome['status']; found: PlanJson }> {
    const { status, output } = await smartstack(['plan', '--json', ...args])
    return { status, found: JSON.parse(output) as PlanJson }
  }

  it('status shows both daemons and exits with 0 when all is well', async () => {
    await eventually(async () => {
      const { status, output } = await smartstack(statusArgs())
      assert.equal(status, 0, output)
      assert.match(output, /nerve host-1 {2}http:\S+ {2}ready/)
      assert.match(output, new RegExp(`one +127.0.0.1:${one.port} +up +/services/web/host-1_`))
      assert.match(output, /haproxy +connected, \d+\.\d+\S*, pid \d+, managed, 0 reloads/)
      assert.match(output, /web +2 +discovered/)
      assert.match(output, /All is well\.\n$/)
      assert.ok(!output.includes('\x1b'), 'no colours without a terminal')
    }, 20_000)
  })

  it('status --json has the whole state of both', async () => {
    const { status, output } = await smartstack([...statusArgs(), '--json'])
    const { ok, daemons } = JSON.parse(output)
    assert.deepEqual([status, ok], [0, true])
    assert.deepEqual(
      daemons.map(({ daemon, state }: { daemon: string; state: { services: unknown[] } }) => [
        daemon,
        state.services.length,
      ]),
      [
        ['nerve', 2],
        ['synapse', 1],
      ],
    )
  })

  it('status names a service that is down, with the reason, and exits with 1', async () => {
    two.healthy = false
    await eventually(async () => {
      const { status, output } = await smartstack(['status', '--nerve', nerve.adminUrl])
      assert.equal(status, 1)
      assert.match(output, /1 thing needs a hand:\n {2}- nerve: service two is down: .*503/)
    }, 20_000)
    two.healthy = true
    await eventually(async () => assert.equal((await smartstack(statusArgs())).status, 0), 20_000)
  })

  it('status shows a refused edit until it is mended', async () => {
    const good = await readFile(synapse.configPath, 'utf8')
    await writeFile(synapse.configPath, good.replace('"services"', '"servicess"'))
    synapse.hup()
    await eventually(async () => {
      const { status, flat } = await smartstack(['status', '--synapse', synapse.adminUrl])
      assert.equal(status, 1)
      assert.match(flat, /the last edit of the configuration is refused:[\s\S]*Did you mean "services"/)
    }, 20_000)
    await writeFile(synapse.configPath, good)
    synapse.hup()
    await eventually(async () => assert.equal((await smartstack(statusArgs())).status, 0), 20_000)
  })

  it('status refuses what answers like another daemon', async () => {
    const { status, flat } = await smartstack(['status', '--nerve', synapse.adminUrl])
    assert.equal(status, 1)
    assert.match(flat, /what answers there is not nerve/)
  })

  it('plan has nothing to do where synapse has done its work, from memory and from the registry', async () => {
    await settled() // an instance has just been down
    for (const source of [[], ['--discover', '30']]) {
      await eventually(async () => {
        const { status, output } = await smartstack(['plan', '-c', synapse.configPath, ...source])
        assert.equal(status, 0, output)
        assert.match(output, /Nothing to do: HAProxy is as it should be\.\n$/)
      }, 20_000)
    }
    const { found } = await plan('-c', synapse.configPath, '--discover=30s')
    assert.deepEqual([found.instances_from, found.services[0]?.source], ['registry', 'discovered'])
    assert.deepEqual(found.services[0]?.instances.length, 2)
  })

  it('plan shows the commands for instances that are gone and new, without any of it being done', async () => {
    const before = await readFile(memory(), 'utf8')
    const [pid, file] = [await workerPid(statsSocket()), await readFile(haproxyFile(), 'utf8')]
    const path = await edited({
      default_servers: [{ name: 'new', host: '127.0.0.1', port: 9 }],
      discovery: { method: 'base' },
    })
    const { status, found } = await plan('-c', path, '--discover', '30')
    assert.equal(status, 0)
    const { commands, reload_reasons: reasons } = found.workers[0] ?? { commands: [], reload_reasons: [] }
    assert.deepEqual(reasons, [])
    assert.ok(commands.some((command) => command.startsWith('add server web/new_127.0.0.1:9 127.0.0.1:9 id ')))
    assert.equal(commands.filter((command) => /^set server web\/host-1_\S+ state maint$/.test(command)).length, 2)
    assert.ok(found.file.diff.some((line) => line.startsWith('+ \tserver new_127.0.0.1:9 ')))
    assert.equal(await readFile(memory(), 'utf8'), before)
    assert.deepEqual([await workerPid(statsSocket()), await readFile(haproxyFile(), 'utf8')], [pid, file])
  })

  it('plan says why a change of structure or of options needs a reload, and shows the lines', async () => {
    const path = await edited({
      haproxy: { ...webHaproxy(), server_options: 'check inter 3s rise 1 fall 2', listen: ['mode http'] },
    })
    const { status, output, flat } = await smartstack(['plan', '-c', path])
    assert.equal(status, 0, output)
    assert.match(flat, /reload: service web: "option httpchk GET \/health" was removed/)
    assert.match(flat, /reload: service web: servers \S+ \S+ with options that changed from "check inter 1s/)
    assert.match(output, /^ {2}- {3}option httpchk GET \/health$/m)
    assert.match(output, /synapse would do this: a changed file, a reload\. Nothing was changed now\.\n$/)
  })

  it('plan exits with 1 when HAProxy would refuse the file', async () => {
    const path = await edited({ haproxy: { ...webHaproxy(), listen: ['mode http', 'balance no-such-algorithm'] } })
    const { status, found } = await plan('-c', path)
    assert.equal(status, 1)
    assert.match(found.file.refusal ?? '', /balance/)
  })

  it('plan where no HAProxy runs says that it would be started', async () => {
    const config = { ...job.synapseConfig(), haproxy: { run_directory: join(job.directory, 'nobody') } }
    const path = join(job.directory, 'nobody.yaml')
    await writeFile(path, JSON.stringify(config))
    const { status, output } = await smartstack(['plan', '-c', path])
    assert.equal(status, 0)
    assert.match(output, /It would be started\.[\s\S]*It would be new\.[\s\S]*a new file, a start of HAProxy/)
  })

  it('plan --discover makes no znode, and says when the registry is silent', async () => {
    const discovery = { method: 'zookeeper', hosts: [job.zookeeper.hosts], path: '/services/nowhere' }
    const missing = await plan('-c', await edited({ discovery }), '--discover', '30')
    assert.equal(missing.status, 0)
    const second = await smartstack(['doctor', '-c', await edited({ discovery })])
    assert.match(second.output, /\/services\/nowhere does not exist yet/)
    const silent = await edited({ discovery: { ...discovery, hosts: [`127.0.0.1:${await freePort()}`] } })
    const { status, found } = await plan('-c', silent, '--discover', '1')
    assert.equal(status, 1)
    assert.deepEqual(found.troubles, [
      'service web: the registry has not answered in time; planned with what is remembered',
    ])
    assert.equal(found.services[0]?.instances.length, 2)
  })

  it('plan and doctor exit with 78 for a bad configuration, and name the place', async () => {
    const path = join(job.directory, 'bad.yaml')
    await writeFile(path, 'haproxy: {}\nservices:\n  web:\n    discovery: {method: base}\n    haproxyy: {}\n')
    for (const command of ['plan', 'doctor']) {
      const { status, output } = await smartstack([command, '-c', path])
      assert.equal(status, 78)
      assert.match(output, /bad\.yaml:5:5 services\.web\.haproxyy: .*Did you mean "haproxy"/)
    }
  })

  it('doctor finds all well for the configuration of a running synapse, and of nerve', async () => {
    const { status, output, flat } = await smartstack(['doctor', '-c', synapse.configPath])
    assert.equal(status, 0, output)
    assert.match(output, /^ok +haproxy +\d+\.\d+/m)
    assert.match(output, new RegExp(`^ok +zookeeper +${job.zookeeper.hosts}: a session in \\d+ ms$`, 'm'))
    assert.match(output, /^ok +registry path +\/services\/web: 2 registrations$/m)
    assert.match(flat, / ok stats socket \S+haproxy\.sock: HAProxy \d+\.\d+/)
    assert.match(output, /add and delete servers while it runs +yes/)
    assert.match(output, /All is well\.\n$/)
    const forNerve = await smartstack(['doctor', '-c', nerve.configPath])
    assert.equal(forNerve.status, 0, forNerve.output)
    assert.ok(!/haproxy/i.test(forNerve.output), 'nerve needs no HAProxy')
  })

  it('doctor names each problem with its remedy and exits with 1', async () => {
    const file = join(job.directory, 'no-directory')
    await writeFile(file, '')
    const path = join(job.directory, 'sick.yaml')
    const dead = `127.0.0.1:${await freePort()}`
    const web = {
      discovery: { method: 'zookeeper', hosts: [job.zookeeper.hosts, dead], path: '/services/web' },
      haproxy: { port: await freePort() },
    }
    const haproxy = { haproxy_path: '/no/such/haproxy', run_directory: file, template: '/no/such/template' }
    await writeFile(path, JSON.stringify({ haproxy, state_directory: file, services: { web } }))
    const { status, output } = await smartstack(['doctor', '-c', path, '--json'])
    assert.equal(status, 1)
    const { ok, findings } = JSON.parse(output) as DoctorJson
    const levelOf = (area: string, words: string) =>
      findings.find((finding) => finding.area === area && finding.what.includes(words))?.level
    assert.equal(ok, false)
    assert.equal(levelOf('haproxy', 'cannot run /no/such/haproxy'), 'problem')
    assert.equal(levelOf('state_directory', 'is no directory'), 'problem')
    assert.equal(levelOf('template', '/no/such/template'), 'problem')
    assert.equal(levelOf('zookeeper', `${dead}: `), 'warning')
    assert.equal(levelOf('zookeeper', job.zookeeper.hosts), 'ok')
  })

  it('doctor and plan tell a HAProxy that hangs from one that is not there', async () => {
    const haproxy = { ...(job.synapseConfig()['haproxy'] as object), socket_timeout: '300ms' }
    const path = join(job.directory, 'impatient.yaml')
    await writeFile(path, JSON.stringify({ ...job.synapseConfig(), haproxy }))
    const pid = await workerPid(statsSocket())
    process.kill(pid, 'SIGSTOP')
    try {
      const doctor = await smartstack(['doctor', '-c', path])
      assert.equal(doctor.status, 1, doctor.output)
      assert.match(doctor.output, /^problem +stats socket /m)
      const { status, output } = await smartstack(['plan', '-c', path])
      assert.equal(status, 1)
      assert.match(output, /^smartstack: .*haproxy\.sock/)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })

  it('status tells that ZooKeeper is away while synapse serves on', async () => {
    await job.zookeeper.stop()
    await eventually(async () => {
      const { status, output } = await smartstack(statusArgs())
      assert.equal(status, 1)
      assert.match(output, /- nerve: ZooKeeper 127\.0\.0\.1:\d+ is suspended/)
      assert.match(output, /- synapse: ZooKeeper 127\.0\.0\.1:\d+ is suspended/)
    }, 20_000)
    await rm(memory(), { force: true })
  })
})
