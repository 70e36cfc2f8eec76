import assert from 'node:assert/strict'
import { Registry } from '../../../src/core/registry.ts'

const registry = new Registry('check type', {
  redis: { type: 'redis' },
  httpCheck: { type: 'http' },
  mysql: { type: 'mysql' },
})

describe('Registry', () => {
  it('types() are the types of the plug-ins, not their export names, sorted', () => {
    assert.deepEqual(registry.types(), ['http', 'mysql', 'redis'])
  })

  it('all() are the plug-ins in the order of types()', () => {
    assert.deepEqual(registry.all(), [{ type: 'http' }, { type: 'mysql' }, { type: 'redis' }])
  })

  it('get() finds a plug-in', () => {
    assert.deepEqual(registry.get('http'), { type: 'http' })
  })

  it('get() of an unknown type lists the known ones', () => {
    for (const type of ['reddis', '', '__proto__', 'constructor']) {
      assert.throws(() => registry.get(type), {
        name: 'RangeError',
        message: `unknown check type "${type}"; known are http, mysql, redis`,
      })
    }
  })
})
