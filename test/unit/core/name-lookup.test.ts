import assert from 'node:assert/strict'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import type { LookupFunction } from 'node:net'
import { createBoundedLookup, createNameLookup, createSharedLookup } from '../../../src/core/name-lookup.ts'

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

describe('createNameLookup()', () => {
  const { lookup } = dns
  const replaceLookup = (instead: unknown) => {
    Object.assign(dns, { lookup: instead })
    syncBuiltinESMExports()
  }
  /** Names that a silent name server was asked for, with what ends each question. */
  let open: Map<string, () => void>
  const found: string[] = []
  const look = (from: LookupFunction, hostname: string) => from(hostname, { all: false }, () => found.push(hostname))

  beforeEach(() => {
    open = new Map()
    found.length = 0
    const silent: LookupFunction = (hostname, _options, callback) => {
      open.set(hostname, () => callback(new Error('no answer'), '', 4))
    }
    replaceLookup(silent)
  })
  afterEach(() => {
    for (let left = [...open.values()]; left.length > 0; left = [...open.values()]) {
      open.clear()
      for (const end of left) end()
    }
    replaceLookup(lookup)
  })

  it('asks for no more than so many names at once, however many get no answer', () => {
    const [checks, zookeeper] = [createNameLookup(2), createNameLookup(1)]
    for (const hostname of ['a', 'b', 'c', 'd']) look(checks, hostname)
    assert.deepEqual([...open.keys()], ['a', 'b'])
    for (const hostname of ['zk1', 'zk2', 'zk1']) look(zookeeper, hostname)
    assert.deepEqual([...open.keys()], ['a', 'b', 'zk1'])
  })

  it('knows localhost without asking anybody', async () => {
    const checks = createNameLookup(2)
    for (const hostname of ['a', 'b', 'c', 'localhost']) look(checks, hostname)
    await Promise.resolve()
    assert.deepEqual([found, [...open.keys()]], [['localhost'], ['a', 'b']])
    const answers: unknown[] = []
    for (const options of [{ all: true }, { all: true, family: 6 }, { family: 6 }, {}, { family: 0 }]) {
      checks('localhost', options, (...answer) => answers.push(answer))
    }
    await Promise.resolve()
    const [v4, v6] = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]
    assert.deepEqual(answers, [
      [null, [v4, v6]],
      [null, [v6]],
      [null, '::1', 6],
      [null, '127.0.0.1', 4],
      [null, '127.0.0.1', 4],
    ])
  })
})
