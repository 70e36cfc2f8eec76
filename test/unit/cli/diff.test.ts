import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type DiffLine, diffLines, withContext } from '../../../src/cli/diff.ts'

const MARKS = { same: ' ', added: '+', removed: '-' } as const
const show = (line: DiffLine | undefined) => (line === undefined ? '...' : `${MARKS[line.kind]}${line.text}`)
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

const cases = [
  { name: 'equal texts', before: ['a', 'b'], after: ['a', 'b'], expected: [' a', ' b'] },
  { name: 'a new text', before: [], after: ['a'], expected: ['+a'] },
  { name: 'an emptied text', before: ['a'], after: [], expected: ['-a'] },
  { name: 'a changed line', before: ['a', 'b', 'c'], after: ['a', 'x', 'c'], expected: [' a', '-b', '+x', ' c'] },
  {
    name: 'a section put between others',
    before: ['one', '\tx', '', 'three', '\tx', ''],
    after: ['one', '\tx', '', 'two', '\tx', '', 'three', '\tx', ''],
    expected: [' one', ' \tx', ' ', '+two', '+\tx', '+', ' three', ' \tx', ' '],
  },
  {
    name: 'lines that change places',
    before: ['a', 'b', 'c'],
    after: ['c', 'a', 'b'],
    expected: ['+c', ' a', ' b', '-c'],
  },
]

describe('diffLines()', () => {
  for (const { name, before, after, expected } of cases) {
    it(`tells ${name}`, () => assert.deepEqual(diffLines(text(before), text(after)).map(show), expected))
  }

  it('holds both texts, whatever they are', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', ''), { maxLength: 30 })
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const diff = diffLines(text(before), text(after))
        const side = (other: DiffLine['kind']) => diff.filter(({ kind }) => kind !== other).map((line) => line.text)
        assert.deepEqual(side('added'), before)
        assert.deepEqual(side('removed'), after)
      }),
    )
  })

  it('takes ten thousand shuffled lines', () => {
    const before = Array.from({ length: 10_000 }, (_, index) => `server s${index}`)
    const after = [...before].sort()
    const diff = diffLines(text(before), text(after))
    assert.deepEqual(
      diff.filter(({ kind }) => kind !== 'removed').map((line) => line.text),
      after,
    )
  })
})

describe('withContext()', () => {
  it('keeps what changed and the lines near it, and marks the gaps', () => {
    const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
    const after = ['a', 'B', 'c', 'd', 'e', 'f', 'g', 'H', 'i']
    const shown = withContext(diffLines(text(before), text(after)), 1).map(show)
    assert.deepEqual(shown, [' a', '-b', '+B', ' c', '...', ' g', '-h', '+H', ' i'])
  })

  it('shows nothing when nothing changed', () => {
    assert.deepEqual(withContext(diffLines('a\n', 'a\n'), 3), [])
  })
})
