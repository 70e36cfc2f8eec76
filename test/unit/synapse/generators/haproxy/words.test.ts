import assert from 'node:assert/strict'
import { plainValue, splitWords } from '../../../../../src/synapse/generators/haproxy/words.ts'

describe('splitWords()', () => {
  const cases = [
    { name: 'cuts at blanks, tabs and line breaks', text: ' a  b\tc\nd\r\n', words: ['a', 'b', 'c', 'd'] },
    { name: 'keeps quoted blanks together', text: `a "b c" 'd e'f`, words: ['a', '"b c"', `'d e'f`] },
    {
      name: 'keeps escaped blanks and quotes',
      text: String.raw`a\ b \" \\ \#`,
      words: [String.raw`a\ b`, '\\"', '\\\\', '\\#'],
    },
    { name: 'ends at a comment', text: 'a b#c d', words: ['a', 'b'] },
    { name: 'takes a quoted # for itself', text: `"#a" '#b'`, words: ['"#a"', "'#b'"] },
    { name: 'finds no words in nothing', text: ' \t ', words: [] },
  ]
  for (const { name, text, words } of cases) {
    it(name, () => assert.deepEqual(splitWords(text), { ok: true, words }))
  }

  for (const text of ['a "b', "a 'b", 'a\\', 'a "b\\"']) {
    it(`refuses ${JSON.stringify(text)}: it has no end`, () => {
      assert.deepEqual(splitWords(text), { ok: false, reason: 'a quote or a backslash has no end' })
    })
  }

  it('refuses control characters, also in quotes', () => {
    assert.deepEqual(splitWords('a "b\nc"'), { ok: false, reason: 'control characters are not allowed' })
    assert.deepEqual(splitWords('a\u0000b'), { ok: false, reason: 'control characters are not allowed' })
  })
})

describe('plainValue()', () => {
  it('takes quotes and backslashes off', () => {
    assert.equal(plainValue('str(a)'), 'str(a)')
    assert.equal(plainValue('"str(a)"'), 'str(a)')
    assert.equal(plainValue(`a'b'"c"`), 'abc')
    assert.equal(plainValue('a\\,b'), 'a,b')
  })

  it('has no value for what the Runtime API cannot be told', () => {
    for (const word of ['"a b"', 'a\\ b', '"$HOME"', '"a$HOME"', "'a;b'", "'#'", `'"'`, '"\\\\"']) {
      assert.equal(plainValue(word), undefined, word)
    }
  })
})
