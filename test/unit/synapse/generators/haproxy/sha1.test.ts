import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { sha1Hex } from '../../../../../src/synapse/generators/haproxy/sha1.ts'

describe('sha1Hex()', () => {
  it('agrees with OpenSSL at every length around a block', () => {
    for (let length = 0; length < 200; length++) {
      const text = 'a'.repeat(length)
      assert.equal(sha1Hex(text), createHash('sha1').update(text).digest('hex'))
    }
  })

  it('agrees with OpenSSL on any text (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) =>
        assert.equal(sha1Hex(text), createHash('sha1').update(text, 'utf8').digest('hex')),
      ),
    )
  })
})
