import assert from 'node:assert/strict'
import type { Clock } from '../../../../src/core/clock.ts'
import { runUnder } from '../../../../src/core/time-limit.ts'
import { createLimit, DeadlineMissed } from '../../../../src/nerve/checks/deadline.ts'
import { FakeClock } from '../../../harness/fake-clock.ts'

const never = () => new Promise<never>(() => {})
const going = new AbortController().signal

function within<T>(
  clock: Clock,
  ms: number,
  waitingFor: () => string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return runUnder(signal, createLimit(clock, ms, waitingFor), work)
}

describe('createLimit()', () => {
  it('resolves as the work does, and leaves no timer', async () => {
    const clock = new FakeClock()
    assert.equal(
      await within(
        clock,
        100,
        () => 'answer',
        going,
        async () => 7,
      ),
      7,
    )
    assert.equal(clock.pending, 0)
  })

  it('passes on what the work throws', async () => {
    const clock = new FakeClock()
    await assert.rejects(
      within(
        clock,
        100,
        () => 'answer',
        going,
        () => Promise.reject(new Error('refused')),
      ),
      /^Error: refused$/,
    )
  })

  it('says at the deadline what had not come by then', async () => {
    const clock = new FakeClock()
    let awaited = 'greeting'
    const outcome = within(clock, 100, () => awaited, going, never)
    const rejected = assert.rejects(outcome, (error) => {
      assert.ok(error instanceof DeadlineMissed)
      assert.equal(error.message, 'no answer within 100 ms')
      assert.deepEqual([error.limitMs, error.lateMs], [100, 0])
      return true
    })
    await clock.advance(99)
    awaited = 'answer'
    await clock.advance(1)
    await rejected
  })

  it('keeps the sentence of an inner phase', async () => {
    const clock = new FakeClock()
    const outcome = within(
      clock,
      100,
      () => 'answer',
      going,
      (signal) => within(clock, 50, () => 'connection', signal, never),
    )
    const rejected = assert.rejects(outcome, /^DeadlineMissed|no connection within 50 ms/)
    await clock.advance(50)
    await rejected
  })

  it("rejects with the outer signal's reason", async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const outcome = within(clock, 100, () => 'answer', stop.signal, never)
    stop.abort(new Error('stopped'))
    await assert.rejects(outcome, /stopped/)
    assert.equal(clock.pending, 0)
  })
})
