import assert from 'node:assert/strict'
import { shareOf, stepWarmUp, type WarmUpState, weightAt } from '../../../src/nerve/warm-up.ts'

describe('shareOf()', () => {
  // The table of go-nerve (reference blablacar-yelp.md 1.6).
  const table = {
    255: [1, 2, 3, 4, 6, 9, 15, 23, 38, 61, 98, 158, 255],
    100: [1, 1, 1, 2, 3, 4, 6, 10, 15, 24, 39, 62, 100],
    50: [1, 1, 1, 1, 2, 2, 3, 5, 8, 12, 20, 31, 50],
    10: [1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 7, 10],
    1: Array(13).fill(1),
  }
  for (const [weight, expected] of Object.entries(table)) {
    it(`grows to ${weight} in thirteen steps and stays there`, () => {
      const shares = Array.from({ length: 15 }, (_, step) => shareOf(step, Number(weight)))
      assert.deepEqual(shares, [...expected, Number(weight), Number(weight)])
    })
  }
})

describe('weightAt()', () => {
  it('is 0 before the service is registered and whole when it is warm', () => {
    const weights = (
      [{ phase: 'cold' }, { phase: 'preparing' }, { phase: 'warming', step: 11 }, { phase: 'warm' }] as const
    ).map((state) => weightAt(state, 255))
    assert.deepEqual(weights, [0, 0, 158, 255])
  })
})

describe('stepWarmUp()', () => {
  const interval = { kind: 'interval', accepted: true } as const
  const afterIntervals = (count: number, state: WarmUpState = { phase: 'warming', step: 0 }) =>
    Array.from({ length: count }).reduce<WarmUpState>((current) => stepWarmUp(current, interval), state)

  it('has the whole weight after 12 intervals and is watched until the 24th', () => {
    assert.deepEqual(afterIntervals(12), { phase: 'warming', step: 12 })
    assert.equal(weightAt(afterIntervals(12), 255), 255)
    assert.deepEqual(afterIntervals(23), { phase: 'warming', step: 23 })
    assert.deepEqual(afterIntervals(24), { phase: 'warm' })
  })
  it('gives a service of weight 0 no traffic at any step', () => {
    assert.deepEqual(
      [0, 1, 12, 23].map((steps) => weightAt(afterIntervals(steps), 0)),
      [0, 0, 0, 0],
    )
  })
  it('stands still while no registry takes the weight', () => {
    assert.deepEqual(stepWarmUp({ phase: 'warming', step: 3 }, { kind: 'interval', accepted: false }), {
      phase: 'warming',
      step: 3,
    })
  })
  it('starts anew when the service is unstable, even at its whole weight', () => {
    assert.deepEqual(stepWarmUp(afterIntervals(20), { kind: 'unstable' }), { phase: 'warming', step: 0 })
  })
  it('is over at the deadline', () => {
    assert.deepEqual(stepWarmUp(afterIntervals(2), { kind: 'deadline' }), { phase: 'warm' })
  })
  for (const phase of ['cold', 'preparing', 'warm'] as const) {
    it(`changes nothing while ${phase}`, () => {
      for (const event of [interval, { kind: 'unstable' } as const, { kind: 'deadline' } as const])
        assert.deepEqual(stepWarmUp({ phase }, event), { phase })
    })
  }
})
