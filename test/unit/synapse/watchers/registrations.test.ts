import assert from 'node:assert/strict'
import {
  createInstanceDecoder,
  decodeGeneratorConfig,
  decodeServerset,
} from '../../../../src/synapse/watchers/registrations.ts'

const child = (name: string, data: unknown) => ({
  name,
  data: Buffer.from(typeof data === 'string' ? data : JSON.stringify(data)),
})

describe('createInstanceDecoder()', () => {
  it('reads registrations with the sequence number of their name', () => {
    const decode = createInstanceDecoder({ method: 'nerve' }, () => assert.fail('nothing is bad'))
    const children = [child('i-1_0000000005', { host: '10.0.0.1', port: 80, name: 'i-1', weight: 3 })]
    assert.deepEqual(decode(children).instances, [{ name: 'i-1', host: '10.0.0.1', port: 80, weight: 3, sequence: 5 }])
  })

  it('leaves out a bad registration, names it once, and goes on with the rest', () => {
    const bad: string[] = []
    const decode = createInstanceDecoder({ method: 'nerve' }, ({ child, reason, isLeftOut }) =>
      bad.push(`${child}: ${reason}${isLeftOut ? '' : ' (used)'}`),
    )
    const children = [
      child('bad_1', '{'),
      child('good_2', { host: 'h', port: 1 }),
      child('bad_3', { host: 'a b', port: 1 }),
    ]
    assert.equal(decode(children).instances.length, 1)
    assert.equal(decode(children).instances.length, 1)
    assert.deepEqual(bad, ['bad_1: not JSON', 'bad_3: host is missing or not a host name or address'])
  })

  it('uses a registration without what makes no sense in it, and names that once', () => {
    const bad: string[] = []
    const decode = createInstanceDecoder({ method: 'nerve' }, ({ child, reason, isLeftOut }) =>
      bad.push(`${child}: ${reason}${isLeftOut ? '' : ' (used)'}`),
    )
    const odd = { weight: -5, haproxy_server_options: { a: 1 }, labels: 'x' }
    const children = [
      child('odd_1', { host: 'h', port: 1, ...odd }),
      child('huge_2', '{"host":"h","port":2,"weight":1e300}'),
      child('none_3', { host: 'h', port: 3, weight: null, haproxy_server_options: null, labels: null }),
    ]
    for (let pass = 0; pass < 2; pass++)
      assert.deepEqual(
        decode(children).instances,
        [1, 2, 3].map((port) => ({ name: '', host: 'h', port, sequence: port })),
      )
    const weight = 'weight is not a whole number of 0 or more'
    assert.deepEqual(bad, [
      `odd_1: ${weight}; haproxy_server_options is not a string; labels is not a map (used)`,
      `huge_2: ${weight} (used)`,
    ])
  })

  it('sets apart what registers as not available, without calling it bad', () => {
    const decode = createInstanceDecoder({ method: 'nerve' }, () => assert.fail('it is not bad'))
    const children = [
      child('a_1', { available: false, host: 'h', port: 1 }),
      child('b_2', { available: true, host: 'h', port: 2 }),
    ]
    assert.deepEqual(decode(children), {
      instances: [{ name: '', host: 'h', port: 2, sequence: 2 }],
      withdrawn: [{ name: '', host: 'h', port: 1, sequence: 1 }],
    })
  })

  it('decodes a child again only when its data was read again', () => {
    const decode = createInstanceDecoder({ method: 'nerve' }, () => {})
    const same = child('a_1', { host: 'h', port: 1 })
    const [first] = decode([same]).instances
    const [second] = decode([same, child('b_2', { host: 'h', port: 2 })]).instances
    assert.equal(first, second)
  })
})

describe('decodeServerset()', () => {
  const member = {
    serviceEndpoint: { host: 'h', port: 80 },
    additionalEndpoints: { admin: { host: 'h', port: 81 } },
    shard: 4,
  }
  const decode = (endpoint?: string) => decodeServerset(JSON.stringify(member), endpoint)
  it('takes the service endpoint, and the shard as name', () =>
    assert.deepEqual(decode(), { ok: true, instance: { name: '4', host: 'h', port: 80 } }))
  it('takes the additional endpoint that is asked for', () =>
    assert.deepEqual(decode('admin'), { ok: true, instance: { name: '4', host: 'h', port: 81 } }))
  it('says which endpoint is missing', () =>
    assert.deepEqual(decode('metrics'), { ok: false, reason: 'has no endpoint metrics' }))
})

describe('decodeGeneratorConfig()', () => {
  it('is undefined for empty data', () => assert.equal(decodeGeneratorConfig(Buffer.from(''), assert.fail), undefined))
  it('reads a map', () =>
    assert.deepEqual(decodeGeneratorConfig(Buffer.from('{"haproxy":{"port":1}}'), assert.fail), {
      haproxy: { port: 1 },
    }))
  it('names bad data', () => {
    const bad: string[] = []
    assert.equal(
      decodeGeneratorConfig(Buffer.from('[]'), (reason) => bad.push(reason)),
      undefined,
    )
    assert.deepEqual(bad, ['not a JSON object'])
  })
})
