import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { SmartStackError } from '../../../src/core/errors.ts'
import { TimeLimit, withDeadline } from '../../../src/core/time-limit.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

const stopped = new Error('stopped')
const late = (lateMs: number) => new Error(`too late by ${lateMs}`)
const never = () => new Promise<never>(() => {})
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

describe('TimeLimit', () => {
  let clock: FakeClock
  let limit: TimeLimit

  beforeEach(() => {
    clock = new FakeClock()
    limit = new TimeLimit(clock, 100, late)
  })
  afterEach(() => assert.equal(clock.pending, 0, 'no timer is left'))

  /** The signal that a run gets which ends well. */
  const signalOf = (): Promise<AbortSignal> => limit.run(async (signal) => signal)

  it('counts the time of each run from its own start', async () => {
    await clock.advance(1000)
    for (let round = 0; round < 2; round++) {
      const run = assert.rejects(limit.run(never), /too late by 0/)
      await clock.advance(99)
      assert.equal(clock.pending, 1)
      await clock.advance(1)
      await run
      assert.equal(limit.isStopped, false)
    }
  })

  it('says how late it noticed that the time was over', async () => {
    class StandingClock extends FakeClock {
      stoodStillMs = 0
      override now(): number {
        return super.now() + this.stoodStillMs
      }
    }
    const standing = new StandingClock()
    const run = assert.rejects(new TimeLimit(standing, 100, late).run(never), /too late by 250/)
    standing.stoodStillMs = 250
    await standing.advance(100)
    await run
  })

  it('gives the next run the same signal after one that ended by itself, well or not', async () => {
    const first = await signalOf()
    await assert.rejects(
      limit.run(() => Promise.reject(stopped)),
      stopped,
    )
    assert.equal(await signalOf(), first)
  })

  for (const [how, abort] of [
    ['missed', () => clock.advance(100)],
    ['stopped', () => limit.stop(stopped)],
  ] as const) {
    it(`gives the next run another signal after one that was ${how}`, async () => {
      const used: AbortSignal[] = []
      const run = assert.rejects(
        limit.run((signal) => {
          used.push(signal)
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(stopped), { once: true }))
        }),
      )
      await abort()
      await run
      await settle()
      const next = await signalOf()
      assert.deepEqual([used.map(({ aborted }) => aborted), next.aborted], [[true], false])
    })
  }

  it('gives the next run another signal when something still listens to the last one', async () => {
    const first = await limit.run(async (signal) => {
      signal.addEventListener('abort', () => {})
      return signal
    })
    assert.notEqual(await signalOf(), first)
  })

  it('does not share a signal between runs that overlap, and each keeps its own time', async () => {
    const signals: AbortSignal[] = []
    const run = () =>
      limit.run((signal) => {
        signals.push(signal)
        return never()
      })
    await signalOf()
    const first = assert.rejects(run(), /too late/)
    await clock.advance(60)
    const second = assert.rejects(run(), /too late/)
    await clock.advance(40)
    await first
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, false],
    )
    await clock.advance(60)
    await second
  })

  it('stop() ends the run under way with its reason, and says so until the next one', async () => {
    const run = assert.rejects(limit.run(never), stopped)
    limit.stop(stopped)
    await run
    assert.equal(limit.isStopped, true)
    await signalOf()
    assert.equal(limit.isStopped, false)
  })

  it('stop() between two runs does nothing', async () => {
    const first = await signalOf()
    limit.stop(stopped)
    assert.deepEqual([limit.isStopped, first.aborted], [false, false])
    assert.equal(await signalOf(), first)
  })
})

describe('withDeadline()', () => {
  it('returns what the work returns, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const { signal } = new AbortController()
    assert.equal(await withDeadline(clock, 100, 'the answer', signal, async () => 42), 42)
    assert.deepEqual([clock.pending, listeners(signal)], [0, 0])
  })

  it('rejects with the error of the work, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const failing = withDeadline(clock, 100, 'it', new AbortController().signal, async () => {
      throw new RangeError('refused')
    })
    await assert.rejects(failing, /^RangeError: refused$/)
    assert.equal(clock.pending, 0)
  })

  it('rejects at the deadline although the work never settles, and tells the work', async () => {
    const clock = new FakeClock()
    let seen: AbortSignal | undefined
    const stuck = withDeadline(clock, 250, 'PING of redis', new AbortController().signal, (signal) => {
      seen = signal
      return new Promise(() => {})
    })
    await clock.advance(249)
    assert.equal(await stateOf(stuck), 'pending')
    await clock.advance(1)
    await assert.rejects(stuck, (error: unknown) => {
      assert.ok(error instanceof SmartStackError)
      assert.deepEqual(
        [error.code, error.retryable, error.message],
        ['DEADLINE', true, 'PING of redis took longer than 250 ms'],
      )
      return true
    })
    assert.equal(seen?.aborted, true)
  })

  it('rejects with the outer reason at once, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const stuck = withDeadline(clock, 100, 'it', stop.signal, () => new Promise(() => {}))
    stop.abort(stopped)
    await assert.rejects(stuck, stopped)
    assert.deepEqual([clock.pending, listeners(stop.signal)], [0, 0])
  })

  it('does not begin when aborted before', async () => {
    let began = false
    const work = async () => {
      began = true
    }
    await assert.rejects(withDeadline(new FakeClock(), 100, 'it', AbortSignal.abort(stopped), work), stopped)
    assert.equal(began, false)
  })

  it('rejects with the error of work that throws before it returns a promise, and leaves nothing behind', async () => {
    const clock = new FakeClock()
    const { signal } = new AbortController()
    const throwing = withDeadline(clock, 100, 'it', signal, () => {
      throw new RangeError('synchronous')
    })
    await assert.rejects(throwing, /synchronous/)
    assert.deepEqual([clock.pending, listeners(signal)], [0, 0])
  })
})

/** How a promise stands, without waiting for it. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = 'pending'
  promise.then(
    () => {
      state = 'resolved'
    },
    () => {
      state = 'rejected'
    },
  )
  await settle()
  return state
}
