import assert from 'node:assert/strict'
import { messageOf, SmartStackError } from '../../../src/core/errors.ts'

describe('SmartStackError', () => {
  it('carries a code, a cause and whether to retry', () => {
    const cause = new Error('ENOSPC')
    const error = new SmartStackError('STATE_FILE', 'cannot write', { cause, retryable: true })
    assert.deepEqual(
      [error.name, error.code, error.message, error.cause, error.retryable],
      ['SmartStackError', 'STATE_FILE', 'cannot write', cause, true],
    )
    assert.ok(error instanceof Error)
  })

  it('is not retryable and has no cause unless told', () => {
    const error = new SmartStackError('INTERNAL', 'no')
    assert.equal(error.retryable, false)
    assert.equal('cause' in error, false)
  })
})

describe('messageOf()', () => {
  const hostile = {
    toString() {
      throw new Error('no')
    },
  }
  const cases: readonly { readonly name: string; readonly thrown: unknown; readonly message: string }[] = [
    { name: 'an error is its message', thrown: new Error('refused'), message: 'refused' },
    { name: 'an error without a message is its name', thrown: new TypeError(), message: 'TypeError' },
    {
      name: 'an empty AggregateError (a failed connect to several addresses) is what it holds',
      thrown: new AggregateError([
        new Error('connect ECONNREFUSED ::1:80'),
        new Error('connect ECONNREFUSED 127.0.0.1:80'),
      ]),
      message: 'connect ECONNREFUSED ::1:80; connect ECONNREFUSED 127.0.0.1:80',
    },
    {
      name: 'an AggregateError with a message is its message',
      thrown: new AggregateError([], 'all failed'),
      message: 'all failed',
    },
    { name: 'a string is itself', thrown: 'no', message: 'no' },
    { name: 'undefined has a word', thrown: undefined, message: 'undefined' },
    { name: 'an object without a prototype', thrown: Object.create(null), message: '[object Object]' },
    { name: 'an object whose toString throws', thrown: hostile, message: '[object Object]' },
    { name: 'a symbol', thrown: Symbol('x'), message: 'Symbol(x)' },
  ]
  for (const { name, thrown, message } of cases) {
    it(name, () => assert.equal(messageOf(thrown), message))
  }
})
