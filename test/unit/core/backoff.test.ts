import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createBackoff } from '../../../src/core/backoff.ts'

const waits = (backoff: { next(): number }, count: number) => Array.from({ length: count }, () => backoff.next())

describe('createBackoff()', () => {
  it('doubles the wait after each failure, up to the longest', () => {
    const backoff = createBackoff({ initialMs: 100, maxMs: 1000, jitter: 0, random: () => 0.5 })
    assert.deepEqual(waits(backoff, 6), [100, 200, 400, 800, 1000, 1000])
  })

  it('starts again after reset()', () => {
    const backoff = createBackoff({ initialMs: 100, maxMs: 1000, jitter: 0, random: () => 0 })
    waits(backoff, 3)
    backoff.reset()
    assert.deepEqual(waits(backoff, 2), [100, 200])
  })

  it('takes a factor', () => {
    const backoff = createBackoff({ initialMs: 10, maxMs: 10_000, factor: 10, jitter: 0, random: () => 0 })
    assert.deepEqual(waits(backoff, 4), [10, 100, 1000, 10_000])
  })

  it('shortens a wait by the random share of its jitter', () => {
    const rolls = [0, 0.5, 0.999]
    const backoff = createBackoff({ initialMs: 100, maxMs: 100, jitter: 0.5, random: () => rolls.shift() ?? 0 })
    assert.deepEqual(waits(backoff, 3), [100, 75, 50.05])
  })

  it('halves the wait at most unless told otherwise', () => {
    const backoff = createBackoff({ initialMs: 100, maxMs: 100, random: () => 0.999_999 })
    assert.ok(Math.abs(backoff.next() - 50) < 0.01)
  })

  it('stays finite and within its bounds however often it fails', () => {
    const options = fc.record({
      initialMs: fc.integer({ min: 1, max: 10_000 }),
      maxMs: fc.integer({ min: 10_000, max: 1_000_000 }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      roll: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      failures: fc.integer({ min: 1, max: 2000 }),
    })
    fc.assert(
      fc.property(options, ({ roll, failures, ...rest }) => {
        const last = waits(createBackoff({ ...rest, random: () => roll }), failures).at(-1) ?? Number.NaN
        assert.ok(last >= rest.initialMs * (1 - rest.jitter) - 1e-9 && last <= rest.maxMs, `${last}`)
      }),
    )
  })
})
