import assert from 'node:assert/strict'
import fc from 'fast-check'
import { editDistance, nearestKey } from '../../../../src/core/config/nearest-key.ts'

const known = ['timeout', 'type', 'rise', 'fall', 'host', 'port', 'check_interval', 'zk_hosts']

describe('nearestKey()', () => {
  const cases = [
    { name: 'a missing letter', key: 'timout', expected: 'timeout' },
    { name: 'swapped letters', key: 'tpye', expected: 'type' },
    { name: 'a letter too many', key: 'riise', expected: 'rise' },
    { name: 'camelCase', key: 'checkInterval', expected: 'check_interval' },
    { name: 'a hyphen', key: 'zk-hosts', expected: 'zk_hosts' },
    { name: 'upper case', key: 'HOST', expected: 'host' },
    { name: 'a plural', key: 'ports', expected: 'port' },
    { name: 'nothing near', key: 'colour', expected: undefined },
    { name: 'a short word that shares no more than a letter', key: 'is', expected: undefined },
    { name: 'an empty key', key: '', expected: undefined },
  ]
  for (const { name, key, expected } of cases) {
    it(`nearestKey() finds ${expected ?? 'nothing'} for ${name}`, () => {
      assert.equal(nearestKey(key, known), expected)
    })
  }

  it('nearestKey() prefers the nearer of two', () => {
    assert.equal(nearestKey('zk_path', ['zk_paths', 'zk_path_']), 'zk_path_')
  })
})

describe('editDistance()', () => {
  it('editDistance() is symmetric, zero only for equal words, and at most the longer length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const distance = editDistance(a, b)
        assert.equal(distance, editDistance(b, a))
        assert.equal(distance === 0, a === b)
        assert.ok(distance <= Math.max(a.length, b.length))
      }),
    )
  })

  it('editDistance() counts a swap of neighbours as one', () => {
    assert.equal(editDistance('type', 'tpye'), 1)
  })

  it('editDistance() stops at the limit', () => {
    assert.equal(editDistance('abcdef', 'uvwxyz', 3), 3)
  })
})
