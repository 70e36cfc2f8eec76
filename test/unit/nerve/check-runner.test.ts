import assert from 'node:assert/strict'
import { createMetrics } from '../../../src/core/metrics.ts'
import { type CheckRunnerOptions, createCheckRunner, runCheck } from '../../../src/nerve/check-runner.ts'
import type { Check } from '../../../src/nerve/checks/check.ts'
import { createLimit } from '../../../src/nerve/checks/deadline.ts'
import type { CheckResult } from '../../../src/nerve/health.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

const never: Check = { run: () => new Promise(() => {}) }
const pass: CheckResult = { ok: true }
const noAnswer: CheckResult = { ok: false, reason: 'no answer within 100 ms' }

/** A runner on a fake clock, with all that came of it. */
function start(options: Partial<CheckRunnerOptions> & { readonly clock?: FakeClock } = {}) {
  const clock = options.clock ?? new FakeClock()
  const stop = new AbortController()
  const results: CheckResult[] = []
  const starts: number[] = []
  const metrics = createMetrics()
  const { check = { run: async () => {} } } = options
  const runner = createCheckRunner({
    name: 'web tcp',
    type: 'tcp',
    service: 'web',
    intervalMs: 500,
    timeoutMs: 100,
    phase: 0,
    metrics,
    onResult: (result) => results.push(result),
    ...options,
    clock,
    check: {
      ...check,
      run(signal) {
        starts.push(clock.now())
        return check.run(signal)
      },
    },
  })
  const done = runner.run(stop.signal)
  return { clock, stop, results, starts, metrics, done, runner }
}

/** A check whose runs take `ms` of the clock. */
const taking = (clock: FakeClock, ms: number): Check => ({
  run: () => new Promise((resolve) => void clock.after(ms, resolve)),
})

/** What a run of a check comes to, when told. */
interface Answer {
  readonly promise: Promise<void>
  resolve(): void
  reject(reason: Error): void
}

function openAnswer(): Answer {
  let answer: Pick<Answer, 'resolve' | 'reject'> = { resolve() {}, reject() {} }
  const promise = new Promise<void>((resolve, reject) => {
    answer = { resolve, reject }
  })
  return { promise, ...answer }
}

/** A clock whose timers fire `lateMs` after their time, as on a stalled event loop. */
class LateClock extends FakeClock {
  lateMs = 0
  override after(ms: number, callback: () => void): () => void {
    return super.after(ms > 0 ? ms + this.lateMs : ms, callback)
  }
}

