import assert from 'node:assert/strict'
import { createPhases, nextDue } from '../../../src/nerve/phases.ts'

const INTERVAL_MS = 1000

/** The widest gap between neighbours on a circle of the length 1. */
function widestGap(phases: readonly number[]): number {
  const sorted = [...phases].sort((a, b) => a - b)
  return Math.max(...sorted.map((phase, index) => (sorted[index + 1] ?? (sorted[0] ?? 0) + 1) - phase))
}

describe('createPhases()', () => {
  for (const count of [2, 10, 1000]) {
    it(`spreads ${count} checks so evenly that no gap is twice as wide as it must be`, () => {
      const next = createPhases(() => 0.3)
      const phases = Array.from({ length: count }, next)
      assert.ok(phases.every((phase) => phase >= 0 && phase < 1))
      assert.ok(widestGap(phases) * count < 2, `${widestGap(phases) * count}`)
    })
  }

  it('spreads those evenly, too, that share an interval with every third only', () => {
    const next = createPhases(() => 0.3)
    const phases = Array.from({ length: 900 }, next).filter((_, index) => index % 3 === 0)
    assert.ok(widestGap(phases) * phases.length < 3, `${widestGap(phases) * phases.length}`)
  })

  it('begins by chance', () => {
    assert.notEqual(createPhases(() => 0.1)(), createPhases(() => 0.2)())
  })
})

describe('nextDue()', () => {
  const cases = [
    { name: 'a first run is followed at the phase', due: undefined, startedAt: 1_010, endedAt: 1_020, expected: 1_240 },
    {
      name: 'or in the next interval when the phase is over',
      due: undefined,
      startedAt: 1_300,
      endedAt: 1_310,
      expected: 2_240,
    },
    {
      name: 'a run on time is followed one interval after it was due',
      due: 1_250,
      startedAt: 1_251,
      endedAt: 1_300,
      expected: 2_250,
    },
    { name: 'also one that was late', due: 1_250, startedAt: 2_249, endedAt: 2_250, expected: 2_250 },
    {
      name: 'one that was later is followed at the phase',
      due: 1_250,
      startedAt: 4_100,
      endedAt: 4_110,
      expected: 4_240,
    },
    { name: 'and intervals that are over are left out', due: 1_250, startedAt: 4_300, endedAt: 4_310, expected: 5_240 },
    {
      name: 'one that took longer than the interval is followed at once',
      due: 1_250,
      startedAt: 1_251,
      endedAt: 2_600,
      expected: 2_600,
    },
    {
      name: 'one that took the whole interval by timers that are early too, though it began late',
      due: 1_250,
      startedAt: 1_251,
      endedAt: 2_250.1,
      expected: 2_250.1,
    },
  ]
  for (const { name, expected, ...run } of cases) {
    it(`says: ${name}`, () => assert.equal(nextDue(run, 0.25, INTERVAL_MS), expected))
  }

  it('lets checks run together whose phases are close, so that they wake the process once', () => {
    const dues = [0.5, 0.505, 0.519, 0.52].map((phase) =>
      nextDue({ due: undefined, startedAt: 0, endedAt: 10 }, phase, INTERVAL_MS),
    )
    assert.deepEqual(dues, [500, 500, 500, 520])
  })

  it('says at once for a check without an interval', () => {
    assert.equal(nextDue({ due: undefined, startedAt: 5, endedAt: 7 }, 0.25, 0), 7)
    assert.equal(nextDue({ due: 7, startedAt: 7, endedAt: 7 }, 0.25, 0), 7)
  })
})
