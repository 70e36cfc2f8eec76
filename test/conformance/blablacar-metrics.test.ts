import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type BlablacarSite, callApi, quick, startBlablacarSite } from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'

const NAMES = [
  'nerve_service_available',
  'nerve_checker_failure_total',
  'nerve_reporter_failure_total',
  'nerve_exec_failure_total',
]

/** Reference blablacar-yelp.md 1.11. */
describe('conformance to go-nerve: metrics', function () {
  this.timeout(60_000)
  let site: BlablacarSite
  let nerve: Daemon
  let port: number
  let closed: number
  let nowhere: number

  before(async () => {
    site = await startBlablacarSite()
    port = site.instance.port
    ;[closed, nowhere] = [await freePort(), await freePort()]
    const run = { rise: 1, fall: 1, checkIntervalInMilli: 20 }
    const file = (name: string) => ({ reporters: [{ type: 'file', path: join(site.directory, name) }] })
    nerve = await site.nerve(
      [
        site.service('web', { host: 'localhost', weight: 50, reporterServiceName: 'other' }),
        site.service('checked', {
          ...file('checked'),
          checks: [
            { type: 'tcp', port: closed, ...run },
            { type: 'http', host: '127.0.0.2', port: closed, ...run },
            { type: 'https', port: closed, ...run },
            { type: 'sql', password: 'surely not', ...run },
            { type: 'sql', port: closed, ...run },
            { type: 'amqp', port: closed, ...run },
            { type: 'exec', command: ['false'], ...run },
            { type: 'proxyhttp', proxyHost: '127.0.0.3', proxyPort: closed, urls: ['web.example'], ...run },
          ],
        }),
        site.service('flaps', {
          ...file('flaps'),
          checks: [{ type: 'exec', command: ['false'], fall: 100_000, checkIntervalInMilli: 20 }],
        }),
        site.service('unreported', {
          reporters: [{ type: 'zookeeper', hosts: [`127.0.0.1:${nowhere}`], path: '/services/x' }, { type: 'console' }],
        }),
        site.service('commands', {
          ...file('commands'),
          preAvailableCommand: ['false'],
          enableCheckStableCommand: ['false'],
          disableShutdownCommand: ['false'],
          disableGracefullyDoneCommand: ['false'],
          disableGracefullyDoneIntervalInMilli: 10,
          disableMaxDurationInMilli: 100,
        }),
        { ...site.service('silent', { preAvailableCommand: ['false'], noMetrics: true }), ...quick },
      ],
      { awaitReady: false },
    )
    await eventually(async () => assert.equal(await value('nerve_service_available{name="web"'), 50), 20_000)
  })
  after(() => site.close())

  /** The lines of the metrics whose start this is. */
  const lines = async (start: string) => (await nerve.metrics()).split('\n').filter((line) => line.startsWith(start))
  const value = async (start: string) => {
    const [line, ...others] = await lines(start)
    assert.ok(line !== undefined && others.length === 0, `${start}: ${others.length} others than ${line}`)
    return Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  const labels = (service: string, type?: string) =>
    `{name="${service}",ip="127.0.0.1",port="${port}"${type === undefined ? '}' : `,type="${type}"}`}`

  for (const [name, type] of NAMES.map((each) => [each, each.endsWith('_total') ? 'counter' : 'gauge']))
    it(`${name} is a ${type} and says what it is`, async () => {
      assert.equal((await lines(`# TYPE ${name} ${type}`)).length, 1)
      assert.equal((await lines(`# HELP ${name} `)).length, 1)
    })

  it('nerve_service_available has the labels name, ip, port: the service, not what is published as its name', async () => {
    assert.deepEqual(await lines('nerve_service_available{name="web"'), [
      `nerve_service_available{name="web",ip="localhost",port="${port}"} 50`,
    ])
  })
  it('nerve_service_available is the weight of now: 0 of what is down', async () => {
    assert.equal(await value(`nerve_service_available${labels('checked')}`), 0)
  })
  it('nerve_service_available is 0 of what is disabled, and grows with the warm-up', async () => {
    await callApi(nerve, 'PUT', '/services/unreported/disable')
    assert.equal(await value(`nerve_service_available${labels('unreported')}`), 0)
    await callApi(nerve, 'PUT', '/services/unreported/enable')
    await eventually(async () => assert.equal(await value(`nerve_service_available${labels('unreported')}`), 255))
  })
  it('nerve_checker_failure_total has the labels name, ip, port, type, and host and port of the check', async () => {
    const found = async () =>
      (await lines('nerve_checker_failure_total{name="checked"')).map((line) => line.replace(/ [1-9]\d*$/, ''))
    const expected = [
      ['127.0.0.1', closed, 'tcp'],
      ['127.0.0.2', closed, 'http'],
      ['127.0.0.1', closed, 'https'],
      ['127.0.0.1', 3306, 'sql'],
      ['127.0.0.1', closed, 'sql'],
      ['127.0.0.1', closed, 'amqp'],
      ['127.0.0.1', port, 'exec'],
      ['127.0.0.1', port, 'proxyhttp'],
    ].map(([ip, at, type]) => `nerve_checker_failure_total{name="checked",ip="${ip}",port="${at}",type="${type}"}`)
    await eventually(async () => assert.deepEqual((await found()).sort(), expected.sort()), 20_000)
  })
  it('nerve_checker_failure_total counts every run that failed, not only what made the service go down', async () => {
    await eventually(async () =>
      assert.ok((await value(`nerve_checker_failure_total${labels('flaps', 'exec')}`)) > 3, 'few'),
    )
    const { services } = await nerve.state<{ services: { name: string; status: string }[] }>()
    assert.equal(services.find(({ name }) => name === 'flaps')?.status, 'unknown')
  })
  it('nerve_reporter_failure_total has the labels name, ip, port, type, and counts every try', async () => {
    const start = `nerve_reporter_failure_total${labels('unreported', 'zookeeper')}`
    const first = await eventually(async () => {
      const found = await value(start)
      assert.ok(found > 0, 'it failed')
      return found
    }, 20_000)
    await eventually(async () => assert.ok((await value(start)) > first, 'it failed again'), 20_000)
    assert.equal(await value(`nerve_reporter_failure_total${labels('unreported', 'console')}`), 0)
  })
  for (const type of ['pre-available', 'check-stable', 'disable-shutdown', 'disable-grace'])
    it(`nerve_exec_failure_total counts failures of type ${type}, its labels in their places`, async () => {
      if (type.startsWith('disable')) await callApi(nerve, 'PUT', '/disable?shutdown=1')
      await eventually(async () =>
        assert.ok((await value(`nerve_exec_failure_total${labels('commands', type)}`)) > 0, 'none'),
      )
    })
  it('counters are there with 0 before the first failure, where theirs appear with it', async () => {
    const found = await lines('nerve_exec_failure_total{name="web"')
    assert.equal(found.length, 4)
    for (const line of found) assert.match(line, /\} 0$/)
    assert.equal(await value('nerve_checker_failure_total{name="web"'), 0)
    assert.equal(await value('nerve_reporter_failure_total{name="web"'), 0)
  })
  it('noMetrics takes all four away, also the one of commands', async () => {
    await eventually(async () => assert.equal((await lines('nerve_service_up{service="silent"')).length, 1))
    for (const name of NAMES) assert.deepEqual(await lines(`${name}{name="silent"`), [])
  })
  it('go_* and process_* are gone, and ours are beside them', async () => {
    assert.deepEqual([...(await lines('go_')), ...(await lines('process_'))], [])
    assert.ok((await lines('nerve_check_runs_total{')).length > 0)
  })
})
