import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { SmartStackError } from '../../../src/core/errors.ts'
import { runAll, type Task } from '../../../src/core/tasks.ts'

const stopped = new Error('stopped')
const noLateFailure = (task: string, error: unknown) => assert.fail(`${task}: ${error}`)

/** Runs until aborted, then notes that it has ended. */
const obedient = (name: string, ended: string[]): Task => ({
  name,
  async run(signal) {
    if (!signal.aborted) await once(signal, 'abort')
    ended.push(name)
  },
})

describe('runAll()', () => {
  it('resolves after an abort, when every task has ended, and leaves no listener', async () => {
    const ended: string[] = []
    const stop = new AbortController()
    const running = runAll([obedient('a', ended), obedient('b', ended)], stop.signal, noLateFailure)
    stop.abort(stopped)
    await running
    assert.deepEqual(ended.sort(), ['a', 'b'])
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
  })

  it('resolves when a task rejects with the reason of the abort', async () => {
    const stop = new AbortController()
    const task: Task = {
      name: 'rejects',
      async run(signal) {
        await once(signal, 'abort')
        throw signal.reason
      },
    }
    const running = runAll([task], stop.signal, noLateFailure)
    stop.abort(stopped)
    await running
  })

  it('ends the other tasks when one fails, and throws its error', async () => {
    const ended: string[] = []
    const failing: Task = {
      name: 'admin',
      async run() {
        throw new RangeError('address in use')
      },
    }
    const { signal } = new AbortController()
    await assert.rejects(runAll([obedient('a', ended), failing], signal, noLateFailure), /^RangeError: address in use$/)
    assert.deepEqual(ended, ['a'])
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  it('takes a task that ends by itself for a failure and names it', async () => {
    const ended: string[] = []
    const short: Task = { name: 'watcher of web', run: async () => {} }
    await assert.rejects(
      runAll([short, obedient('a', ended)], new AbortController().signal, noLateFailure),
      (error: unknown) => {
        assert.ok(error instanceof SmartStackError)
        assert.deepEqual([error.code, error.message], ['TASK_ENDED', 'watcher of web ended by itself'])
        return true
      },
    )
    assert.deepEqual(ended, ['a'])
  })

  it('throws the first failure and hands over the later ones', async () => {
    const late: string[] = []
    const second: Task = {
      name: 'second',
      async run(signal) {
        await once(signal, 'abort')
        throw new Error('while stopping')
      },
    }
    const first: Task = { name: 'first', run: () => Promise.reject(new Error('at first')) }
    const running = runAll([first, second], new AbortController().signal, (task, error) =>
      late.push(`${task}: ${error}`),
    )
    await assert.rejects(running, /at first/)
    assert.deepEqual(late, ['second: Error: while stopping'])
  })

  it('does not take a task that rejects because of the first failure for a second one', async () => {
    const stops: Task = {
      name: 'stops',
      async run(signal) {
        await once(signal, 'abort')
        throw signal.reason
      },
    }
    const fails: Task = { name: 'fails', run: () => Promise.reject(new Error('the only one')) }
    await assert.rejects(runAll([stops, fails], new AbortController().signal, noLateFailure), /the only one/)
  })

  it('throws the error of a task that fails while stopping', async () => {
    const stop = new AbortController()
    const task: Task = {
      name: 'nerve',
      async run(signal) {
        await once(signal, 'abort')
        throw new Error('could not de-register')
      },
    }
    const running = runAll([task], stop.signal, noLateFailure)
    stop.abort(stopped)
    await assert.rejects(running, /could not de-register/)
  })

  it('hands an abort on that came before the start', async () => {
    const ended: string[] = []
    await runAll([obedient('a', ended)], AbortSignal.abort(stopped), noLateFailure)
    assert.deepEqual(ended, ['a'])
  })

  it('supervises a task that throws before it returns a promise', async () => {
    const ended: string[] = []
    const broken: Task = {
      name: 'broken',
      run() {
        throw new Error('synchronous')
      },
    }
    await assert.rejects(
      runAll([broken, obedient('a', ended)], new AbortController().signal, noLateFailure),
      /synchronous/,
    )
    assert.deepEqual(ended, ['a'])
  })
})
