import assert from 'node:assert/strict'
import { ReloadReasons } from '../../../../../src/synapse/generators/haproxy/reload-reasons.ts'

describe('ReloadReasons', () => {
  const sift = (reasons: ReloadReasons, current: readonly string[], isOutdated?: boolean) => {
    const { wanted, givenUp } = reasons.sift(current, isOutdated)
    return { wanted: [...wanted], givenUp }
  }

  it('ReloadReasons.sift() gives up what a reload has not settled, says so once, and until it goes away', () => {
    const reasons = new ReloadReasons()
    assert.deepEqual(sift(reasons, ['a', 'b']), { wanted: ['a', 'b'], givenUp: [] })
    reasons.reloaded(['a', 'b'])
    assert.deepEqual(sift(reasons, ['a', 'c']), { wanted: ['c'], givenUp: ['a'] })
    assert.deepEqual(sift(reasons, ['a']), { wanted: [], givenUp: [] })
    assert.deepEqual(reasons.stubborn, ['a'])
    assert.deepEqual(sift(reasons, []), { wanted: [], givenUp: [] })
    assert.deepEqual(sift(reasons, ['a']), { wanted: ['a'], givenUp: [] })
  })

  it('ReloadReasons.sift() does not give up what changed while HAProxy was reloaded, in the same words', () => {
    const reasons = new ReloadReasons()
    reasons.reloaded(['a'])
    assert.deepEqual(sift(reasons, ['a'], true), { wanted: ['a'], givenUp: [] })
    assert.deepEqual(reasons.stubborn, [])
    reasons.reloaded(['a'])
    assert.deepEqual(sift(reasons, ['a'], false), { wanted: [], givenUp: ['a'] })
  })
})
