import assert from 'node:assert/strict'
import { createMetrics } from '../../../src/core/metrics.ts'
import { CheckGroup } from '../../../src/nerve/check-group.ts'
import type { Check } from '../../../src/nerve/checks/check.ts'
import type { CheckConfig } from '../../../src/nerve/model.ts'
import type { StagedCheck } from '../../../src/nerve/staging.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const config: CheckConfig = {
  ...{ name: 'http', type: 'http', host: 'h', port: 80, options: {} },
  ...{ timeoutMs: 100, intervalMs: 500, rise: 1, fall: 1 },
}
const silent: Check = { run: () => new Promise(() => {}), deadlineMs: 300 }

describe('CheckGroup', () => {
  let clock: FakeClock
  let log: ReturnType<typeof recordingLog>
  let told: string[]
  let group: CheckGroup

  beforeEach(() => {
    clock = new FakeClock()
    log = recordingLog()
    told = []
    group = new CheckGroup({
      ...{ service: 'web', clock, log, nextPhase: () => 0, metrics: createMetrics() },
      onResult: (name, _, { ok }, status) => told.push(`${name} ${ok ? 'passed' : 'failed'}, ${status}`),
      onHealth: (before, { status }) => told.push(`${before.status} to ${status}`),
      onBroken: (error) => assert.fail(String(error)),
    })
  })
  afterEach(async () => {
    await group.stop()
    await settle()
    assert.equal(clock.pending, 0, 'no timer is left')
  })
  const staged = (...checks: readonly (readonly [string, StagedCheck])[]) => new Map(checks)

  it('a run ends at the deadline of the check, or at that of the configuration if it is earlier', async () => {
    group.replace(
      staged(['a', { config, check: silent }], ['b', { config: { ...config, deadlineMs: 150 }, check: silent }]),
    )
    await clock.advance(149)
    assert.equal(told.length, 0)
    await clock.advance(1)
    assert.deepEqual(told, ['b failed, down', 'unknown to down'])
    await clock.advance(150)
    assert.ok(told.includes('a failed, down'), told.join())
  })

  it('takes a full streak for the first verdict where that is configured', async () => {
    const check: Check = { run: async () => {} }
    group.replace(staged(['a', { config: { ...config, rise: 3, firstVerdict: 'full-streak' }, check }]))
    await clock.advance(400)
    assert.equal(group.health().status, 'unknown')
    await clock.advance(700)
    assert.deepEqual(told.slice(0, 4), ['a passed, unknown', 'a passed, unknown', 'a passed, up', 'unknown to up'])
  })

  it('has no verdict after it stood still, tells nobody, and has one again with the next result', async () => {
    let stoodStillMs = 0
    class StandingClock extends FakeClock {
      override now(): number {
        return super.now() + stoodStillMs
      }
    }
    clock = new StandingClock()
    group = new CheckGroup({
      ...{ service: 'web', clock, log, nextPhase: () => 0, metrics: createMetrics() },
      onResult: () => {},
      onHealth: (before, { status }) => told.push(`${before.status} to ${status}`),
      onBroken: (error) => assert.fail(String(error)),
    })
    let answer = () => {}
    const slow: Check = { run: () => new Promise((resolve) => (answer = resolve)) }
    group.replace(staged(['a', { config: { ...config, timeoutMs: 10_000 }, check: slow }]))
    for (let run = 0; run < 2; run++) {
      await clock.advance(1)
      answer()
      await settle()
    }
    assert.equal(group.health().status, 'up')
    stoodStillMs = 5_000
    await clock.advance(500)
    assert.deepEqual([group.health().status, told], ['unknown', ['unknown to up']])
    answer()
    await settle()
    assert.deepEqual([group.health().status, told], ['up', ['unknown to up', 'unknown to up']])
  })

  it('says what all say together, and what of it changed', async () => {
    let healthy = true
    const flaky: Check = {
      async run() {
        if (!healthy) throw new Error('refused')
      },
    }
    group.replace(staged(['a', { config, check: flaky }], ['b', { config, check: { run: async () => {} } }]))
    await clock.advance(10)
    assert.equal(group.health().status, 'up')
    healthy = false
    await clock.advance(500)
    assert.deepEqual(
      told.filter((line) => line.includes(' to ')),
      ['unknown to up', 'up to down'],
    )
  })

  describe('a check that cannot be closed', () => {
    const closings: readonly (readonly [name: string, close: () => void])[] = [
      ['throws', () => assert.fail('no such socket')],
      ['rejects', () => Promise.reject(new Error('no such socket'))],
    ]
    for (const [name, close] of closings) {
      const check: Check = { run: async () => {}, close }
      const others = () => staged(['b', { config, check: silent }])
      const line = {
        level: 'warn',
        message: 'check not closed cleanly',
        fields: { check: 'a', reason: 'no such socket' },
      }

      it(`${name}: an edit that takes it out tells so, and all else goes on`, async () => {
        group.replace(staged(['a', { config, check }]))
        await clock.advance(10)
        group.replace(others())
        await settle()
        assert.deepEqual(log.lines, [line])
        await clock.advance(300)
        assert.ok(told.includes('b failed, down'), told.join())
      })

      it(`${name}: a stop tells so, and is orderly`, async () => {
        group.replace(staged(['a', { config, check }]))
        await clock.advance(10)
        await group.stop()
        await settle()
        assert.deepEqual(log.lines, [line])
      })
    }

    it('does not end closing: a stop does not wait for it', async () => {
      const check: Check = { run: async () => {}, close: () => new Promise(() => {}) }
      group.replace(staged(['a', { config, check }]))
      await clock.advance(10)
      await group.stop()
      assert.deepEqual(log.lines, [])
    })
  })

  it('a check that cannot say what it waits for has a verdict like any other', async () => {
    const check: Check = { run: () => new Promise(() => {}), waitingFor: () => assert.fail('no idea') }
    group.replace(staged(['a', { config, check }]))
    await clock.advance(100)
    const reason = 'a: no answer (its waitingFor() threw no idea) within 100 ms'
    assert.deepEqual(group.health(), { status: 'down', reason })
  })
})
