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

  const dueOf = (children: ChildTable) => children.due(1).map(({ name }) => name)

  it('ChildTable is told of what is known only, and says once what has changed', () => {
    const children = table()
    assert.equal(children.changed, false)
    children.merge(['a', 'b'])
    assert.equal(children.changed, false, 'a name without data is nothing to publish yet')
    const [a] = children.due(1)
    children.merge(['b'])
    assert.equal(children.changed, false, 'nobody was told of it')
    assert.ok(a !== undefined)
    children.store(a, Buffer.from('late'))
    children.drop(a)
    assert.deepEqual([names(children), children.changed], [[], false])
    read(children)
    assert.deepEqual([names(children), children.changed], [['b'], true])
    children.changed = false
    children.refreshSome(9)
    read(children)
    assert.equal(children.changed, false, 'the same data')
    children.merge([])
    assert.equal(children.changed, true)
  })

  it('ChildTable does not take an answer or an event for one who went and came again', () => {
    const children = table()
    children.merge(['a'])
    const [before] = children.due(1)
    assert.ok(before !== undefined)
    children.merge([])
    children.merge(['a'])
    children.markRead(before, 1)
    assert.deepEqual(dueOf(children), ['a'])
    read(children)
    children.changed = false
    children.store(before, Buffer.from('of its last life'))
    before.onEvent('deleted')
    children.drop(before)
    assert.deepEqual([names(children), children.changed], [['a'], false])
    assert.equal(children.children()[0]?.data.toString(), 'data of a')
  })

  it('ChildTable reads some again, each in its turn', () => {
    const children = table()
    children.merge(['a', 'b', 'c'])
    read(children)
    const turns = Array.from({ length: 3 }, () => {
      children.refreshSome(2)
      const due = dueOf(children)
      read(children)
      return due
    })
    assert.deepEqual(turns, [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
    ])
    children.refreshSome(99)
    assert.deepEqual(dueOf(children), ['a', 'b', 'c'])
  })

  it('ChildTable does not read a child whose name says all', () => {
    const dataInName = (name: string) => (name === 'b' ? Buffer.from('all') : undefined)
    const children = new ChildTable({ dataInName, onEvent: () => {} })
    children.merge(['b'])
    assert.deepEqual([children.changed, names(children), dueOf(children)], [true, ['b'], []])
    children.merge(['a', 'b', 'c'])
    read(children)
    children.refreshSome(3)
    assert.deepEqual(dueOf(children), ['a', 'c'])
  })

  it('ChildTable has nothing after clear()', () => {
    const children = table()
    children.merge(['a', 'b'])
    read(children)
    children.clear()
    assert.deepEqual([names(children), dueOf(children)], [[], []])
    children.merge(['b'])
    assert.deepEqual(dueOf(children), ['b'])
  })
})
