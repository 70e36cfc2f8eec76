import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BlablacarSite, callApi, NerveProcess, startBlablacarSite } from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'

/** Reference blablacar-yelp.md 1.8: the console and file reporters, and several at once. */
describe('conformance to go-nerve: console and file', function () {
  this.timeout(60_000)
  let site: BlablacarSite
  let nerve: Daemon
  let patient: Instance
  let up: string
  let down: string

  before(async () => {
    site = await startBlablacarSite()
    patient = await startInstance('patient')
    const checks = [
      { type: 'http', path: '/health', rise: 1, fall: 1, checkIntervalInMilli: 20, timeoutInMilli: 10_000 },
    ]
    const service = (name: string, ...reporters: readonly unknown[]) =>
      site.service(name, { port: patient.port, checks, reporters })
    const file = (name: string, more: object = {}) => ({ type: 'file', path: path(name), ...more })
    const end = `"host":"127.0.0.1","port":${patient.port},"name":"file","weight"`
    up = `{"available":true,${end}:255}\n`
    down = `{"available":false,"unavailable_reason":"`
    await writeFile(path('appended'), 'of an earlier run\n')
    await writeFile(path('stale'), 'of an earlier run\n')
    nerve = await site.nerve(
      [
        service('file', file('file')),
        service('deep', file('some/new/directory/file')),
        service('appended', file('appended', { append: true })),
        service('flagged', file('flagged', { append: 'yes' })),
        service('all', file('all'), { type: 'console' }, site.registry('/services/all')),
        service(
          'half',
          file('half'),
          { type: 'file', path: path('stale/below-a-file') },
          site.registry('/services/half'),
        ),
        site.service('stale', {
          checks: [{ type: 'tcp', fall: 100_000, rise: 100_000 }],
          reporters: [file('stale')],
        }),
        site.service('default-path', {
          checks: [{ type: 'tcp', fall: 100_000, rise: 100_000 }],
          reporters: [{ type: 'file' }],
        }),
      ],
      { awaitReady: false },
    )
    await eventually(async () => {
      assert.equal(await content('file'), up)
      for (const name of ['some/new/directory/file', 'appended', 'flagged']) assert.equal(await weightIn(name), 255)
    }, 20_000)
    await eventually(() => nerve.state(), 20_000) // it need not listen yet
  })
  after(async () => {
    nerve.kill('SIGKILL') // a stop would write to the default path
    await patient.stop()
    await site.close()
  })

  const path = (name: string) => join(site.directory, name)
  const content = (name: string) => readFile(path(name), 'utf8')
  /** Of the newest line. */
  const weightIn = async (name: string) =>
    (JSON.parse((await site.lines(name)).at(-1) ?? '{}') as { readonly weight?: number }).weight
  const available = async (name: string) =>
    (await site.lines(name)).slice(-1).map((line) => /^\{"available":(true|false)/.exec(line)?.[1])[0]

  describe('1.8 file', () => {
    it('path has one line, the payload, while the service is available', async () => {
      assert.equal(await content('file'), up)
    })
    it('path is /tmp/nerve.report when it is not given', async () => {
      const { services } = await nerve.state<{ services: { name: string; reporters: { path: string }[] }[] }>()
      const { reporters = [] } = services.find(({ name }) => name === 'default-path') ?? {}
      assert.deepEqual(
        reporters.map((reporter) => reporter.path),
        ['/tmp/nerve.report'],
      )
    })
    it('its directory is made', async () => {
      assert.match(await content('some/new/directory/file'), /^\{"available":true,.*"name":"deep",.*\}\n$/)
    })
    it('anybody may read it', async () => {
      assert.equal((await stat(path('file'))).mode & 0o777, 0o666 & ~process.umask())
    })
    it('with append: true adds a line for each change, and keeps what was there', async () => {
      const [first, second, ...others] = await site.lines('appended')
      assert.equal(first, 'of an earlier run')
      assert.match(second ?? '', /^\{"available":true,.*"weight":1\}$/)
      assert.match(others.at(-1) ?? '', /^\{"available":true,.*"weight":255\}$/)
    })
    it('append is false when it is not given; yes is true', async () => {
      assert.equal((await site.lines('file')).length, 1)
      assert.ok((await site.lines('flagged')).length > 1, 'several lines')
    })
    it('what an earlier run left stays until the first verdict, where theirs empties it at once', async () => {
      assert.equal(await content('stale'), 'of an earlier run\n')
    })
    it('is empty while the service is not available; with append there is a line that says so', async () => {
      patient.healthy = false
      await eventually(async () => assert.equal(await content('file'), ''))
      await eventually(async () => assert.equal(await available('appended'), 'false'))
      const last = (await site.lines('appended')).at(-1) ?? ''
      assert.ok(last.startsWith(down) && last.endsWith('"weight":0}'), last)
      patient.healthy = true
      await eventually(async () => assert.equal(await content('file'), up))
    })
    it('is empty of a service that is disabled', async () => {
      await callApi(nerve, 'PUT', '/services/file/disable')
      assert.equal(await content('file'), '')
      await callApi(nerve, 'PUT', '/services/file/enable')
      await eventually(async () => assert.equal(await content('file'), up))
    })
  })

  describe('1.8 several reporters', () => {
    it('each is told the same: file, console and zookeeper', async () => {
      const { text } = await eventually(async () => {
        const znode = await site.znode('/services/all')
        assert.equal(znode.payload['weight'], 255)
        return znode
      })
      await eventually(async () => assert.equal(await content('all'), `${text}\n`))
      await eventually(() => assert.ok(nerve.output.includes(`${text}\n`), 'not printed'))
    })
    it('one that fails is tried again and holds up no other', async () => {
      await eventually(async () => assert.equal((await site.znode('/services/half')).payload['weight'], 255))
      await eventually(async () => assert.match(await content('half'), /"weight":255\}\n$/))
      const failures = () => nerve.metric('nerve_reporter_failure_total', 'name="half"')
      const before = await failures()
      await eventually(async () => assert.ok((await failures()) > before, 'it is tried again'), 20_000)
    })
  })

  describe('1.8 console', () => {
    let lines: readonly string[]
    let appended: readonly string[]
    let file: string
    before(async () => {
      const text = `apiHost: 127.0.0.1\napiPort: ${await freePort()}\nservices: `
      const reporters = [
        { type: 'console' },
        { type: 'file', path: path('stopped') },
        { type: 'file', path: path('stopped-record'), append: true },
      ]
      await writeFile(path('console.yml'), text + JSON.stringify([site.service('printed', { weight: 100, reporters })]))
      const printing = new NerveProcess([path('console.yml')])
      await eventually(() => assert.match(printing.stdout, /"weight":100\}/, printing.stderr), 30_000)
      printing.child.kill('SIGTERM')
      await printing.end()
      lines = printing.stdout.split('\n').slice(0, -1)
      appended = await site.lines('stopped-record')
      file = await content('stopped')
    })

    it('prints the payload as one line of JSON for each step of the warm-up', () => {
      const weights = lines.map((line) => (JSON.parse(line) as { readonly weight: number }).weight)
      assert.deepEqual([weights[0], ...weights.slice(-2)], [1, 100, 0])
      for (const line of lines) assert.match(line, /^\{"available":(?:true|false),.*"weight":\d+\}$/)
    })
    it('prints two equal reports in a row once: weight 1 of 100, which is three steps', () => {
      assert.equal(new Set(lines).size, lines.length)
    })
    it('the last line of a stop says that the service is disabled', () => {
      assert.match(lines.at(-1) ?? '', /^\{"available":false,"unavailable_reason":"Service is disabled",/)
    })
    it('a stop leaves the file empty, and the same last line in one with append', () => {
      assert.equal(file, '')
      assert.equal(appended.at(-1), lines.at(-1))
    })
  })
})
