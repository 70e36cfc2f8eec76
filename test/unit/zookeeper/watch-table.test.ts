import assert from 'node:assert/strict'
import { WatchTable, watchEventOf } from '../../../src/zookeeper/watch-table.ts'

const nothing = () => {}

describe('watchEventOf()', () => {
  it('knows the four events of a node and ignores all other numbers', () => {
    assert.deepEqual([1, 2, 3, 4].map(watchEventOf), ['created', 'deleted', 'changed', 'children'])
    assert.deepEqual([-1, 0, 5, 6, 99].map(watchEventOf), Array(5).fill(undefined))
  })
})

describe('WatchTable', () => {
  const cases = [
    { event: 'created', fires: ['data', 'exist'] },
    { event: 'changed', fires: ['data', 'exist'] },
    { event: 'deleted', fires: ['data', 'exist', 'child'] },
    { event: 'children', fires: ['child'] },
  ] as const
  for (const { event, fires } of cases) {
    it(`fires ${fires.join(', ')} watches of a path that was ${event}`, () => {
      const table = new WatchTable()
      const listeners = { data: () => {}, exist: () => {}, child: () => {} }
      for (const kind of ['data', 'exist', 'child'] as const) table.add(kind, '/a', listeners[kind])
      assert.deepEqual(
        table.take(event, '/a'),
        fires.map((kind) => listeners[kind]),
      )
    })
  }

  it('fires a watch once', () => {
    const table = new WatchTable()
    table.add('data', '/a', nothing)
    assert.equal(table.take('changed', '/a').length, 1)
    assert.equal(table.take('changed', '/a').length, 0)
  })

  it('fires only what watches that path', () => {
    const table = new WatchTable()
    table.add('data', '/a', nothing)
    assert.deepEqual(table.take('changed', '/b'), [])
    assert.deepEqual(table.paths().data, ['/a'])
  })

  it('counts the same listener on a path once, and other listeners each', () => {
    const table = new WatchTable()
    for (let times = 0; times < 3; times++) table.add('child', '/a', nothing)
    table.add('child', '/a', () => {})
    assert.equal(table.take('children', '/a').length, 2)
  })

  it('calls a listener once that waits for two kinds', () => {
    const table = new WatchTable()
    table.add('data', '/a', nothing)
    table.add('child', '/a', nothing)
    assert.equal(table.take('deleted', '/a').length, 1)
  })

  it('lists the paths by kind, without those that have fired', () => {
    const table = new WatchTable()
    table.add('data', '/a', nothing)
    table.add('exist', '/b', nothing)
    table.add('child', '/a', nothing)
    table.add('child', '/c', nothing)
    table.take('children', '/c')
    assert.deepEqual(table.paths(), { data: ['/a'], exist: ['/b'], child: ['/a'] })
  })
})
