import assert from 'node:assert/strict'
import * as z from 'zod'
import { createMetrics, type Metrics } from '../../../src/core/metrics.ts'
import { Registry } from '../../../src/core/registry.ts'
import type { Check } from '../../../src/nerve/checks/check.ts'
import type { CheckConfig, PluginConfig, ServiceConfig } from '../../../src/nerve/config.ts'
import type { NerveEvent } from '../../../src/nerve/events.ts'
import { type Applied, NOTHING_SAID } from '../../../src/nerve/manual-state.ts'
import { defineReporter } from '../../../src/nerve/reporters/reporter.ts'
import { ServiceRunner } from '../../../src/nerve/service-runner.ts'
import type { StagedService } from '../../../src/nerve/staging.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'
import { reporterContext } from '../../harness/reporter.ts'

const check: CheckConfig = {
  ...{ name: 'http', type: 'fake', host: '127.0.0.1', port: 80 },
  ...{ timeoutMs: 100, intervalMs: 100, rise: 1, fall: 1, options: {} },
}

const at = (...places: string[]): PluginConfig[] => places.map((place) => ({ type: 'fake', options: { place } }))

const disabled: Applied = {
  ...NOTHING_SAID,
  availability: { target: 'web', says: { kind: 'disabled' }, reason: '', since: 0 },
}

