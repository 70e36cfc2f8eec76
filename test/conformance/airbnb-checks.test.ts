import assert from 'node:assert/strict'
import { type CheckedServices, startChecked } from '../harness/airbnb-checks.ts'
import { eventually } from '../harness/eventually.ts'
import { startFullServer } from '../harness/full-server.ts'
import { answer, type HttpServer, startHttpServer } from '../harness/http-server.ts'

/** Results of the runs of a check, and what rise and fall make of them: + and - become u and d. */
interface Streak {
  readonly name: string
  readonly rise?: number
  readonly fall?: number
  readonly results: string
  readonly verdicts: string
}

const streaks: readonly Streak[] = [
  { name: 'the first success decides, whatever rise is', rise: 3, fall: 3, results: '+--', verdicts: 'uuu' },
  { name: 'the first failure decides, whatever fall is', rise: 3, fall: 3, results: '-++', verdicts: 'ddd' },
  { name: 'rise and fall are 1 unless given', results: '+-+-', verdicts: 'udud' },
  { name: 'fall: so many failures in a row bring it down', rise: 1, fall: 3, results: '+---', verdicts: 'uuud' },
  { name: 'rise: so many successes in a row bring it up', rise: 3, fall: 1, results: '-+++', verdicts: 'dddu' },
  { name: 'fall: a success in between starts the count again', rise: 1, fall: 2, results: '+-+--', verdicts: 'uuuud' },
  { name: 'rise: a failure in between starts the count again', rise: 2, fall: 1, results: '-+-++', verdicts: 'ddddu' },
  { name: 'after a first success, fall failures bring it down', rise: 5, fall: 2, results: '+--', verdicts: 'uud' },
  { name: 'after a first failure, rise successes bring it up', rise: 2, fall: 5, results: '-++', verdicts: 'ddu' },
  { name: 'down and up again, each with its own count', rise: 2, fall: 3, results: '+---++-', verdicts: 'uuudduu' },
]

/** Which checks a service has, by name of a path that answers or does not, and what that makes of the service. */
const good = { type: 'http', uri: '/good', timeout: 5 }
const bad = { type: 'http', uri: '/bad', timeout: 5 }

