import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Daemon, startNerve, startSynapse } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'

/** A bad edit: what to write, and what must be said about it, in one line. */
interface BadEdit {
  readonly name: string
  readonly yaml: string
  readonly says: RegExp
}

const nerveFile = (service: string) => `instance_id: i-1
services:
  web:
    host: 127.0.0.1
    zk_hosts: ["127.0.0.1:1"]
    zk_path: /services/web
${service}
`
const good = nerveFile('    port: 80')

const nerveEdits: BadEdit[] = [
  { name: 'broken YAML', yaml: nerveFile('    port: [80'), says: /nerve\.yaml:\d+:\d+/ },
  {
    name: 'a misspelt key',
    yaml: nerveFile('    port: 80\n    check_intervall: 2'),
    says: /nerve\.yaml:8:5 .*check_intervall.*Did you mean "check_interval"/,
  },
  {
    name: 'a wrong type',
    yaml: nerveFile('    port: 80\n    checks: 7'),
    says: /nerve\.yaml:8:13 .*services\.web\.checks.*7/,
  },
  {
    name: 'an unknown check type',
    yaml: nerveFile('    port: 80\n    checks: [{type: htttp}]'),
    says: /nerve\.yaml:8:21 .*htttp.*http.*mysql.*redis.*tcp/,
  },
  {
    name: 'a port out of range',
    yaml: nerveFile('    port: 99999'),
    says: /nerve\.yaml:7:11 .*services\.web\.port.*99999.*65535/,
  },
  {
    name: 'a missing environment variable',
    yaml: nerveFile('    port: 80\n    labels: {az: "${SMARTSTACK_NO_SUCH}"}'),
    says: /nerve\.yaml:8:18 .*SMARTSTACK_NO_SUCH/,
  },
]

nerveEdits.push({
  name: 'a ZooKeeper host that is none',
  yaml: good.replace('127.0.0.1:1"', '127.0.0.1:2l81"'),
  says: /nerve\.yaml:5:\d+ services\.web\.zk_hosts: ZooKeeper host "127\.0\.0\.1:2l81" has no valid port/,
})

const synapseFile = (second: string) => `haproxy:
  run_directory: RUN
state_directory: RUN
services:
  web:
    discovery: {method: base}
    default_servers: [{name: a, host: 127.0.0.1, port: 1}]
    haproxy: {port: PORT, listen: [mode http, timeout client 1s, timeout connect 1s, timeout server 1s]}
${second}
`
const portTwice: BadEdit = {
  name: 'two services on one HAProxy port',
  yaml: synapseFile('  api:\n    discovery: {method: base}\n    haproxy: {port: PORT}'),
  says: /synapse\.yaml:11:21 .*api.*port.*web/,
}

/** The one line that names a place. */
const problemsIn = (output: string) => output.split('\n').filter((line) => /\.yaml(:\d+:\d+)?/.test(line))

describe('a configuration that cannot be used', function () {
  this.timeout(60_000)

  for (const { name, yaml, says } of nerveEdits) {
    it(`${name}: nerve says so once, with the place, and exits with 78`, async () => {
      const nerve = await startNerve(yaml, { awaitReady: false })
      assert.equal(await nerve.exit(), 78)
      const problems = problemsIn(nerve.output)
      assert.equal(problems.length, 1, nerve.output)
      assert.match(problems[0] ?? '', says)
      await nerve.close()
    })
  }

  it('a missing file: nerve names it and exits with 78', async () => {
    const nerve = await startNerve(good, { awaitReady: false, args: ['-c', '/no/such/nerve.yaml'] })
    assert.equal(await nerve.exit(), 78)
    assert.match(nerve.output, /\/no\/such\/nerve\.yaml.*(no such file|does not exist)/i)
    await nerve.close()
  })

  it('-k checks, connects nowhere, and exits with 0 or 78', async () => {
    for (const [yaml, status] of [
      [good, 0],
      [nerveEdits[1]?.yaml ?? '', 78],
    ] as const) {
      const nerve = await startNerve(yaml, { awaitReady: false, args: ['-k'] })
      assert.equal(await nerve.exit(), status, nerve.output)
      await nerve.close()
    }
  })
})

describe('a live edit that cannot be used', function () {
  this.timeout(60_000)
  let nerve: Daemon

  before(async () => {
    nerve = await startNerve(good, { awaitReady: false })
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 1), 20_000)
  })
  after(() => nerve.close())

  for (const { name, yaml, says } of nerveEdits) {
    it(`${name}: is refused with the same text, shown in the state, and mended by the next good edit`, async () => {
      await nerve.configure(yaml)
      nerve.hup()
      await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0))
      const { configError, services } = await nerve.state<{ configError: string; services: unknown[] }>()
      assert.match(configError, says)
      assert.equal(services.length, 1, 'what ran goes on')
      assert.match(await (await fetch(nerve.adminUrl)).text(), /The last edit of the configuration is refused/)
      await nerve.configure(good)
      nerve.hup()
      await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 1))
    })
  }

  it('a missing file: is refused with its name, and mended when it is back', async () => {
    await rm(nerve.configPath)
    nerve.hup()
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0))
    const { configError, services } = await nerve.state<{ configError: string; services: unknown[] }>()
    assert.match(configError, /nerve\.yaml.*(no such file|does not exist)/i)
    assert.equal(services.length, 1, 'what ran goes on')
    await nerve.configure(good)
    nerve.hup()
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 1))
  })

  it('is found without a signal: the file is watched', async () => {
    await nerve.configure(nerveEdits[4]?.yaml ?? '')
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0), 20_000)
    await nerve.configure(good)
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 1), 20_000)
  })

  it('a check whose files cannot be read is refused like any other bad edit', async () => {
    await nerve.configure(
      nerveFile(
        '    port: 80\n    checks: [{type: http, uri: /, ssl: true, ssl_verify: true, ssl_ca_file: /no/such/ca.pem}]',
      ),
    )
    nerve.hup()
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0))
    const { configError } = await nerve.state<{ configError: string }>()
    assert.match(configError, /\/no\/such\/ca\.pem/)
    await nerve.configure(good)
    nerve.hup()
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 1))
  })
})

describe('synapse: two services on one HAProxy port', function () {
  this.timeout(60_000)
  const fill = (text: string, directory: string, port: number) =>
    text.replaceAll('RUN', directory).replaceAll('PORT', String(port))

  it('exits with 78, and as a live edit is refused while the ports go on answering', async () => {
    const probe = await startSynapse('services: {}', { awaitReady: false })
    await probe.exit()
    const port = await freePort()
    const run = join(probe.directory, 'run')
    await writeFile(probe.configPath, fill(portTwice.yaml, run, port))
    await probe.restart({ awaitReady: false })
    assert.equal(await probe.exit(), 78)
    assert.match(problemsIn(probe.output)[0] ?? '', portTwice.says)

    await probe.configure(fill(synapseFile(''), run, port))
    await probe.restart()
    await probe.configure(fill(portTwice.yaml, run, port))
    probe.hup()
    await eventually(async () => assert.equal(await probe.metric('smartstack_config_valid'), 0))
    assert.match((await probe.state<{ configError: string }>()).configError, portTwice.says)
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 503, 'HAProxy still listens')
    await probe.close()
  })
})
