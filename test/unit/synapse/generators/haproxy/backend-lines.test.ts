import assert from 'node:assert/strict'
import { readBackendLines } from '../../../../../src/synapse/generators/haproxy/backend-lines.ts'

describe('readBackendLines()', () => {
  const balances = [
    { lines: [], expected: undefined },
    { lines: ['balance roundrobin'], expected: undefined },
    { lines: ['balance leastconn'], expected: undefined },
    { lines: ['balance first'], expected: undefined },
    { lines: ['balance random(3)'], expected: undefined },
    { lines: ['balance static-rr'], expected: 'balance static-rr' },
    { lines: ['balance static-rr', 'hash-type consistent'], expected: 'balance static-rr' },
    { lines: ['balance source'], expected: 'balance source without hash-type consistent' },
    { lines: ['balance source', 'hash-type consistent sdbm avalanche'], expected: undefined },
    { lines: ['balance source', 'hash-type map-based'], expected: 'balance source without hash-type consistent' },
    { lines: ['balance hdr(host)'], expected: 'balance hdr(host) without hash-type consistent' },
    { lines: ['balance url_param x'], expected: 'balance url_param without hash-type consistent' },
    { lines: ['balance source', 'balance roundrobin'], expected: undefined },
    { lines: ['mode log'], expected: 'mode log' },
  ]
  for (const { lines, expected } of balances) {
    it(`sees in [${lines.join(', ')}]: ${expected ?? 'a dynamic algorithm'}`, () => {
      assert.equal(readBackendLines([], lines).staticBalance, expected)
    })
  }

  it('lets the backend overrule defaults', () => {
    const traits = readBackendLines(['mode http', 'balance source', 'cookie A insert'], ['mode tcp', 'balance first'])
    assert.deepEqual([traits.http, traits.staticBalance, traits.cookie], [false, undefined, 'server'])
  })

  it('tells who makes the cookie', () => {
    assert.equal(readBackendLines([], ['cookie S insert']).cookie, 'server')
    assert.equal(readBackendLines([], ['cookie S insert dynamic']).cookie, 'dynamic')
    assert.equal(readBackendLines([], ['# cookie S insert']).cookie, undefined)
  })

  it('merges default-server lines, defaults first', () => {
    const { defaultServer } = readBackendLines(
      ['default-server inter 1s fall 2'],
      ['default-server inter 3s', 'default-server check'],
    )
    assert.equal(defaultServer.flatMap(({ words }) => words).join(' '), 'fall 2 inter 3s check')
  })

  it('finds the servers of the user', () => {
    const { fixedServers, fixedIds } = readBackendLines(
      [],
      ['server a 10.0.0.1:80 id 4', 'server-template b 2 x:80', 'server-template c 3-4 x:80'],
    )
    assert.deepEqual([...fixedServers], ['a', 'b1', 'b2', 'c3', 'c4'])
    assert.deepEqual(fixedIds, [4])
  })
})
