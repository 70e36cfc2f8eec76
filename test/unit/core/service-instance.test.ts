import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodePayload, encodePayload, type InstancePayload } from '../../../src/core/service-instance.ts'

const base = { host: '10.0.0.1', port: 3000, name: 'i-abc' } as const

describe('encodePayload()', () => {
  const cases: readonly { readonly name: string; readonly payload: InstancePayload; readonly bytes: string }[] = [
    { name: 'host, port and name, compact', payload: base, bytes: '{"host":"10.0.0.1","port":3000,"name":"i-abc"}' },
    {
      name: 'then weight and labels, whatever order they were given in',
      payload: { labels: { az: 'us-east-1a' }, weight: 3, name: 'i-abc', port: 3000, host: '10.0.0.1' },
      bytes: '{"host":"10.0.0.1","port":3000,"name":"i-abc","weight":3,"labels":{"az":"us-east-1a"}}',
    },
    {
      name: 'haproxy_server_options between weight and labels',
      payload: { ...base, weight: 0, haproxyServerOptions: 'check inter 2s', labels: {} },
      bytes:
        '{"host":"10.0.0.1","port":3000,"name":"i-abc","weight":0,"haproxy_server_options":"check inter 2s","labels":{}}',
    },
    {
      name: 'the port with the type that the configuration gave it',
      payload: { ...base, port: '3000' },
      bytes: '{"host":"10.0.0.1","port":"3000","name":"i-abc"}',
    },
    {
      name: 'a key that was configured as null stays null',
      payload: { ...base, haproxyServerOptions: null },
      bytes: '{"host":"10.0.0.1","port":3000,"name":"i-abc","haproxy_server_options":null}',
    },
    {
      name: 'the example whose base64 name a Ruby nerve makes',
      payload: { ...base, weight: 3, labels: { az: 'x?>y' } },
      bytes: '{"host":"10.0.0.1","port":3000,"name":"i-abc","weight":3,"labels":{"az":"x?>y"}}',
    },
  ]
  for (const { name, payload, bytes } of cases) {
    it(`writes ${name}`, () => assert.equal(encodePayload(payload), bytes))
  }

  it('is read back by decodePayload()', () => {
    const payload = { ...base, weight: 3, haproxyServerOptions: 'backup', labels: { az: 'a', n: [1, null] } }
    assert.deepEqual(decodePayload(encodePayload(payload)), { ok: true, instance: payload })
  })
})

const decoded = (value: unknown) => decodePayload(JSON.stringify(value))