describe('createCheckRunner()', () => {
  it('runs the check at the start of each interval and tells every verdict', async () => {
    const verdicts = [true, false, true]
    const check: Check = {
      run: async () => {
        if (!verdicts.shift()) throw new Error('status 503')
      },
    }
    const { clock, results, starts, stop, done } = start({ check })
    await clock.advance(1000)
    assert.deepEqual(starts, [0, 500, 1000])
    assert.deepEqual(results, [pass, { ok: false, reason: 'status 503' }, pass])
    stop.abort()
    await done
  })

  const phases = [
    { name: 'comes at once when that is 0', phase: 0, intervalMs: 500, expected: [0, 500, 1000] },
    { name: 'comes within 100 ms', phase: 0.5, intervalMs: 500, expected: [50, 240, 740] },
    { name: 'comes within the interval if that is shorter', phase: 0.5, intervalMs: 60, expected: [30, 80, 140] },
  ]
  for (const { name, phase, intervalMs, expected } of phases) {
    it(`runs at the phase of the check: the first ${name}, the second when the phase comes round`, async () => {
      const { clock, starts, stop, done } = start({ phase, intervalMs })
      await clock.advance(expected.at(-1) ?? 0)
      assert.deepEqual(starts, expected)
      stop.abort()
      await done
    })
  }

  it('measures the interval from start to start, however long a run takes', async () => {
    const clock = new FakeClock()
    const { starts, stop, done } = start({ clock, check: taking(clock, 70), intervalMs: 200, phase: 0.2 })
    await clock.advance(700)
    assert.deepEqual(starts, [20, 240, 440, 640])
    stop.abort()
    await done
  })

  it('keeps the phase of the check when runs wait for their turn, and leaves out what it is too late for', async () => {
    const clock = new FakeClock()
    let waitMs = 0
    const gate = { pass: () => new Promise<void>((resolve) => void clock.after(waitMs, resolve)) }
    const { starts, stop, done } = start({ clock, gate, intervalMs: 200, phase: 0.2 })
    await clock.advance(50)
    waitMs = 90
    await clock.advance(200)
    waitMs = 470
    await clock.advance(600)
    waitMs = 0
    await clock.advance(200)
    assert.deepEqual(starts, [20, 40, 330, 910, 1040])
    stop.abort()
    await done
  })

  it('follows a run that is longer than the interval at once, never overlaps, and does not catch up', async () => {
    const clock = new FakeClock()
    let running = 0
    let most = 0
    let ms = 90
    const check: Check = {
      async run() {
        running += 1
        most = Math.max(most, running)
        await new Promise<void>((resolve) => void clock.after(ms, resolve))
        running -= 1
      },
    }
    const { starts, stop, done } = start({ clock, check, intervalMs: 40 })
    await clock.advance(270)
    assert.deepEqual(starts, [0, 90, 180, 270])
    ms = 5
    await clock.advance(170)
    assert.deepEqual(starts.slice(4), [360, 400, 440])
    assert.equal(most, 1)
    stop.abort()
    await done
  })

  it('lets others run between the runs of a check without an interval', async () => {
    const { clock, starts, stop, done } = start({ intervalMs: 0 })
    await settle()
    stop.abort()
    await done
    assert.ok(starts.length < 100, `${starts.length} runs`)
    assert.equal(clock.pending, 0)
  })

  it('fails a run at its deadline although the check does not obey', async () => {
    const { clock, results, stop, done } = start({ check: never })
    await clock.advance(99)
    assert.deepEqual(results, [])
    await clock.advance(1)
    assert.deepEqual(results, [noAnswer])
    stop.abort()
    await done
  })

  it('aborts the signal of a run at its deadline', async () => {
    let signal: AbortSignal | undefined
    const { clock, stop, done } = start({
      check: {
        run(limit) {
          signal = limit
          return never.run(limit)
        },
      },
    })
    await clock.advance(99)
    assert.equal(signal?.aborted, false)
    await clock.advance(1)
    assert.equal(signal?.aborted, true)
    stop.abort()
    await done
  })

  it('gives a check the deadline that it asks for, and says what did not come', async () => {
    const check = { ...never, deadlineMs: 300, waitingFor: () => 'greeting from db:3306' }
    const { clock, results, stop, done } = start({ check })
    await clock.advance(299)
    assert.deepEqual(results, [])
    await clock.advance(1)
    assert.deepEqual(results, [{ ok: false, reason: 'no greeting from db:3306 within 300 ms' }])
    stop.abort()
    await done
  })

  it('makes one short line of the reason', async () => {
    const check: Check = { run: () => Promise.reject(new Error(`bad\n\u0007${'x'.repeat(1000)}`)) }
    const { clock, results, stop, done } = start({ check })
    await clock.advance(0)
    assert.deepEqual(results[0], { ok: false, reason: `bad ${'x'.repeat(296)}…` })
    stop.abort()
    await done
  })

  it('takes a check that throws instead of rejecting', async () => {
    const check: Check = {
      run() {
        throw new TypeError('broken plug-in')
      },
    }
    const { clock, results, stop, done } = start({ check })
    await clock.advance(0)
    assert.deepEqual(results[0], { ok: false, reason: 'broken plug-in' })
    stop.abort()
    await done
  })

  for (const [phase, ms] of [
    ['before the first run', 20],
    ['during a run', 80],
    ['between runs', 300],
  ] as const) {
    it(`stops ${phase}, at once and without a verdict or a timer left`, async () => {
      const clock = new FakeClock()
      const { results, stop, done } = start({ clock, check: taking(clock, 60), phase: 0.5, intervalMs: 1000 })
      await clock.advance(ms)
      const before = results.length
      stop.abort()
      await done
      assert.equal(results.length, before)
      await clock.advance(60) // the timer of the fake check itself
      assert.equal(clock.pending, 0)
    })
  }

  it('does not run the check when it is stopped while it waits for its turn', async () => {
    let turn = () => {}
    const gate = { pass: () => new Promise<void>((resolve) => (turn = resolve)) }
    const { clock, starts, results, stop, done } = start({ gate })
    await clock.advance(0)
    stop.abort()
    turn()
    await done
    assert.deepEqual([starts, results, clock.pending], [[], [], 0])
  })

  it('ends with the error of onResult, so that a bug is not hidden', async () => {
    const { clock, done } = start({
      onResult() {
        throw new TypeError('a bug')
      },
    })
    const outcome = assert.rejects(done, /a bug/)
    await clock.advance(0)
    await outcome
  })

  it('counts runs by result and measures their duration', async () => {
    const clock = new FakeClock()
    const { metrics, stop, done } = start({ clock, check: taking(clock, 20), intervalMs: 100 })
    const labels = 'service="web",check="web tcp"'
    assert.match(await metrics.text(), new RegExp(`nerve_check_runs_total{${labels},result="fail"} 0\n`))
    await clock.advance(150)
    const text = await metrics.text()
    assert.match(text, new RegExp(`nerve_check_runs_total{${labels},result="pass"} 2\n`))
    assert.match(text, /nerve_check_duration_seconds_bucket{le="0.025",type="tcp"} 2\n/)
    assert.match(text, /nerve_check_duration_seconds_bucket{le="0.01",type="tcp"} 0\n/)
    stop.abort()
    await done
  })
})

