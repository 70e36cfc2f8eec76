import assert from 'node:assert/strict'
import fc from 'fast-check'
import { commonEnds, listDifference } from '../../../src/core/list-difference.ts'

const lists = fc.uniqueArray(fc.nat(8))

describe('listDifference()', () => {
  const cases = [
    { name: 'nothing of two equal lists', now: 'abc', before: 'abc', added: '', gone: '' },
    { name: 'what came at the end', now: 'abc', before: 'ab', added: 'c', gone: '' },
    { name: 'what went from the start', now: 'bc', before: 'abc', added: '', gone: 'a' },
    { name: 'what was replaced in the middle', now: 'axc', before: 'abc', added: 'x', gone: 'b' },
    { name: 'nothing of what only moved', now: 'acb', before: 'abc', added: '', gone: '' },
    { name: 'all of what was empty', now: 'ab', before: '', added: 'ab', gone: '' },
  ]
  for (const { name, now, before, added, gone } of cases) {
    it(`listDifference() finds ${name}`, () => {
      assert.deepEqual(listDifference([...now], [...before]), { added: [...added], gone: [...gone] })
    })
  }

  it('listDifference() is what a comparison of each with each finds (property)', () => {
    fc.assert(
      fc.property(lists, lists, (now, before) => {
        assert.deepEqual(listDifference(now, before), {
          added: now.filter((one) => !before.includes(one)),
          gone: before.filter((one) => !now.includes(one)),
        })
      }),
    )
  })
})

describe('commonEnds()', () => {
  it('commonEnds() counts no item twice', () => {
    assert.deepEqual(commonEnds(['a', 'a'], ['a', 'a', 'a']), { atStart: 2, atEnd: 0 })
    assert.deepEqual(commonEnds(['a', 'b', 'a'], ['a', 'a']), { atStart: 1, atEnd: 1 })
  })
})
