import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeChildName, encodeChildName, plainChildName, sequenceOf } from '../../../src/zookeeper/names.ts'

// What Airbnb's nerve 0.9.7 makes of this payload (reference airbnb.md 2.8).
const PAYLOAD = '{"host":"10.0.0.1","port":3000,"name":"i-abc","weight":3,"labels":{"az":"x?>y"}}'
const ENCODED =
  'base64_108_eyJob3N0IjoiMTAuMC4wLjEiLCJwb3J0IjozMDAwLCJuYW1lIjoiaS1hYmMiLCJ3ZWlnaHQiOjMsImxhYmVscyI6eyJheiI6Ing_PnkifX0=_'

describe('plainChildName()', () => {
  it('ends with the underscore that the sequence number follows', () => {
    assert.equal(plainChildName('i-abc'), 'i-abc_')
  })
})

describe('encodeChildName()', () => {
  it("makes the bytes that Airbnb's nerve makes", () => {
    assert.equal(encodeChildName('i-abc', PAYLOAD), ENCODED)
  })

  it('carries a payload of 65,536 encoded characters and falls back to the plain name above', () => {
    const largest = 'x'.repeat(49_152)
    assert.ok(encodeChildName('i-abc', largest).startsWith('base64_65536_eHh4'))
    assert.equal(encodeChildName('i-abc', `${largest}x`), 'i-abc_')
  })

  it('is read back by decodeChildName(), whatever the payload and the sequence number', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (payload, sequence) => {
        const name = encodeChildName('i-abc', payload) + String(sequence).padStart(10, '0')
        assert.equal(decodeChildName(name)?.toString(), payload)
        assert.equal(sequenceOf(name), sequence)
        assert.ok(!name.includes('/'))
      }),
    )
  })
})

describe('decodeChildName()', () => {
  const cases = [
    { name: 'an encoded name with a sequence number', child: `${ENCODED}0000000003`, payload: PAYLOAD },
    { name: 'an encoded name without one', child: ENCODED, payload: PAYLOAD },
    { name: 'encoded without padding', child: 'base64_7_eyJhIjox', payload: undefined },
    { name: 'unpadded base64 of the right length', child: 'base64_6_eyB9IA_0000000001', payload: '{ } ' },
    { name: 'a plain name', child: 'i-abc_0000000003', payload: undefined },
    { name: 'an empty name', child: '', payload: undefined },
    { name: 'a length without a payload', child: 'base64_4_', payload: undefined },
    { name: 'a length beyond the name', child: 'base64_400_e30=_0000000003', payload: undefined },
    { name: 'a length beyond what would be readable', child: 'base64_9_e30', payload: undefined },
    { name: 'a length that cuts the payload', child: `${ENCODED.replace('108', '60')}0000000003`, payload: undefined },
    { name: 'a length that is no number', child: 'base64_x_e30=_0000000003', payload: undefined },
    { name: 'no length', child: 'base64_e30=', payload: undefined },
    { name: 'a length of nought', child: 'base64_0__0000000003', payload: undefined },
    { name: 'the other base64 alphabet', child: 'base64_8_Ij8/Pz8i_0000000003', payload: undefined },
    { name: 'text that is not JSON', child: 'base64_8_bm90SlNPTg_0000000003', payload: undefined },
    { name: 'an endless length', child: `base64_${'9'.repeat(400)}_e30=_`, payload: undefined },
  ]
  for (const { name, child, payload } of cases) {
    it(`reads ${name} as ${payload === undefined ? 'none' : 'its payload'}`, () => {
      assert.equal(decodeChildName(child)?.toString(), payload)
    })
  }

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void decodeChildName(`base64_${text}`)))
  })
})

describe('sequenceOf()', () => {
  const cases = [
    { child: 'i-abc_0000000005', sequence: 5 },
    { child: 'i-abc_2147483647', sequence: 2147483647 },
    { child: 'a_b_c_0000000010', sequence: 10 },
    { child: '0000000007', sequence: 7 },
    { child: 'i-abc_', sequence: undefined },
    { child: 'i-abc', sequence: undefined },
    { child: 'i-7', sequence: undefined },
    { child: 'i-abc_-2147483648', sequence: undefined },
    { child: '', sequence: undefined },
  ]
  for (const { child, sequence } of cases) {
    it(`reads ${sequence} from '${child}'`, () => assert.equal(sequenceOf(child), sequence))
  }
})
