import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { WakeUp } from '../../../src/core/wake-up.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

describe('WakeUp', () => {
  let clock: FakeClock
  let wakeUp: WakeUp
  let stop: AbortController
  let ended: boolean
  beforeEach(() => {
    clock = new FakeClock()
    wakeUp = new WakeUp()
    stop = new AbortController()
    ended = false
  })

  function wait(ms: number): Promise<void> {
    return wakeUp.wait(clock, ms, stop.signal).then(() => {
      ended = true
    })
  }

  it('WakeUp waits as long as it was told', async () => {
    const waiting = wait(100)
    await clock.advance(99)
    assert.equal(ended, false)
    await clock.advance(1)
    await waiting
    assert.equal(clock.pending, 0)
  })

  it('WakeUp ends a wait when woken, and leaves no timer behind', async () => {
    const waiting = wait(100)
    wakeUp.wake()
    await waiting
    assert.equal(clock.pending, 0)
  })

  it('WakeUp ends a wait when the signal aborts, and leaves no timer behind', async () => {
    const waiting = wait(100)
    stop.abort()
    await waiting
    assert.equal(clock.pending, 0)
  })

  it('WakeUp listens to the signal once, however often it waits', async () => {
    for (const end of [() => wakeUp.wake(), () => clock.advance(100), () => clock.advance(100)]) {
      const waiting = wait(100)
      await end()
      await waiting
      assert.equal(getEventListeners(stop.signal, 'abort').length, 1)
    }
    const waiting = wait(100)
    stop.abort()
    await waiting
  })

  it('WakeUp obeys the signal of the present wait', async () => {
    const first = wait(100)
    await clock.advance(100)
    await first
    const other = new AbortController()
    ended = false
    const second = wakeUp.wait(clock, 100, other.signal).then(() => {
      ended = true
    })
    stop.abort()
    await settle()
    assert.equal(ended, false)
    other.abort()
    await second
    assert.equal(clock.pending, 0)
  })

  it('WakeUp does not wait for nothing, or after the end', async () => {
    await wait(0)
    stop.abort()
    await wait(100)
    assert.equal(clock.pending, 0)
  })

  it('WakeUp forgets a call that nobody waited for', async () => {
    wakeUp.wake()
    const waiting = wait(100)
    await clock.advance(50)
    assert.equal(ended, false)
    await clock.advance(50)
    await waiting
  })
})
