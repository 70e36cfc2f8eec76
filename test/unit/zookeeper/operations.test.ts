import assert from 'node:assert/strict'
import { type Answer, type Operation, Operations } from '../../../src/zookeeper/operations.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

function setUp() {
  const clock = new FakeClock()
  const settled: string[] = []
  const operations = new Operations({
    clock,
    deadlineMs: 1000,
    onSettled: (name, result, ms) => settled.push(`${name} ${result} ${ms}`),
  })
  const run = (operation: Partial<Operation> = {}) => {
    const held: { answer?: Answer<string> } = {}
    const signal = new AbortController().signal
    const outcome = operations
      .run<string>({ name: 'getData', path: '/a', signal, ...operation }, (answer) => {
        held.answer = answer
      })
      .catch((error: { readonly code?: string; readonly message: string }) => `${error.code}: ${error.message}`)
    return { answer: held.answer, outcome }
  }
  return { clock, operations, run, settled }
}

describe('Operations', () => {
  it('resolves with the decoded answer', async () => {
    const { run, settled, clock } = setUp()
    const { answer, outcome } = run()
    await clock.advance(5)
    answer?.succeed(() => 'value')
    assert.equal(await outcome, 'value')
    assert.deepEqual(settled, ['getData OK 5'])
  })

  it('rejects with the meaning of an error number, the operation and the path', async () => {
    const { run, settled } = setUp()
    const { answer, outcome } = run({ name: 'create', path: '/a/b' })
    answer?.fail(-110)
    assert.equal(await outcome, 'NODE_EXISTS: create /a/b: NODE_EXISTS (-110)')
    assert.deepEqual(settled, ['create NODE_EXISTS 0'])
  })

  it('rejects when the answer cannot be decoded', async () => {
    const { run, settled } = setUp()
    const { answer, outcome } = run()
    answer?.succeed(() => {
      throw new RangeError('too short')
    })
    assert.equal(await outcome, 'OTHER: getData /a: unreadable answer')
    assert.deepEqual(settled, ['getData OTHER 0'])
  })

  it('rejects at its deadline, and does not decode what comes later', async () => {
    const { run, clock, settled } = setUp()
    const { answer, outcome } = run()
    await clock.advance(1000)
    assert.equal(await outcome, 'OPERATION_TIMEOUT: getData /a: no answer within 1000 ms')
    answer?.succeed(() => assert.fail('decoded'))
    answer?.fail(-101)
    assert.deepEqual(settled, ['getData OPERATION_TIMEOUT 1000'])
  })

  it('keeps each deadline with one timer for all', async () => {
    const { run, clock, settled } = setUp()
    run({ path: '/1' })
    await clock.advance(400)
    const second = run({ path: '/2' })
    run({ path: '/3' })
    assert.equal(clock.pending, 1)
    await clock.advance(600)
    assert.deepEqual(settled, ['getData OPERATION_TIMEOUT 1000'])
    second.answer?.succeed(() => 'in time')
    assert.equal(await second.outcome, 'in time')
    await clock.advance(400)
    assert.deepEqual(settled.at(-1), 'getData OPERATION_TIMEOUT 1000')
    assert.equal(clock.pending, 0)
  })

  it('rejects with the reason of its signal as soon as that aborts', async () => {
    const { run, settled, clock } = setUp()
    const stop = new AbortController()
    const waiting = [run({ signal: stop.signal }), run({ signal: stop.signal })]
    const other = run()
    stop.abort(new Error('enough'))
    assert.deepEqual(await Promise.all(waiting.map(({ outcome }) => outcome)), Array(2).fill('undefined: enough'))
    assert.deepEqual(settled, ['getData ABORTED 0', 'getData ABORTED 0'])
    waiting[0]?.answer?.succeed(() => assert.fail('decoded'))
    other.answer?.succeed(() => 'untouched')
    assert.equal(await other.outcome, 'untouched')
    await clock.advance(1000)
    assert.equal(clock.pending, 0)
  })

  it('sends nothing when its signal has aborted before', async () => {
    const { run, settled } = setUp()
    const { answer, outcome } = run({ signal: AbortSignal.abort(new Error('too late')) })
    assert.equal(await outcome, 'undefined: too late')
    assert.equal(answer, undefined)
    assert.deepEqual(settled, [])
  })

  it('listens once to a signal that many operations share, and lets go of it when they have ended', async () => {
    const { run } = setUp()
    const { signal } = new AbortController()
    let listening = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listening += 1
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listening -= 1
      remove(...args)
    }
    const all = Array.from({ length: 100 }, () => run({ signal }))
    assert.equal(listening, 1)
    for (const { answer } of all) answer?.succeed(() => 'done')
    await Promise.all(all.map(({ outcome }) => outcome))
    assert.equal(listening, 0)
  })

  it('fails all that waits when it is closed, and leaves no timer', async () => {
    const { run, operations, clock } = setUp()
    const { outcome } = run()
    operations.close()
    assert.equal(await outcome, 'CONNECTION_LOSS: getData /a: CONNECTION_LOSS (-4)')
    assert.equal(clock.pending, 0)
  })
})
