import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { Pauses, pause, rejectOnAbort, sleep, systemClock } from '../../../src/core/clock.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

const stopped = new Error('stopped')
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

/** How a promise stands, without waiting for it. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = 'pending'
  promise.then(
    () => {
      state = 'resolved'
    },
    (error: unknown) => {
      state = `rejected: ${error instanceof Error ? error.message : String(error)}`
    },
  )
  await settle()
  return state
}

describe('systemClock', () => {
  it('now() never goes back, and runs at the pace of real time', async () => {
    const before = systemClock.now()
    await new Promise<void>((resolve) => systemClock.after(20, resolve))
    const elapsed = systemClock.now() - before
    assert.ok(elapsed >= 19 && elapsed < 15_000, `${elapsed}`)
  })

  it('after() takes a time that has passed already for now, without a complaint of Node', async () => {
    const warnings: string[] = []
    const onWarning = ({ name }: Error) => warnings.push(name)
    process.on('warning', onWarning)
    try {
      await new Promise<void>((resolve) => systemClock.after(-5, resolve))
      assert.deepEqual(warnings, [])
    } finally {
      process.off('warning', onWarning)
    }
  })

  it('wallTime() is the date', () => {
    assert.ok(Math.abs(systemClock.wallTime() - Date.now()) < 1000)
  })

  it('after() calls back nothing once cancelled, however often', async () => {
    const calls: string[] = []
    const cancel = systemClock.after(1, () => calls.push('cancelled one'))
    cancel()
    cancel()
    await new Promise<void>((resolve) => systemClock.after(15, resolve))
    assert.deepEqual(calls, [])
  })
})

describe('sleep()', () => {
  it('resolves when the time is over, not before, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const { signal } = new AbortController()
    const asleep = sleep(clock, 100, signal)
    await clock.advance(99)
    assert.equal(await stateOf(asleep), 'pending')
    await clock.advance(1)
    assert.equal(await stateOf(asleep), 'resolved')
    assert.deepEqual([clock.pending, listeners(signal)], [0, 0])
  })

  it('rejects with the reason when aborted, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const asleep = sleep(clock, 100, stop.signal)
    stop.abort(stopped)
    await assert.rejects(asleep, stopped)
    assert.deepEqual([clock.pending, listeners(stop.signal)], [0, 0])
  })

  it('rejects at once, without a timer, when aborted before', async () => {
    const clock = new FakeClock()
    await assert.rejects(sleep(clock, 100, AbortSignal.abort(stopped)), stopped)
    assert.equal(clock.pending, 0)
  })
})

describe('pause()', () => {
  it('resolves when aborted, and when the time is over', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const [aborted, finished] = [pause(clock, 100, stop.signal), pause(clock, 50, new AbortController().signal)]
    stop.abort(stopped)
    await aborted
    await clock.advance(50)
    await finished
    assert.equal(clock.pending, 0)
  })

  it('rejects when the clock itself fails', async () => {
    const broken = new FakeClock()
    broken.after = () => {
      throw new RangeError('no timers left')
    }
    await assert.rejects(pause(broken, 1, new AbortController().signal), /no timers left/)
  })
})

describe('Pauses', () => {
  it('resolves each when its time is over, and listens to the signal once for all', async () => {
    const clock = new FakeClock()
    const { signal } = new AbortController()
    const pauses = new Pauses(clock, signal)
    for (const ms of [100, 50]) {
      const paused = pauses.next(ms)
      await clock.advance(ms - 1)
      assert.equal(await stateOf(paused), 'pending')
      await clock.advance(1)
      assert.equal(await stateOf(paused), 'resolved')
    }
    assert.deepEqual([clock.pending, listeners(signal)], [0, 1])
  })

  it('end with the signal, the one under way and every later one, and leave no timer', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const pauses = new Pauses(clock, stop.signal)
    const paused = pauses.next(100)
    stop.abort(stopped)
    await paused
    await pauses.next(100)
    assert.equal(clock.pending, 0)
  })
})

describe('rejectOnAbort()', () => {
  it('settles as the work does, and leaves no listener', async () => {
    const { signal } = new AbortController()
    assert.equal(await rejectOnAbort(Promise.resolve(1), signal), 1)
    await assert.rejects(rejectOnAbort(Promise.reject(new RangeError('no')), signal), /no/)
    await settle()
    assert.equal(listeners(signal), 0)
  })

  it('rejects with the reason when aborted, before or during', async () => {
    const stop = new AbortController()
    const during = rejectOnAbort(new Promise(() => {}), stop.signal)
    stop.abort(stopped)
    await assert.rejects(during, stopped)
    await assert.rejects(rejectOnAbort(new Promise(() => {}), stop.signal), stopped)
  })

  it('drops a failure of the work that comes after the abort', async () => {
    const stop = new AbortController()
    let fail: (error: Error) => void = () => {}
    const work = new Promise<never>((_, reject) => {
      fail = reject
    })
    const guarded = rejectOnAbort(work, stop.signal)
    stop.abort(stopped)
    await assert.rejects(guarded, stopped)
    fail(new Error('too late to matter')) // an unhandled rejection would fail this test
    await settle()
  })
})
