import assert from 'node:assert/strict'
import { Queue } from '../../../src/core/queue.ts'
import { collectGarbage } from '../../harness/garbage.ts'

describe('Queue', () => {
  it('Queue gives back what was put in, in order, also when both alternate', () => {
    const queue = new Queue<number>()
    const taken: (number | undefined)[] = []
    for (let round = 0; round < 3; round++) {
      queue.push(round * 2)
      queue.push(round * 2 + 1)
      taken.push(queue.shift())
    }
    assert.deepEqual([taken, queue.length, queue.first, queue.items()], [[0, 1, 2], 3, 3, [3, 4, 5]])
    assert.deepEqual([queue.shift(), queue.shift(), queue.shift(), queue.shift()], [3, 4, 5, undefined])
    queue.push(7)
    assert.deepEqual([queue.length, queue.shift(), queue.length, queue.first], [1, 7, 0, undefined])
  })

  it('Queue keeps no room for what was taken out', () => {
    const queue = new Queue<number>()
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let item = 0; item < 2_000_000; item++) {
      queue.push(item)
      queue.shift()
    }
    collectGarbage()
    assert.ok(process.memoryUsage().heapUsed - before < 4_000_000, 'two million places would take 16 MB')
    assert.equal(queue.length, 0)
  })

  it('Queue is empty after clear()', () => {
    const queue = new Queue<string>()
    for (const item of ['a', 'b', 'c']) queue.push(item)
    queue.shift()
    queue.clear()
    assert.deepEqual([queue.length, queue.items(), queue.shift()], [0, [], undefined])
  })
})
