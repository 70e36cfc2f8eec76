import assert from 'node:assert/strict'
import { type CheckResult, type HealthState, outdated, step } from '../../../src/nerve/health.ts'

const pass: CheckResult = { ok: true }
const fail: CheckResult = { ok: false, reason: 'refused' }

const cases = [
  { name: 'the first success decides whatever rise says', results: [pass], rise: 3, fall: 2, expected: 'up' },
  { name: 'the first failure decides whatever fall says', results: [fail], rise: 3, fall: 2, expected: 'down' },
  {
    name: 'fall counts failures in a row',
    results: [pass, fail, pass, fail, fail],
    rise: 1,
    fall: 2,
    expected: 'up up up up down',
  },
  {
    name: 'rise counts successes in a row',
    results: [fail, pass, fail, pass, pass],
    rise: 2,
    fall: 1,
    expected: 'down down down down up',
  },
  {
    name: 'rise and fall of 1 follow every result',
    results: [pass, fail, pass],
    rise: 1,
    fall: 1,
    expected: 'up down up',
  },
]

describe('step()', () => {
  for (const { name, results, rise, fall, expected } of cases) {
    it(name, () => {
      let state: HealthState = { status: 'unknown' }
      const seen = results.map((result) => {
        state = step(state, result, { rise, fall })
        return state.status
      })
      assert.equal(seen.join(' '), expected)
    })
  }

  it('of what is known already is the very same state, which costs nothing to compare', () => {
    const known: HealthState = { status: 'up', failures: 0 }
    assert.equal(step(known, pass, { rise: 1, fall: 2 }), known)
    assert.notEqual(step({ status: 'up', failures: 1 }, pass, { rise: 1, fall: 2 }), known)
    assert.deepEqual(step({ status: 'up', failures: 1 }, pass, { rise: 1, fall: 2 }), known)
  })

  describe('with a full streak for the first verdict', () => {
    const streaks = [
      { results: [pass, pass, pass], expected: 'unknown unknown up' },
      { results: [fail, fail], expected: 'unknown down' },
      { results: [pass, pass, fail, pass, pass, pass], expected: 'unknown unknown unknown unknown unknown up' },
      { results: [fail, pass, fail, fail], expected: 'unknown unknown unknown down' },
      { results: [pass, pass, pass, fail, fail, pass], expected: 'unknown unknown up up down down' },
    ]
    for (const { results, expected } of streaks) {
      it(`${results.map(({ ok }) => (ok ? 'pass' : 'fail')).join(' ')} is ${expected}`, () => {
        let state: HealthState = { status: 'unknown' }
        const seen = results.map((result) => {
          state = step(state, result, { rise: 3, fall: 2, firstVerdict: 'full-streak' })
          return state.status
        })
        assert.equal(seen.join(' '), expected)
      })
    }
  })

  describe('after a verdict that is out of date', () => {
    const before: Record<string, HealthState> = {
      up: { status: 'up', failures: 0 },
      'nearly down': { status: 'up', failures: 1 },
      down: { status: 'down', successes: 1, reason: 'refused' },
      unknown: { status: 'unknown', successes: 1 },
    }
    const rows = [
      { from: 'up', results: [], expected: 'unknown' },
      { from: 'up', results: [pass], expected: 'unknown up' },
      { from: 'up', results: [fail, fail, fail], expected: 'unknown unknown unknown down' },
      { from: 'up', results: [fail, fail, pass, fail, fail, fail], expected: 'unknown unknown unknown up up up down' },
      { from: 'nearly down', results: [fail, fail], expected: 'unknown unknown down' },
      { from: 'down', results: [pass], expected: 'down up' },
      { from: 'unknown', results: [fail], expected: 'unknown down' },
    ]
    for (const { from, results, expected } of rows) {
      it(`${from}, then ${results.map(({ ok }) => (ok ? 'pass' : 'fail')).join(' ') || 'nothing'}: ${expected}`, () => {
        let state = outdated(before[from] ?? assert.fail(from))
        const seen: string[] = [state.status]
        for (const result of results) {
          state = step(state, result, { rise: 2, fall: 3 })
          seen.push(state.status)
        }
        assert.equal(seen.join(' '), expected)
      })
    }

    it('one success is enough also where the first verdict takes a full streak', () => {
      const state = step(outdated({ status: 'up', failures: 0 }), pass, {
        rise: 3,
        fall: 2,
        firstVerdict: 'full-streak',
      })
      assert.deepEqual(state, { status: 'up', failures: 0 })
    })
  })

  it('keeps the newest reason while down', () => {
    const down = step({ status: 'unknown' }, fail, { rise: 2, fall: 1 })
    assert.deepEqual(step(down, { ok: false, reason: 'no answer' }, { rise: 2, fall: 1 }), {
      status: 'down',
      successes: 0,
      reason: 'no answer',
    })
  })
})