describe('createCheckRunner() on a stalled event loop', () => {
  it('runs again instead of blaming the service, when it noticed the deadline too late', async () => {
    const clock = new LateClock()
    let answers = false
    const check: Check = { run: (signal) => (answers ? Promise.resolve() : never.run(signal)) }
    clock.lateMs = 40
    const { results, starts, metrics, stop, done } = start({ clock, check })
    await clock.advance(139)
    answers = true
    await clock.advance(1)
    assert.deepEqual(starts, [0, 140])
    assert.deepEqual(results, [pass])
    assert.match(await metrics.text(), /result="late"} 1\n/)
    assert.match(await metrics.text(), /result="fail"} 0\n/)
    stop.abort()
    await done
  })

  it('believes the failure after three such runs in a row', async () => {
    const clock = new LateClock()
    clock.lateMs = 40
    const { results, starts, metrics, stop, done } = start({ clock, check: never, intervalMs: 1000 })
    await clock.advance(4 * 140)
    assert.deepEqual(starts, [0, 140, 280, 420])
    assert.deepEqual(results, [noAnswer])
    assert.match(await metrics.text(), /result="late"} 3\n/)
    stop.abort()
    await done
  })

  it('says that the last verdict is out of date when it stood still between two runs, before it runs the check', async () => {
    const clock = new LateClock()
    const told: string[] = []
    const check: Check = {
      async run() {
        told.push('run')
      },
    }
    const onOutdated = () => told.push('outdated')
    const { stop, done } = start({ clock, check, onOutdated })
    await clock.advance(500)
    clock.lateMs = 1_500
    await clock.advance(500) // the pause that is under way
    await clock.advance(2_000)
    assert.deepEqual(told, ['run', 'run', 'run', 'outdated', 'run'])
    stop.abort()
    await done
  })

  it('says so too when it stood still during a run', async () => {
    const clock = new LateClock()
    let outdated = 0
    clock.lateMs = 1_500
    const { results, stop, done } = start({ clock, check: never, onOutdated: () => (outdated += 1) })
    await clock.advance(1_600)
    assert.deepEqual({ outdated, results }, { outdated: 1, results: [] })
    stop.abort()
    await done
  })

  for (const [name, settle] of [
    ['passes', (answer: Answer) => answer.resolve()],
    ['fails', (answer: Answer) => answer.reject(new Error('refused'))],
  ] as const) {
    it(`throws a run away that ${name} when it stood still meanwhile: the answer may be as old as the standstill`, async () => {
      const clock = new LateClock()
      const answers: Answer[] = []
      const check: Check = {
        run() {
          const answer = openAnswer()
          answers.push(answer)
          return answer.promise
        },
      }
      let outdated = 0
      clock.lateMs = 5_000
      const onOutdated = () => (outdated += 1)
      const { results, metrics, stop, done } = start({ clock, check, intervalMs: 10_000, onOutdated })
      for (const ms of [1_101, 1_100]) {
        await clock.advance(ms)
        const answer = answers.at(-1)
        if (answer !== undefined) settle(answer)
        await clock.advance(0)
      }
      assert.deepEqual([outdated, answers.length], [1, 2])
      assert.deepEqual(results, [name === 'passes' ? pass : { ok: false, reason: 'refused' }])
      assert.match(await metrics.text(), /result="late"} 1\n/)
      stop.abort()
      await done
    })
  }

  it('does not mind a timer that is a little late', async () => {
    const clock = new LateClock()
    clock.lateMs = 20
    const { results, stop, done } = start({ clock, check: never })
    await clock.advance(120)
    assert.deepEqual(results, [noAnswer])
    stop.abort()
    await done
  })
})

describe('runCheck()', () => {
  it('tells a stop from a failure', async () => {
    const clock = new FakeClock()
    const limit = createLimit(clock, 100, () => 'answer')
    const run = runCheck(never, limit, clock)
    limit.stop(new Error('stopped'))
    assert.deepEqual(await run, { kind: 'stopped' })
    const missed = runCheck(never, limit, clock)
    await clock.advance(100)
    assert.deepEqual(await missed, { kind: 'judged', result: noAnswer })
    assert.equal(clock.pending, 0)
  })
})
