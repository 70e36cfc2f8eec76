import assert from 'node:assert/strict'
import { Queue } from '../../../src/core/queue.ts'

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

  it('Queue is empty after clear()', () => {
    const queue = new Queue<string>()
    for (const item of ['a', 'b', 'c']) queue.push(item)
    queue.shift()
    queue.clear()
    assert.deepEqual([queue.length, queue.items(), queue.shift()], [0, [], undefined])
  })
})
