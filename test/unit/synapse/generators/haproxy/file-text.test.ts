import assert from 'node:assert/strict'
import fc from 'fast-check'
import { FileText } from '../../../../../src/synapse/generators/haproxy/file-text.ts'

const cut = (...pieces: string[]) => new FileText(pieces.map((piece) => Buffer.from(piece)))

describe('FileText', () => {
  it('FileText.equals() looks at the text, not at how it is cut', () => {
    assert.ok(cut('a', 'bc').equals(cut('ab', 'c')), 'cut elsewhere')
    assert.ok(cut('abc').equals(cut('', 'abc', '')), 'with empty pieces')
    assert.ok(!cut('a', 'bc').equals(cut('a', 'bd')), 'another text, cut alike')
    assert.ok(!cut('a', 'bc').equals(cut('ab', 'd')), 'another text, cut elsewhere')
    assert.ok(!cut('abc').equals(cut('ab')), 'a shorter text')
    assert.ok(!cut('ab').equals(cut('ab', 'c')), 'a longer text')
  })

  it('FileText.equals() is as comparing the strings (property)', () => {
    const text = fc.array(fc.constantFrom('', 'a', 'b', 'aa', 'ab', '\u00e4'), { maxLength: 4 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(cut(...a).equals(cut(...b)), a.join('') === b.join(''))
        assert.equal(cut(...a).toString(), a.join(''))
      }),
    )
  })
})