describe("Airbnb's nerve: checks of a service", function () {
  this.timeout(60_000)
  let server: HttpServer
  let checked: CheckedServices
  const asked = new Map<string, number>()

  before(async () => {
    server = await startHttpServer((request, response) => {
      const path = request.url ?? ''
      const runs = asked.get(path) ?? 0
      asked.set(path, runs + 1)
      const { results = path === '/good' ? '+' : '-' } = streaks[Number(path.slice(1))] ?? {}
      answer(results.charAt(Math.min(runs, results.length - 1)) === '+' ? 200 : 503)(request, response)
    })
    const { port } = server
    checked = await startChecked({
      ...Object.fromEntries(
        streaks.map(({ rise, fall }, index) => [
          `s${index}`,
          { port, check_interval: 0.1, checks: [{ type: 'http', uri: `/${index}`, timeout: 5, rise, fall }] },
        ]),
      ),
      none: { checks: [] },
      noop: { checks: [{ type: 'noop' }] },
      mocked: { port, check_mocked: true, checks: [bad] },
      'good-good': { port, checks: [good, { ...good, name: 'second' }] },
      twins: { port, checks: [good, good] },
      'good-bad': { port, checks: [good, bad] },
      'bad-good': { port, checks: [bad, good] },
      elsewhere: { host: '10.0.0.1', port: 1, checks: [{ ...good, host: '127.0.0.1', port }] },
      'no-such-name': { host: 'no-such-host.invalid', checks: [{ type: 'tcp', port: 80, timeout: 5 }] },
      pause: { port, check_interval: 300, checks: [{ ...good, uri: '/good?pause' }] },
    })
  })
  after(async () => {
    await checked?.close()
    await server?.close()
  })

  for (const [index, { name, results, verdicts }] of streaks.entries()) {
    it(`${name}: ${results} (2.5)`, async () => {
      assert.equal(await checked.first(`s${index}`, results.length), verdicts)
    })
  }

  const services: readonly { readonly name: string; readonly service: string; readonly status: 'up' | 'down' }[] = [
    { name: 'no checks: always up (2.4)', service: 'none', status: 'up' },
    { name: 'noop: always passes (2.5)', service: 'noop', status: 'up' },
    { name: 'check_mocked: healthy, whatever its checks would say (2.4)', service: 'mocked', status: 'up' },
    { name: 'all checks pass: up (2.4)', service: 'good-good', status: 'up' },
    { name: 'one check of two fails: down (2.4)', service: 'good-bad', status: 'down' },
    { name: 'the first check fails: down (2.4)', service: 'bad-good', status: 'down' },
    { name: 'host and port of a check win over those of its service (2.5)', service: 'elsewhere', status: 'up' },
    { name: 'a name that cannot be resolved fails the check (2.5)', service: 'no-such-name', status: 'down' },
  ]
  for (const { name, service, status } of services) {
    it(name, async () => assert.equal(await checked.status(service), status))
  }

  it('check_mocked: no check is run (2.4)', async () => {
    await checked.first('good-good', 4)
    assert.deepEqual(checked.trace('mocked'), [])
  })

  it('a check that is down does not stop those after it (2.5, deviation: it does there)', async () => {
    await eventually(() => {
      const address = `http-127.0.0.1:${server.port}`
      assert.ok(checked.trace('bad-good', `${address}/bad`).length > 2, 'the first runs')
      assert.ok(checked.trace('bad-good', `${address}/good`).length > 2, 'and so does the second')
    })
  })

  it('name: the one that is configured counts, for http too (2.5, deviation: not for http there)', async () => {
    await eventually(() => assert.ok(checked.trace('good-good', 'second').length > 0, 'told by its name'))
  })

  it('name: the second check of one name has a number (2.5, deviation: they are told as one there)', async () => {
    const name = `http-127.0.0.1:${server.port}/good`
    for (const each of [name, `${name} #2`]) {
      await eventually(() => assert.ok(checked.trace('twins', each).length > 0, each))
    }
  })

  it('check_interval: no run before it is over (2.4)', async () => {
    await checked.first('good-good', 6)
    // The second run of a check comes after a random part of the interval, so there are one or two by now.
    assert.ok(checked.trace('pause').length <= 2, 'two runs at most in 300 seconds')
  })

  it('timeout of tcp: 0.1 s unless given (2.5)', async () => {
    const full = await startFullServer()
    const slow = await startChecked({ web: { checks: [{ type: 'tcp', host: '127.0.0.1', port: full.port }] } })
    try {
      assert.equal(await slow.status('web'), 'down')
      const { services } = await slow.nerve.state<{ services: { reason: string }[] }>()
      assert.match(services[0]?.reason ?? '', /no connection to .*within 100 ms/)
    } finally {
      await slow.close()
      await full.close()
    }
  })

  it('check_interval: 0.5 s unless given (2.4)', async () => {
    // As many runs as others have in the same time, so that a slow machine changes nothing.
    const checks = [{ type: 'noop' }]
    const counted = await startChecked({
      usual: { checks, check_interval: undefined },
      quick: { checks, check_interval: 0.1 },
      slow: { checks, check_interval: 2.5 },
    })
    try {
      const [usual, quick, slow] = await eventually(() => {
        const runs = ['usual', 'quick', 'slow'].map((service) => counted.trace(service).length)
        assert.ok((runs[0] ?? 0) >= 10, `${runs[0]} runs`)
        return runs as [number, number, number]
      }, 20_000)
      assert.ok(quick > 2 * usual && quick < 12 * usual, `${quick} runs at 0.1 s, ${usual} at the default`)
      assert.ok(slow > usual / 12 && slow < usual / 2, `${slow} runs at 2.5 s, ${usual} at the default`)
    } finally {
      await counted.close()
    }
  })

  it('check_interval: 0 runs again and again without a pause (2.4)', async () => {
    const checks = [{ type: 'noop' }]
    const busy = await startChecked({
      restless: { checks, check_interval: 0 },
      steady: { checks, check_interval: 0.25 },
    })
    try {
      await eventually(() => {
        const steady = busy.trace('steady').length
        assert.ok(steady >= 3, 'both run')
        assert.ok(busy.trace('restless').length > 5 * steady, 'many runs for each of one with a pause')
      }, 30_000)
    } finally {
      await busy.close()
    }
  })
})
