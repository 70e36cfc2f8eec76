import assert from 'node:assert/strict'
import { decodeState, encodeState } from '../../../../../src/synapse/generators/haproxy/state-file.ts'

// As Airbnb's synapse 0.18.9 writes it (reference airbnb.md 3.10).
const AIRBNB = `{
  "web": {
    "i-1_10.0.0.1:80": {
      "timestamp": 1700000000,
      "haproxy_server_id": 7,
      "name": "i-1",
      "host": "10.0.0.1",
      "port": 80,
      "id": 12,
      "weight": 3,
      "haproxy_server_options": "backup",
      "labels": {
        "az": "a"
      }
    },
    "watcher_config_for_generator": {
      "port": 3000
    }
  }
}
`

describe('decodeState()', () => {
  it("reads the file of Airbnb's synapse", () => {
    const web = decodeState(AIRBNB).get('web')
    assert.deepEqual(
      [...(web?.servers ?? [])],
      [
        [
          'i-1_10.0.0.1:80',
          {
            instance: {
              name: 'i-1',
              host: '10.0.0.1',
              port: 80,
              weight: 3,
              haproxyServerOptions: 'backup',
              labels: { az: 'a' },
              sequence: 12,
            },
            timestamp: 1_700_000_000,
            id: 7,
          },
        ],
      ],
    )
    assert.deepEqual(web?.options, { port: 3000 })
  })

  it('leaves out what makes no sense, and refuses what is no state file', () => {
    const text =
      '{"web": {"a": 1, "b": {"host": "h", "port": 1}, "c": {"host": "x y", "port": 1, "timestamp": 1}}, "api": []}'
    assert.deepEqual([...(decodeState(text).get('web')?.servers ?? [])], [])
    assert.equal(decodeState(text).has('api'), false)
    assert.throws(() => decodeState('[]'), SyntaxError)
    assert.throws(() => decodeState(''), SyntaxError)
  })
})

describe('encodeState()', () => {
  it("writes what Airbnb's synapse writes", () => {
    assert.equal(encodeState(decodeState(AIRBNB)), AIRBNB)
  })
})