describe('ServiceRunner and its reporters', () => {
  let clock: FakeClock
  let metrics: Metrics
  let events: NerveEvent[]
  let calls: string[]
  let away: Set<string>
  let healthy: boolean
  let stop: AbortController
  let done: Promise<void>

  const fake = defineReporter({
    type: 'fake',
    description: 'A registry in memory.',
    options: () => z.object({ place: z.string() }),
    create: (_context, { place }) => {
      let says: string | undefined
      return {
        async reconcile({ kind }) {
          if (away.has(place)) throw new Error(`${place} is away`)
          if (says !== kind) calls.push(`${place} ${kind}`)
          says = kind
          return {}
        },
        state: () => ({ path: place }),
        close: async () => {},
      }
    },
  })

  const staged = (change: Partial<ServiceConfig> = {}): StagedService => {
    const config: ServiceConfig = {
      ...{ name: 'web', host: '10.0.0.1', port: 80, publishedPort: 80, checkIntervalMs: 100, checkMocked: false },
      ...{ checks: [check], reporters: at('a') },
      ...change,
    }
    return { config, checks: new Map([['http', { config: check, check: probe }]]) }
  }
  const probe: Check = {
    async run() {
      if (!healthy) throw new Error('connection refused')
    },
  }

  const start = (change: Partial<ServiceConfig> = {}, manual = () => NOTHING_SAID) => {
    const { sessions } = reporterContext()
    const runner = new ServiceRunner(staged(change), 'i-1', {
      ...{ clock, log: recordingLog(), metrics, random: () => 0, sessions },
      reporterTypes: new Registry('reporter type', { fake }),
      onEvent: (event) => events.push(event),
      manual,
    })
    done = runner.run(stop.signal)
    return runner
  }
  const told = (kind: NerveEvent['kind']) => events.filter((event) => event.kind === kind)

  beforeEach(() => {
    clock = new FakeClock()
    metrics = createMetrics()
    events = []
    calls = []
    away = new Set()
    healthy = true
    stop = new AbortController()
  })
  afterEach(async () => {
    stop.abort()
    await clock.advance(5_000)
    await done
    assert.equal(clock.pending, 0)
  })

  it('registers with all of them, and de-registers', async () => {
    start({ reporters: at('a', 'b') })
    await clock.advance(30)
    assert.deepEqual(calls, ['a present', 'b present'])
    healthy = false
    await clock.advance(200)
    assert.deepEqual(calls.slice(2), ['a absent', 'b absent'])
  })

  it('one that is away holds up no other, shows its error, and gets the registration when it is back', async () => {
    away.add('a')
    const runner = start({ reporters: at('a', 'b') })
    await clock.advance(30)
    assert.deepEqual(calls, ['b present'])
    const { registered, error, reporters } = runner.state()
    assert.equal(registered, true)
    assert.equal(error, 'a is away')
    assert.deepEqual(
      reporters.map((reporter) => [reporter.registered, reporter.error]),
      [
        [false, 'a is away'],
        [true, null],
      ],
    )
    assert.equal(runner.ping()?.ok, false)
    away.clear()
    await clock.advance(2_000)
    assert.deepEqual(calls, ['b present', 'a present'])
    assert.equal(runner.ping()?.ok, true)
  })

  it('an edit touches only the reporters that it changes', async () => {
    const runner = start({ reporters: at('a', 'b') })
    await clock.advance(30)
    runner.update(staged({ reporters: at('b', 'c', 'd') }), 'i-1')
    await clock.advance(100)
    assert.deepEqual(calls.toSorted(), ['a absent', 'a present', 'b present', 'c present', 'd present'])
    assert.ok(calls.indexOf('c present') < calls.indexOf('a absent'))
  })

  it('a reporter that an edit takes out removes its registration, however long that takes', async () => {
    const runner = start({ reporters: at('a', 'b') })
    await clock.advance(30)
    away.add('b')
    runner.update(staged({ reporters: at('a') }), 'i-1')
    await clock.advance(20_000)
    assert.deepEqual(calls, ['a present', 'b present'])
    away.clear()
    await clock.advance(2_000)
    assert.deepEqual(calls, ['a present', 'b present', 'b absent'])
  })

  it('tells a transition once, when the first registry has it, and each report', async () => {
    away.add('a')
    start({ reporters: at('a', 'b') })
    await clock.advance(30)
    assert.deepEqual(told('transition'), [{ kind: 'transition', service: 'web', status: 'up' }])
    away.clear()
    await clock.advance(2_000)
    assert.equal(told('transition').length, 1)
    const reports = told('report').map((event) => event.kind === 'report' && event.ok)
    assert.ok(reports.includes(false))
    assert.equal(reports.filter((ok) => ok).length, 2)
  })

  it('tells each run of a check with the state that it leads to', async () => {
    start()
    await clock.advance(350)
    healthy = false
    await clock.advance(100)
    const runs = told('check').map((event) => event.kind === 'check' && event.status)
    assert.equal(runs[0], 'up')
    assert.equal(runs.at(-1), 'down')
    assert.ok(runs.length >= 4)
  })

  it('what is the same in the registry is reported once, whoever took the service out', async () => {
    healthy = false
    let applied: Applied = NOTHING_SAID
    const runner = start({}, () => applied)
    await clock.advance(200)
    applied = disabled
    runner.availability.refresh()
    await clock.advance(200)
    assert.deepEqual(calls, ['a absent'])
    assert.equal(told('report').length, 1)
    assert.equal(runner.availability.isSettled, true)
  })

  describe('with rate_limiting', () => {
    it('never holds back what somebody does by hand', async () => {
      let applied: Applied = NOTHING_SAID
      const limit = { averageRate: 1, maxBurst: 1, shadowMode: false }
      const runner = start({ rateLimiting: limit }, () => applied)
      await clock.advance(30)
      applied = disabled
      runner.availability.refresh()
      await clock.advance(30)
      assert.deepEqual(calls, ['a present', 'a absent'])
      assert.deepEqual(told('throttled'), [])
    })

    const limited = (shadowMode: boolean, averageRate = 1) => ({ averageRate, maxBurst: 1, shadowMode })
    const throttled = async (mode: string) =>
      Number(
        (await metrics.text())
          .split('\n')
          .find((line) => line.startsWith(`nerve_throttled_changes_total{service="web",mode="${mode}"}`))
          ?.split(' ')
          .at(-1),
      )

    it('enforced: a second change within the second waits for its token and is then made', async () => {
      start({ rateLimiting: limited(false) })
      await clock.advance(30)
      healthy = false
      await clock.advance(500)
      assert.deepEqual(calls, ['a present'])
      assert.deepEqual(told('throttled'), [{ kind: 'throttled', service: 'web', shadowMode: false }])
      await clock.advance(600)
      assert.deepEqual(calls, ['a present', 'a absent'])
      assert.equal(await throttled('enforced'), 1)
    })

    it('enforced: flapping makes no more changes than the rate allows, and ends in the right state', async () => {
      start({ rateLimiting: limited(false), reporters: at('a', 'b') })
      for (let flap = 0; flap < 60; flap++) {
        healthy = !healthy
        await clock.advance(150)
      }
      const changes = calls.filter((call) => call.startsWith('a')).length
      assert.ok(changes <= 10, `${changes} in 9 s`)
      assert.ok(changes >= 4, `${changes} in 9 s`)
      healthy = false
      await clock.advance(2_200)
      assert.equal(
        calls.findLast((call) => call.startsWith('a')),
        'a absent',
      )
      assert.equal(
        calls.findLast((call) => call.startsWith('b')),
        'b absent',
      )
    })

    it('enforced: a weight that changes meanwhile is written, and takes no token', async () => {
      const runner = start({ rateLimiting: limited(false) })
      await clock.advance(30)
      healthy = false
      await clock.advance(300)
      const before = told('report').length
      runner.update(staged({ rateLimiting: limited(false), weight: 9 }), 'i-1')
      await clock.advance(100)
      assert.equal(told('report').length, before + 1)
      assert.deepEqual(calls, ['a present'])
    })

    it('enforced: a limit that an edit brings counts from then on', async () => {
      const runner = start()
      await clock.advance(30)
      runner.update(staged({ rateLimiting: { ...limited(false, 0), maxBurst: Number.POSITIVE_INFINITY } }), 'i-1')
      healthy = false
      await clock.advance(5_000)
      assert.deepEqual(calls, ['a present'])
      assert.equal(told('throttled').length, 1)
    })

    it('enforced: an orderly stop does not wait for a token', async () => {
      start({ rateLimiting: limited(false) })
      await clock.advance(30)
      stop.abort()
      await clock.advance(100)
      assert.deepEqual(calls, ['a present', 'a absent'])
    })

    it('shadow mode: only tells and counts', async () => {
      start({ rateLimiting: limited(true) })
      await clock.advance(30)
      healthy = false
      await clock.advance(200)
      assert.deepEqual(calls, ['a present', 'a absent'])
      assert.deepEqual(told('throttled'), [{ kind: 'throttled', service: 'web', shadowMode: true }])
      assert.equal(await throttled('shadow'), 1)
      assert.equal(await throttled('enforced'), 0)
    })
  })
})
