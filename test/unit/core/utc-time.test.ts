import assert from 'node:assert/strict'
import fc from 'fast-check'
import { formatUtc } from '../../../src/core/utc-time.ts'

const YEAR_0 = Date.parse('0000-01-01T00:00:00.000Z')
const YEAR_9999 = Date.parse('9999-12-31T23:59:59.999Z')

describe('formatUtc', () => {
  it('writes each part with all its digits', () => {
    assert.equal(formatUtc(Date.UTC(2026, 0, 2, 3, 4, 5, 6)), '2026-01-02T03:04:05.006Z')
  })

  it('writes what toISOString writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: YEAR_0, max: YEAR_9999 }), (ms) => {
        assert.equal(formatUtc(ms), new Date(ms).toISOString())
      }),
    )
  })
})
