import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { createBoundedLookup, createSharedLookup } from '../../../../src/nerve/checks/name-lookup.ts'

describe('createSharedLookup()', () => {
  it('asks once for all who wait for the same answer, and again afterwards', () => {
    const asked: string[] = []
    const answers: (() => void)[] = []
    const resolve: LookupFunction = (hostname, _options, callback) => {
      asked.push(hostname)
      answers.push(() => callback(null, `address of ${hostname}`, 4))
    }
    const lookup = createSharedLookup(resolve)
    const found: unknown[] = []
    const look = (hostname: string) => lookup(hostname, { all: false }, (_error, address) => found.push(address))
    look('db')
    look('db')
    look('cache')
    assert.deepEqual(asked, ['db', 'cache'])
    answers[0]?.()
    assert.deepEqual(found, ['address of db', 'address of db'])
    look('db')
    assert.deepEqual(asked, ['db', 'cache', 'db'])
  })
})

describe('createBoundedLookup()', () => {
  it('asks so many questions at once, and the others in order', () => {
    const asked: string[] = []
    const answers = new Map<string, () => void>()
    const resolve: LookupFunction = (hostname, _options, callback) => {
      asked.push(hostname)
      answers.set(hostname, () => callback(null, `address of ${hostname}`, 4))
    }
    const lookup = createBoundedLookup(resolve, 2)
    const found: unknown[] = []
    for (const hostname of ['a', 'b', 'c', 'd']) {
      lookup(hostname, { all: false }, (_error, address) => found.push(address))
    }
    assert.deepEqual(asked, ['a', 'b'])
    answers.get('b')?.()
    assert.deepEqual(asked, ['a', 'b', 'c'])
    answers.get('a')?.()
    answers.get('c')?.()
    answers.get('d')?.()
    assert.deepEqual(asked, ['a', 'b', 'c', 'd'])
    assert.deepEqual(found, ['address of b', 'address of a', 'address of c', 'address of d'])
  })

  it('goes on after a failure', () => {
    const failing: LookupFunction = (hostname, _options, callback) => callback(new Error(`no ${hostname}`), '', 4)
    const lookup = createBoundedLookup(failing, 1)
    const found: unknown[] = []
    for (const hostname of ['a', 'b']) lookup(hostname, { all: false }, (error) => found.push(error?.message))
    assert.deepEqual(found, ['no a', 'no b'])
  })
})
