import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NerveProcess, runNerve } from '../harness/blablacar-nerve.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'

/** Reference blablacar-yelp.md 1.1 and 1.9. */
describe('conformance to go-nerve: command line and signals', function () {
  this.timeout(60_000)
  let directory: string
  let instance: Instance
  let port: number
  const running: NerveProcess[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'blablacar-cli-'))
    instance = await startInstance('web')
  })
  after(async () => {
    await instance.stop()
    await rm(directory, { recursive: true, force: true })
  })
  afterEach(async () => {
    for (const { child } of running.splice(0)) await child.stop()
  })

  const write = async (name: string, text: string) => {
    const path = join(directory, name)
    await writeFile(path, text)
    return path
  }
  /** A file of a healthy service that is only printed. */
  const good = async (top = '', service = '') => {
    port = await freePort()
    const check = 'checks: [{type: tcp, checkIntervalInMilli: 20}]'
    const timing = 'enableWarmupIntervalInMilli: 5, disableMinDurationInMilli: 1'
    return write(
      'nerve.yml',
      `apiHost: 127.0.0.1\napiPort: ${port}\n${top}
services: [{name: web, port: ${instance.port}, ${check}, ${timing}, reporters: [{type: console}]${service}}]\n`,
    )
  }
  const start = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const nerve = new NerveProcess(args, environment)
    running.push(nerve)
    return nerve
  }
  const warm = (nerve: NerveProcess) =>
    eventually(() => assert.match(nerve.stdout, /"weight":255/, nerve.stderr), 30_000)
  const status = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/services/web/status`)
    return ((await response.json()) as { readonly Status: string }).Status
  }

  describe('1.1 arguments', () => {
    it('nerve FILE runs with the file as its only argument', async () => {
      const nerve = start([await good()])
      await warm(nerve)
      nerve.child.kill('SIGTERM')
      assert.equal(await nerve.end(), 0)
    })
    it('nerve without a file does not start', async () => {
      const { status: code, stderr } = await runNerve([])
      assert.notEqual(code, 0)
      assert.match(stderr, /no configuration file/)
    })
    it('nerve with two files does not start', async () => {
      const { status: code, stderr } = await runNerve(['a.yml', 'b.yml'])
      assert.notEqual(code, 0)
      assert.match(stderr, /Unexpected argument 'b\.yml'/)
    })
    it('-L LEVEL wins over logLevel of the file', async () => {
      const nerve = start([await good('logLevel: error'), '-L', 'info'])
      await eventually(() => assert.match(nerve.stderr, /"started"/), 30_000)
    })
    it('logLevel of the file counts without -L', async () => {
      const nerve = start([await good('logLevel: ERROR')])
      await warm(nerve)
      assert.equal(nerve.stderr, '')
    })
    it('-L takes fatal, panic, error, warn, info, debug and trace in any case', async () => {
      const file = await good()
      const levels = ['fatal', 'PANIC', 'error', 'Warn', 'info', 'DEBUG', 'trace']
      const codes = []
      for (const level of levels) codes.push((await runNerve(['-k', '--log-level', level, file])).status)
      assert.deepEqual(codes, [0, 0, 0, 0, 0, 0, 0])
    })
    it('-L with another word does not start', async () => {
      const { status: code, stderr } = await runNerve(['-L', 'loud', await good()])
      assert.notEqual(code, 0)
      assert.match(stderr, /unknown log level loud/)
    })
    for (const flag of ['-V', '--version'])
      it(`${flag} prints program and version and ends with 0`, async () => {
        const { status: code, stdout } = await runNerve([flag])
        assert.equal(code, 0)
        assert.match(stdout, /^nerve \d+\.\d+\.\d+\n$/)
      })
    it('a file that is only {{ .NERVE_CONF }} takes everything from that variable, as the image does', async () => {
      const file = await write('env.yml', '{{ .NERVE_CONF }}\n')
      const { status: code, stderr } = await runNerve([file], { NERVE_CONF: 'services: [{port: "x"}]' })
      assert.equal(code, 78)
      assert.match(stderr, /services\[0\]\.port: found "x"/)
    })
  })

  describe('1.1 outputs', () => {
    it('stdout has the lines of the console reporter and nothing else; logs are on stderr, without colour', async () => {
      const nerve = start([await good()])
      await warm(nerve)
      nerve.child.kill('SIGTERM')
      await nerve.end()
      const lines = nerve.stdout.trimEnd().split('\n')
      for (const line of lines) assert.match(line, /^\{"available":(?:true|false),/)
      assert.match(nerve.stderr, /"stopped"/)
      assert.ok(!nerve.stderr.includes('\u001b'), 'no escape sequences')
    })
  })

  describe('1.1 signals', () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      it(`${signal} stops in order: the service is told to be unavailable, and the status is 0`, async () => {
        const nerve = start([await good()])
        await warm(nerve)
        nerve.child.kill(signal)
        assert.equal(await nerve.end(), 0)
        const last = nerve.stdout.trimEnd().split('\n').at(-1) ?? ''
        assert.match(last, /^\{"available":false,"unavailable_reason":"Service is disabled",.*"weight":0\}$/)
      })
    it('a second SIGTERM ends at once', async () => {
      const nerve = start([await good('', ', disableGracefullyDoneCommand: ["false"]')])
      await warm(nerve)
      nerve.child.kill('SIGTERM')
      await eventually(() => assert.match(nerve.stderr, /"stopping"/))
      nerve.child.kill('SIGTERM')
      assert.equal(await nerve.end(), 1)
    })
    it('SIGQUIT tells what nerve is doing, and it goes on', async () => {
      const nerve = start([await good()])
      await warm(nerve)
      nerve.child.kill('SIGQUIT')
      await eventually(() => assert.match(nerve.stderr, /"services":\[\{"name":"web"/), 20_000)
      assert.equal(await status(), 'enabled')
    })
    it('SIGHUP, which ended go-nerve, reads the file again', async () => {
      const nerve = start([await good()])
      await warm(nerve)
      await write('nerve.yml', `apiHost: 127.0.0.1\napiPort: ${port}\nservices: [{port: "x"}]\n`)
      nerve.child.kill('SIGHUP')
      await eventually(() => assert.match(nerve.stderr, /services\[0\]\.port: found \\"x\\"/), 20_000)
      assert.equal(await status(), 'enabled', 'a bad edit changes nothing')
    })
  })

  describe('1.1 what keeps it from starting', () => {
    it('a file that is not there', async () => {
      const { status: code, stderr } = await runNerve([join(directory, 'none.yml')])
      assert.equal(code, 78)
      assert.match(stderr, /none\.yml: cannot read the file: it does not exist/)
    })
    it('a port of the API that is taken', async () => {
      const file = await good()
      const other = createServer().listen(port, '127.0.0.1')
      await once(other, 'listening')
      const { status: code, stderr } = await runNerve([file])
      other.close()
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: [^"]*\\? Set apiPort"`))
    })
    it('not a ZooKeeper that cannot be reached', async () => {
      const registry = `{type: zookeeper, hosts: ['127.0.0.1:${await freePort()}'], path: /services/web}`
      const text = (service: string) => `apiHost: 127.0.0.1\napiPort: ${port}\nservices: [{name: web, ${service}}]\n`
      port = await freePort()
      const checks = 'checks: [{type: tcp, checkIntervalInMilli: 20}], disableMinDurationInMilli: 1'
      start([await write('no-zk.yml', text(`port: ${instance.port}, ${checks}, reporters: [${registry}]`))])
      await eventually(async () => assert.equal(await status(), 'enabled'), 30_000)
    })
  })
})