describe('decodePayload()', () => {
  const accepted: readonly {
    readonly name: string
    readonly value: object
    readonly instance: object
    readonly odd?: RegExp
  }[] = [
    { name: "nerve's least", value: { host: 'h', port: 1 }, instance: { name: '', host: 'h', port: 1 } },
    { name: 'a name that is null', value: { ...base, name: null }, instance: { ...base, name: '' } },
    { name: 'a port of digits', value: { ...base, port: '3000' }, instance: base },
    { name: 'keys it does not know', value: { ...base, ttl: 5, haproxy: { x: 1 } }, instance: base },
    { name: 'weight 0', value: { ...base, weight: 0 }, instance: { ...base, weight: 0 } },
    {
      name: 'a weight that is no number, without it',
      value: { ...base, weight: '3' },
      instance: base,
      odd: /^weight /,
    },
    { name: 'a negative weight, without it', value: { ...base, weight: -1 }, instance: base, odd: /^weight / },
    { name: 'a fraction of a weight, without it', value: { ...base, weight: 0.5 }, instance: base, odd: /^weight / },
    { name: 'options of blanks, without them', value: { ...base, haproxy_server_options: ' ' }, instance: base },
    {
      name: 'options that are no string, without them',
      value: { ...base, haproxy_server_options: ['x'] },
      instance: base,
      odd: /^haproxy_server_options /,
    },
    {
      name: 'labels that are a list, without them',
      value: { ...base, labels: ['x'] },
      instance: base,
      odd: /^labels /,
    },
    {
      name: 'a weight beyond all numbers, without it',
      value: { ...base, weight: 1e300 },
      instance: base,
      odd: /^weight /,
    },
    {
      name: 'what Airbnb publishes for empty keys',
      value: { ...base, weight: null, labels: null, haproxy_server_options: null },
      instance: base,
    },
    { name: 'an IPv6 address', value: { ...base, host: 'fe80::1%eth0' }, instance: { ...base, host: 'fe80::1%eth0' } },
    {
      name: 'a long host name',
      value: { ...base, host: 'a'.repeat(253) },
      instance: { ...base, host: 'a'.repeat(253) },
    },
    { name: 'an underscore in a host name', value: { ...base, host: '_x.y' }, instance: { ...base, host: '_x.y' } },
  ]
  for (const { name, value, instance, odd } of accepted) {
    it(`accepts ${name}`, () => {
      const result = decoded(value)
      assert.ok(result.ok, 'it was rejected')
      assert.deepEqual(result.instance, instance)
      if (odd === undefined) assert.equal(result.oddities, undefined)
      else assert.match(result.oddities?.join() ?? '', odd)
    })
  }

  const rejected: readonly { readonly name: string; readonly value: unknown; readonly reason: RegExp }[] = [
    { name: 'a list', value: [base], reason: /not a JSON object/ },
    { name: 'null', value: null, reason: /not a JSON object/ },
    { name: 'no host', value: { port: 1 }, reason: /host/ },
    { name: 'an empty host', value: { ...base, host: '' }, reason: /host/ },
    { name: 'a host that is a number', value: { ...base, host: 1 }, reason: /host/ },
    { name: 'a host too long for DNS', value: { ...base, host: 'a'.repeat(254) }, reason: /host/ },
    { name: 'a host with a blank and options', value: { ...base, host: '10.0.0.1 check port 1' }, reason: /host/ },
    { name: 'a host with a blank', value: { ...base, host: 'a b' }, reason: /host/ },
    { name: 'a host with a line break', value: { ...base, host: '10.0.0.1\nbackend evil' }, reason: /host/ },
    { name: 'a host that ends with a line break', value: { ...base, host: '10.0.0.1\n' }, reason: /host/ },
    { name: 'a host with a comment', value: { ...base, host: '10.0.0.1#' }, reason: /host/ },
    { name: 'a host that is a UNIX socket', value: { ...base, host: '/run/docker.sock' }, reason: /host/ },
    { name: 'a host with an address family prefix', value: { ...base, host: 'unix@x' }, reason: /host/ },
    { name: 'a host with a variable of the environment', value: { ...base, host: '$HOME' }, reason: /host/ },
    {
      name: 'a host with a command separator of the Runtime API',
      value: { ...base, host: 'a;shutdown' },
      reason: /host/,
    },
    { name: 'a host with a NUL', value: { ...base, host: 'a\0b' }, reason: /host/ },
    { name: 'no port', value: { host: 'h' }, reason: /port/ },
    { name: 'port 0', value: { ...base, port: 0 }, reason: /port/ },
    { name: 'port 65536', value: { ...base, port: 65_536 }, reason: /port/ },
    { name: 'a fraction of a port', value: { ...base, port: 80.5 }, reason: /port/ },
    { name: 'a port with options', value: { ...base, port: '80 backup' }, reason: /port/ },
    { name: 'a port with a line break', value: { ...base, port: '80\n' }, reason: /port/ },
    { name: 'a port in hexadecimal', value: { ...base, port: '0x50' }, reason: /port/ },
    { name: 'a name that is a number', value: { ...base, name: 7 }, reason: /name is not a string/ },
    { name: 'a name with a line break', value: { ...base, name: 'i\nserver evil' }, reason: /characters/ },
    { name: 'a name that ends with a line break', value: { ...base, name: 'i\n' }, reason: /characters/ },
    { name: 'a name with a blank', value: { ...base, name: 'i abc' }, reason: /characters/ },
    { name: 'a name with a slash', value: { ...base, name: 'web/i' }, reason: /characters/ },
    { name: 'a name too long', value: { ...base, name: 'i'.repeat(256) }, reason: /characters/ },
  ]
  for (const { name, value, reason } of rejected) {
    it(`rejects ${name}`, () => {
      const result = decoded(value)
      assert.ok(!result.ok, 'it was accepted')
      assert.match(result.reason, reason)
    })
  }

  it('rejects what is not JSON', () => {
    for (const text of ['', ' ', '{', 'null null', 'host: h']) {
      assert.deepEqual(decodePayload(text), { ok: false, reason: 'not JSON' })
    }
  })

  it('never throws, and never lets through what HAProxy could take for syntax', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }))
    const value = fc.record(
      { host: text, port: fc.oneof(text, fc.integer(), fc.double()), name: fc.oneof(text, fc.constant(null)) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.json(),
          value.map((object) => JSON.stringify(object)),
        ),
        (json) => {
          const result = decodePayload(json)
          if (!result.ok) return
          const { host, port, name } = result.instance
          assert.match(`${host}${name}`, /^[A-Za-z0-9_.:%-]+$/)
          assert.ok(Number.isInteger(port) && port >= 1 && port <= 65_535)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('does not let a label reach into prototypes', () => {
    const result = decodePayload('{"host":"h","port":1,"labels":{"__proto__":{"polluted":true}}}')
    assert.ok(result.ok)
    assert.equal('polluted' in {}, false)
    assert.equal(Object.getPrototypeOf(result.instance), Object.prototype)
  })
})

describe('encodePayload() with availability is the JSON of go-nerve', () => {
  const cases: { name: string; payload: InstancePayload; expected: string }[] = [
    {
      name: 'all keys, in the order of its struct, labels sorted as text',
      payload: {
        host: '10.0.0.1',
        port: '80',
        name: 'web',
        weight: 255,
        haproxyServerOptions: 'check',
        labels: { b: '1', 9: 'x', 10: 'y' },
        available: true,
      },
      expected:
        '{"available":true,"host":"10.0.0.1","port":80,"name":"web","haproxy_server_options":"check","weight":255,"labels":{"10":"y","9":"x","b":"1"}}',
    },
    {
      name: 'what is empty is left out, the weight never',
      payload: {
        host: 'h',
        port: 1,
        name: 'n',
        haproxyServerOptions: '',
        labels: {},
        available: false,
        unavailableReason: '',
      },
      expected: '{"available":false,"host":"h","port":1,"name":"n","weight":0}',
    },
    {
      name: "the characters that Go's encoder escapes",
      payload: {
        host: 'h',
        port: 1,
        name: 'n',
        weight: 0,
        available: false,
        unavailableReason: '<a> & \u2028 \b\f\n\t \u001f \\b "é',
      },
      expected:
        '{"available":false,"unavailable_reason":"\\u003ca\\u003e \\u0026 \\u2028 \\u0008\\u000c\\n\\t \\u001f \\\\b \\"é","host":"h","port":1,"name":"n","weight":0}',
    },
  ]
  for (const { name, payload, expected } of cases) {
    it(name, () => {
      assert.equal(encodePayload(payload), expected)
      assert.doesNotThrow(() => JSON.parse(expected))
    })
  }
})
