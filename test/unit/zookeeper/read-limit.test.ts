import assert from 'node:assert/strict'
import { ReadLimit } from '../../../src/zookeeper/read-limit.ts'
import { settle } from '../../harness/fake-clock.ts'

/** Work that ends when told, and what of it has begun, in order. */
function manualWork() {
  const begun: number[] = []
  const ends = new Map<number, (error?: Error) => void>()
  return {
    begun,
    start: (id: number) => () => {
      begun.push(id)
      return new Promise<void>((resolve, reject) => {
        ends.set(id, (error) => (error === undefined ? resolve() : reject(error)))
      })
    },
    async end(...ids: readonly number[]) {
      for (const id of ids) ends.get(id)?.()
      await settle()
    },
    async fail(id: number) {
      ends.get(id)?.(new Error(`failed ${id}`))
      await settle()
    },
  }
}

describe('ReadLimit', () => {
  it('ReadLimit.run() starts at once what may run, and lets the rest wait in order', async () => {
    const limit = new ReadLimit(4)
    const work = manualWork()
    for (let id = 0; id < 8; id++) void limit.run(work.start(id))
    await settle()
    assert.deepEqual(work.begun, [0, 1, 2, 3])
  })

  it('ReadLimit.run() starts what waits together, when half of what ran has ended', async () => {
    const limit = new ReadLimit(4)
    const work = manualWork()
    for (let id = 0; id < 8; id++) void limit.run(work.start(id))
    await work.end(2)
    assert.deepEqual(work.begun, [0, 1, 2, 3])
    await work.end(0)
    assert.deepEqual(work.begun, [0, 1, 2, 3, 4, 5])
    await work.end(1, 3, 4, 5)
    assert.deepEqual(work.begun, [0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('ReadLimit.run() lets nobody overtake those that wait', async () => {
    const limit = new ReadLimit(4)
    const work = manualWork()
    for (let id = 0; id < 5; id++) void limit.run(work.start(id))
    await work.end(0)
    void limit.run(work.start(5))
    await settle()
    assert.deepEqual(work.begun, [0, 1, 2, 3])
    await work.end(1)
    assert.deepEqual(work.begun, [0, 1, 2, 3, 4, 5])
  })

  it('ReadLimit.run() passes failures on, and frees their place', async () => {
    const limit = new ReadLimit(1)
    const work = manualWork()
    const failing = assert.rejects(limit.run(work.start(0)), /failed 0/)
    void limit.run(work.start(1))
    await work.fail(0)
    await failing
    assert.deepEqual(work.begun, [0, 1])
  })

  it('ReadLimit.forEach() works through more items than may run at once, each once', async () => {
    const limit = new ReadLimit(3)
    const items = Array.from({ length: 1_000 }, (_, index) => index + 1)
    let running = 0
    let most = 0
    const done: number[] = []
    await limit.forEach(items, async (item) => {
      most = Math.max(most, ++running)
      await settle()
      running -= 1
      done.push(item)
    })
    assert.equal(most, 3)
    assert.deepEqual(
      done.toSorted((one, two) => one - two),
      items,
    )
  })

  it('ReadLimit.forEach() stops at the first failure and throws it', async () => {
    const limit = new ReadLimit(2)
    const done: number[] = []
    const work = limit.forEach([1, 2, 3, 4, 5, 6], async (item) => {
      await settle()
      if (item === 2) throw new Error('two')
      done.push(item)
    })
    await assert.rejects(work, /two/)
    assert.ok(done.length < 5, `stopped: ${done}`)
  })
})
