import assert from 'node:assert/strict'
import fc from 'fast-check'
import { orderServers } from '../../../../../src/synapse/generators/haproxy/order.ts'

describe('orderServers()', () => {
  const servers = ['b', 'a', 'C', 'c'].map((name) => ({ name }))
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).join('')

  it('sorts by bytes, up or down, or not at all', () => {
    assert.equal(names(orderServers(servers, 'asc', 0)), 'Cabc')
    assert.equal(names(orderServers(servers, 'desc', 0)), 'cbaC')
    assert.equal(names(orderServers(servers, 'no_shuffle', 0)), 'baCc')
  })

  it('shuffles alike for one seed and differently for others', () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ name: `s${index}` }))
    assert.equal(names(orderServers(many, 'shuffle', 1)), names(orderServers([...many].reverse(), 'shuffle', 1)))
    assert.notEqual(names(orderServers(many, 'shuffle', 1)), names(orderServers(many, 'shuffle', 2)))
    assert.notEqual(names(orderServers(many, 'shuffle', 1)), names(orderServers(many, 'asc', 1)))
  })

  it('does not move the others when one is added (property)', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.integer(), ([first = '', ...others], seed) => {
        const before = orderServers(
          others.map((name) => ({ name })),
          'shuffle',
          seed,
        )
        const after = orderServers(
          [first, ...others].map((name) => ({ name })),
          'shuffle',
          seed,
        )
        assert.deepEqual(
          after.filter(({ name }) => name !== first),
          before,
        )
      }),
    )
  })
})
