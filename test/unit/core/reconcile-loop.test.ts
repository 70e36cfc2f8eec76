import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { createBackoff } from '../../../src/core/backoff.ts'
import { ReconcileLoop, type ReconcileResult } from '../../../src/core/reconcile-loop.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

const settleMs = 50
const resyncMs = 30_000

/** A running loop whose passes do what `pass` says, with the time of each pass. */
function startLoop(pass: (count: number, signal: AbortSignal) => Promise<ReconcileResult> = async () => ({})) {
  const clock = new FakeClock()
  const stop = new AbortController()
  const passes: number[] = []
  const errors: { readonly error: unknown; readonly retryInMs: number }[] = []
  const loop = new ReconcileLoop({
    clock,
    backoff: createBackoff({ initialMs: 100, maxMs: 1000, jitter: 0, random: () => 0 }),
    settleMs,
    resyncMs,
    reconcile(signal) {
      passes.push(clock.now())
      return pass(passes.length, signal)
    },
    onError: (error, retryInMs) => errors.push({ error, retryInMs }),
  })
  const running = loop.run(stop.signal)
  const end = async () => {
    stop.abort(new Error('stopped'))
    await running
    assert.equal(clock.pending, 0, 'a timer was left behind')
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0, 'a listener was left behind')
  }
  return { clock, loop, passes, errors, stop, end }
}

describe('ReconcileLoop', () => {
  it('makes a first pass without being asked', async () => {
    const { passes, end } = startLoop()
    await settle()
    assert.deepEqual(passes, [0])
    await end()
  })

  it('runs at once on the first trigger after a quiet time', async () => {
    const { clock, loop, passes, stop, end } = startLoop()
    await clock.advance(1000)
    loop.trigger()
    await settle()
    assert.deepEqual(passes, [0, 1000])
    assert.equal(getEventListeners(stop.signal, 'abort').length, 2, 'that of the settling wait, and one for all others')
    await end()
  })

  it('merges a burst of 100 triggers into the pass at once and one more', async () => {
    const { clock, loop, passes, end } = startLoop()
    await clock.advance(1000)
    for (let n = 0; n < 100; n++) {
      loop.trigger()
      await clock.advance(0.4)
    }
    await clock.advance(1000)
    assert.deepEqual(passes, [0, 1000, 1050])
    await end()
  })

  it('is not starved by triggers that never cease', async () => {
    const { clock, loop, passes, end } = startLoop()
    for (let ms = 0; ms < 500; ms += 10) {
      loop.trigger()
      await clock.advance(10)
    }
    assert.deepEqual(passes, [0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500])
    await end()
  })

  it('makes one more pass after one that was triggered during it', async () => {
    let finish = () => {}
    const { clock, loop, passes, end } = startLoop((count) =>
      count > 1
        ? Promise.resolve({})
        : new Promise((resolve) => {
            finish = () => resolve({})
          }),
    )
    await clock.advance(500)
    loop.trigger()
    loop.trigger()
    await clock.advance(500)
    assert.deepEqual(passes, [0], 'passes never overlap')
    finish()
    await clock.advance(0)
    assert.deepEqual(passes, [0, 1000])
    await clock.advance(1000)
    assert.deepEqual(passes, [0, 1000])
    await end()
  })

  it('makes another pass after resyncMs of silence', async () => {
    const { clock, passes, end } = startLoop()
    await clock.advance(2 * (resyncMs + settleMs))
    assert.equal(passes.length, 3)
    await end()
  })

  it('makes another pass when the last one asked for it', async () => {
    const { clock, passes, end } = startLoop(async (count) => (count === 1 ? { requeueAfterMs: 300 } : {}))
    await clock.advance(299)
    assert.equal(passes.length, 1)
    await clock.advance(1)
    assert.deepEqual(passes, [0, 300])
    await end()
  })

  it('never lets a pass of its own accord delay what a trigger asks for', async () => {
    const { clock, loop, passes, end } = startLoop(async (count) => (count === 1 ? { requeueAfterMs: 300 } : {}))
    await clock.advance(310)
    loop.trigger()
    await clock.advance(10)
    loop.trigger()
    await clock.advance(1000)
    assert.deepEqual(passes, [0, 300, 310, 360])
    await end()
  })

  it('keeps passes apart that ask for the next one at once', async () => {
    const { clock, passes, end } = startLoop(async () => ({ requeueAfterMs: 0 }))
    await clock.advance(110)
    assert.deepEqual(passes, [0, 50, 100])
    await end()
  })

  it('retries a failed pass, each time later, and tells', async () => {
    const { clock, passes, errors, end } = startLoop(() => Promise.reject(new Error('HAProxy is away')))
    await clock.advance(1600)
    assert.deepEqual(passes, [0, 100, 300, 700, 1500])
    assert.deepEqual(
      errors.map(({ error, retryInMs }) => [String(error), retryInMs]),
      [100, 200, 400, 800, 1000].map((retryInMs) => ['Error: HAProxy is away', retryInMs]),
    )
    await end()
  })

  it('forgets its failures after a success', async () => {
    const { clock, loop, errors, end } = startLoop(async (count) => {
      if (count !== 3) throw new Error(`pass ${count}`)
      return {}
    })
    await clock.advance(1000)
    loop.trigger()
    await settle()
    assert.deepEqual(
      errors.map(({ retryInMs }) => retryInMs),
      [100, 200, 100],
    )
    await end()
  })

  it('does not wait for the retry when triggered', async () => {
    const { clock, loop, passes, end } = startLoop((count) =>
      count === 1 ? Promise.reject(new Error('no')) : Promise.resolve({}),
    )
    await clock.advance(60)
    loop.trigger()
    await settle()
    assert.deepEqual(passes, [0, 60])
    await end()
  })

  it('survives a pass that throws before it returns a promise', async () => {
    const { clock, passes, errors, end } = startLoop(() => {
      throw new Error('synchronous')
    })
    await clock.advance(150)
    assert.deepEqual([passes.length, errors.length], [2, 2])
    await end()
  })

  it('ends without a word when aborted during a pass', async () => {
    const { clock, errors, end } = startLoop(
      (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        ),
    )
    await clock.advance(10)
    await end()
    assert.deepEqual(errors, [])
  })

  it('ends at once when aborted while it waits or settles', async () => {
    for (const at of [10, 1000]) {
      const { clock, end } = startLoop()
      await clock.advance(at)
      await end()
    }
  })

  it('makes no pass when aborted before the start', async () => {
    const { passes, end } = startLoop()
    await end() // before the loop had its first turn
    assert.deepEqual(passes, [])
  })

  it('always ends with a successful pass that began after the last trigger', async () => {
    const schedule = fc.array(
      fc.record({
        waitMs: fc.integer({ min: 0, max: 200 }),
        fails: fc.boolean(),
        takesMs: fc.integer({ min: 0, max: 120 }),
      }),
      { maxLength: 20 },
    )
    await fc.assert(
      fc.asyncProperty(schedule, async (steps) => {
        let desired = 0
        let actual = -1
        const { clock, loop, end } = startLoop(async (count) => {
          const read = desired
          const { fails, takesMs } = steps[count - 1] ?? { fails: false, takesMs: 0 }
          await new Promise<void>((resolve) => clock.after(takesMs, resolve))
          if (fails) throw new Error('refused')
          actual = read
          return {}
        })
        for (const { waitMs } of steps) {
          desired += 1
          loop.trigger()
          await clock.advance(waitMs)
        }
        await clock.advance(25_000) // less than resyncMs: only triggers and retries can have done it
        assert.equal(actual, desired)
        await end()
      }),
      { numRuns: 50 },
    )
  })
})
