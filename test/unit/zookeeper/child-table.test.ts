import assert from 'node:assert/strict'
import { ChildTable } from '../../../src/zookeeper/child-table.ts'

describe('ChildTable', () => {
  function table(): ChildTable {
    return new ChildTable({ dataInName: () => undefined, onEvent: () => {} })
  }

  /** Reads whatever is to be read. */
  function read(children: ChildTable): void {
    for (const child of children.due(1)) {
      children.markRead(child, 1)
      children.store(child, Buffer.from(`data of ${child.name}`))
    }
  }

  const names = (children: ChildTable) => children.children().map(({ name }) => name)

  it('ChildTable keeps the children sorted, whatever the order of listings', () => {
    const children = table()
    for (const listing of [['d', 'b'], ['e', 'd', 'a', 'b'], ['c', 'e', 'a', 'f'], [], ['z', 'a']]) {
      children.merge(listing)
      read(children)
      assert.deepEqual(names(children), listing.toSorted())
    }
  })

  it('ChildTable has a child once that was seen to go and is listed again', () => {
    const children = table()
    children.merge(['a', 'b', 'c'])
    const [, b] = children.due(1)
    read(children)
    b?.onEvent('deleted')
    assert.deepEqual(names(children), ['a', 'c'])
    children.merge(['a', 'b', 'c'])
    assert.deepEqual(
      children.due(1).map(({ name }) => name),
      ['b'],
    )
    read(children)
    assert.deepEqual(names(children), ['a', 'b', 'c'])
  })
})
