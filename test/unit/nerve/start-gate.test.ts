import assert from 'node:assert/strict'
import { createMetrics } from '../../../src/core/metrics.ts'
import { createCheckRunner } from '../../../src/nerve/check-runner.ts'
import { createStartGate } from '../../../src/nerve/start-gate.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'

/** A gate whose turns come when told. */
function gateOfTurns() {
  let next: (() => void) | undefined
  const gate = createStartGate((callback) => {
    assert.equal(next, undefined, 'one turn is asked for at a time')
    next = callback
  })
  const turn = async () => {
    const callback = next
    next = undefined
    callback?.()
    await settle()
  }
  return { gate, turn, isIdle: () => next === undefined }
}

/** Names of those who were let through, in order. */
function callers(gate: ReturnType<typeof createStartGate>) {
  const started: string[] = []
  const call = (name: string) => {
    const held = gate.pass()
    if (held === undefined) started.push(name)
    else void held.then(() => started.push(name))
  }
  return { started, call }
}

describe('createStartGate()', () => {
  it('lets a few start at once, and the others when what has arrived was looked at', async () => {
    const { gate, turn } = gateOfTurns()
    const { started, call } = callers(gate)
    for (const name of 'abcdefghij') call(name)
    assert.equal(started.join(''), 'abcd')
    await turn()
    assert.equal(started.join(''), 'abcdefgh')
    await turn()
    assert.equal(started.join(''), 'abcdefghij')
  })

  it('lets nobody overtake those who wait', async () => {
    const { gate, turn } = gateOfTurns()
    const { started, call } = callers(gate)
    for (const name of 'abcdefghi') call(name)
    await turn()
    call('j')
    assert.equal(started.join(''), 'abcdefgh')
    await turn()
    assert.equal(started.join(''), 'abcdefghij')
  })

  it('counts anew in each turn, and asks for none when nothing starts', async () => {
    const { gate, turn, isIdle } = gateOfTurns()
    const { started, call } = callers(gate)
    assert.ok(isIdle(), 'no turn before the first start')
    for (const name of 'abc') call(name)
    await turn()
    assert.ok(isIdle(), 'no turn when nobody waits')
    for (const name of 'defg') call(name)
    assert.equal(started.join(''), 'abcdefg')
  })

  it('counts anew after a turn in which a single one started', async () => {
    const { gate, turn } = gateOfTurns()
    const { started, call } = callers(gate)
    call('a')
    await turn()
    for (const name of 'bcdefg') call(name)
    assert.equal(started.join(''), 'abcde')
    await turn()
    for (const name of 'hijk') call(name)
    assert.equal(started.join(''), 'abcdefghi')
    await turn()
    await turn()
    for (const name of 'lmno') call(name)
    assert.equal(started.join(''), 'abcdefghijklmno')
  })

  it('goes on after a turn in which the last that waited started', async () => {
    const { gate, turn } = gateOfTurns()
    const { started, call } = callers(gate)
    for (const name of 'abcde') call(name)
    await turn()
    await turn()
    for (const name of 'fghi') call(name)
    assert.equal(started.join(''), 'abcdefghi')
  })

  it('is what runs of checks start through, and their deadline begins behind it', async () => {
    const { gate, turn } = gateOfTurns()
    const clock = new FakeClock()
    const stop = new AbortController()
    const results: string[] = []
    const runs = Array.from({ length: 6 }, (_, index) =>
      createCheckRunner({
        ...{ name: `check ${index}`, type: 'tcp', service: 'web', intervalMs: 10_000, timeoutMs: 100 },
        ...{ clock, gate, metrics: createMetrics() },
        phase: 0,
        check: { run: () => new Promise((resolve) => void clock.after(80, resolve)) },
        onResult: ({ ok }) => results.push(`${index} ${ok ? 'pass' : 'fail'}`),
      }).run(stop.signal),
    )
    await clock.advance(0)
    await clock.advance(80)
    assert.deepEqual(results, ['0 pass', '1 pass', '2 pass', '3 pass'])
    await turn()
    await clock.advance(80)
    assert.deepEqual(results.slice(4), ['4 pass', '5 pass'])
    stop.abort()
    await turn()
    await Promise.all(runs)
  })
})
