import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type BlablacarSite, callApi, quick, type ServiceKeys, startBlablacarSite } from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'

/** The results of a check, p or f each: first these, then those again and again. What rise and fall make of them in the end. */
interface Pattern {
  readonly title: string
  readonly first: string
  readonly cycle: string
  readonly keys?: Readonly<Record<string, number>>
  readonly expected: 'unknown' | 'up' | 'down'
}

const patterns: readonly Pattern[] = [
  { title: 'two passes are no verdict: rise is 3 when it is not given', first: '', cycle: 'ppf', expected: 'unknown' },
  { title: 'three passes in a row are up', first: 'ppp', cycle: 'fp', expected: 'up' },
  {
    title: 'one failure is no verdict either: fall is 2 when it is not given',
    first: '',
    cycle: 'fp',
    expected: 'unknown',
  },
  { title: 'two failures in a row are down', first: 'ff', cycle: 'pf', expected: 'down' },
  { title: 'one failure leaves it up', first: 'ppp', cycle: 'fpp', expected: 'up' },
  { title: 'two failures take it down', first: 'pppff', cycle: 'ppf', expected: 'down' },
  { title: 'two passes leave it down', first: 'ff', cycle: 'ppf', expected: 'down' },
  { title: 'three passes bring it back', first: 'ffppp', cycle: 'fp', expected: 'up' },
  { title: 'rise: 1 is up with the first pass', first: 'p', cycle: 'fp', keys: { rise: 1 }, expected: 'up' },
  { title: 'fall: 1 is down with the first failure', first: 'f', cycle: 'ppf', keys: { fall: 1 }, expected: 'down' },
  { title: 'rise: 5 takes five', first: 'pppp', cycle: 'fpppp', keys: { rise: 5 }, expected: 'unknown' },
  { title: 'fall: 4 takes four', first: 'ppp', cycle: 'fffp', keys: { fall: 4 }, expected: 'up' },
  {
    title: 'rise: 0 and fall: 0 are the defaults',
    first: '',
    cycle: 'ppf',
    keys: { rise: 0, fall: 0 },
    expected: 'unknown',
  },
]

/** Reference blablacar-yelp.md 1.5: streaks, their interval, and several checks together. */
describe('conformance to go-nerve: rise and fall', function () {
  this.timeout(60_000)
  let site: BlablacarSite
  let nerve: Daemon

  before(async () => {
    site = await startBlablacarSite()
    const play = await site.script(
      'play',
      `echo "$(date +%s%N)" >> "$3"
n=$(wc -l < "$3")
c=$(printf %s "$1" | cut -c"$n")
[ -n "$c" ] || c=$(printf %s "$2" | cut -c"$(( (n - \${#1} - 1) % \${#2} + 1 ))")
[ "$c" = p ]`,
    )
    const playing = (name: string, first: string, cycle: string, keys: ServiceKeys = {}) => ({
      type: 'exec',
      command: [play, first, cycle, join(site.directory, `${name}.runs`)],
      timeoutInMilli: 10_000,
      ...keys,
    })
    const service = (name: string, checks: readonly unknown[]): ServiceKeys => ({
      ...{ name, port: site.instance.port, ...quick, checks },
      reporters: [{ type: 'file', path: join(site.directory, `${name}.report`) }],
    })
    nerve = await site.nerve(
      [
        ...patterns.map(({ first, cycle, keys }, at) =>
          service(`p${at}`, [playing(`p${at}`, first, cycle, { checkIntervalInMilli: 60, ...keys })]),
        ),
        service('default-interval', [playing('default-interval', '', 'p')]),
        service('first-of-two', [
          playing('first-of-two', '', 'p', { checkIntervalInMilli: 60 }),
          playing('second-of-two', '', 'ppf', { checkIntervalInMilli: 60 }),
        ]),
        service('decided', [
          playing('decided', '', 'f', { checkIntervalInMilli: 60 }),
          playing('undecided', '', 'ppf', { checkIntervalInMilli: 60 }),
        ]),
        service('other-reason', [
          playing('other-reason', 'fffffff', 'p', { checkIntervalInMilli: 60 }),
          playing('other-reason-2', 'pppp', 'f', { checkIntervalInMilli: 60 }),
        ]),
      ],
      { awaitReady: false },
    )
    await eventually(() => nerve.state(), 30_000)
  })
  after(() => site.close())

  const statusOf = async (name: string) => {
    const { services } = await nerve.state<{ services: { name: string; status: string }[] }>()
    return services.find((service) => service.name === name)?.status
  }
  const runs = async (name: string) => (await site.lines(`${name}.runs`)).length

  for (const [at, { title, first, cycle, expected }] of patterns.entries())
    it(`1.5 ${title}`, async () => {
      const enough = first.length + 2 * cycle.length
      await eventually(async () => assert.ok((await runs(`p${at}`)) > enough, 'it was run often enough'), 30_000)
      assert.equal(await statusOf(`p${at}`), expected)
    })
  it('1.5 checkIntervalInMilli is 1000 when it is not given', async () => {
    const times = await eventually(async () => {
      const lines = await site.lines('default-interval.runs')
      assert.ok(lines.length >= 10, 'ten runs')
      return lines.map((nanoseconds) => Number(BigInt(nanoseconds) / 1_000_000n))
    }, 40_000)
    // The first comes at any time, and a busy machine may be late with one.
    const ms = ((times[9] ?? 0) - (times[1] ?? 0)) / 8
    assert.ok(ms > 800, `a run came ${ms} ms after another`)
  })
  it('1.5 nothing is reported while one of several checks has no verdict', async () => {
    await eventually(async () => assert.ok((await runs('second-of-two')) > 9, 'it was run often enough'), 30_000)
    assert.equal(await statusOf('first-of-two'), 'unknown')
    assert.deepEqual(await site.lines('first-of-two.report'), [])
    assert.equal((await callApi(nerve, 'GET', '/services/first-of-two/status')).status, 503)
  })
  it('1.5 one check that is down decides, where theirs waits for the others', async () => {
    await eventually(async () => assert.equal(await statusOf('decided'), 'down'), 20_000)
    assert.equal(await statusOf('p0'), 'unknown', 'the other check alone has no verdict')
  })
  it('1.5 a service is down as long as any check is', async () => {
    await eventually(async () => assert.ok((await runs('other-reason-2')) > 12, 'both have changed'), 30_000)
    assert.equal(await statusOf('other-reason'), 'down')
    const { services } = await nerve.state<{ services: { name: string; reason: string }[] }>()
    const reason = services.find(({ name }) => name === 'other-reason')?.reason
    assert.match(String(reason), /exit status 1/)
  })
})
