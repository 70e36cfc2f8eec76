import assert from 'node:assert/strict'
import fc from 'fast-check'
import { WrittenList } from '../../../src/core/written-list.ts'

interface Item {
  readonly name: string
}

const items: readonly Item[] = ['a', 'bb', 'ccc', 'd\u00e4', '', 'f'].map((name) => ({ name }))
const some = fc.shuffledSubarray([...items])

describe('WrittenList', () => {
  let made: string[]
  let list: WrittenList<Item>
  beforeEach(() => {
    made = []
    list = new WrittenList(({ name }) => {
      made.push(name)
      return `<${name}>`
    })
  })
  const [a, b, c] = items as [Item, Item, Item]
  const write = (...written: Item[]) => list.write(written).toString()

  it('WrittenList writes a line for each item', () => {
    assert.equal(write(), '')
    assert.equal(write(a, b), '<a>\n<bb>\n')
  })

  it('WrittenList makes only the lines that are new', () => {
    write(a, c)
    made = []
    assert.equal(write(a, b, c), '<a>\n<bb>\n<ccc>\n')
    assert.deepEqual(made, ['bb'])
    assert.equal(write(b, c), '<bb>\n<ccc>\n')
    assert.deepEqual(made, ['bb'])
  })

  it('WrittenList gives the same bytes again while the items are the same', () => {
    const before = list.write([a, b])
    assert.ok(list.write([a, b]) === before, 'it is another object')
  })

  it('WrittenList never changes what it gave before', () => {
    const before = list.write([a, b])
    list.write([c, b])
    assert.equal(before.toString(), '<a>\n<bb>\n')
  })

  it('WrittenList writes the same whatever was written before (property)', () => {
    fc.assert(
      fc.property(fc.array(some, { maxLength: 5 }), (lists) => {
        const reused = new WrittenList(({ name }: Item) => name)
        for (const one of lists) {
          assert.equal(reused.write(one).toString(), one.map(({ name }) => `${name}\n`).join(''))
        }
      }),
    )
  })
})
