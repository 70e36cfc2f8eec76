import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  codeName,
  decodeHealthResponse,
  encodeHealthRequest,
  servingStatuses,
} from '../../../../src/nerve/checks/grpc-health.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('grpc-health', () => {
  it('encodeHealthRequest() asks about the server as a whole with an empty message', () => {
    assert.equal(hex(encodeHealthRequest('')), '0000000000')
  })

  it('encodeHealthRequest() names the service in UTF-8, however long', () => {
    assert.equal(hex(encodeHealthRequest('grüße')), '00000000090a076772c3bcc39f65')
    const long = encodeHealthRequest('x'.repeat(300))
    assert.equal(hex(long.subarray(0, 8)), '000000012f0aac02')
    assert.equal(long.length, 308)
  })

  const answers = [
    { name: 'a status', body: '00 00000002 08 01', expected: 'SERVING' },
    { name: 'no field, which is the default', body: '00 00000000', expected: 'UNKNOWN' },
    { name: 'NOT_SERVING', body: '00 00000002 08 02', expected: 'NOT_SERVING' },
    { name: 'SERVICE_UNKNOWN', body: '00 00000002 08 03', expected: 'SERVICE_UNKNOWN' },
    { name: 'a status of a later version', body: '00 00000002 08 09', expected: 'UNKNOWN' },
    { name: 'a negative status', body: '00 0000000b 08 ffffffffffffffffff 01', expected: 'UNKNOWN' },
    { name: 'two statuses, of which the last counts', body: '00 00000004 08 02 08 01', expected: 'SERVING' },
    {
      name: 'other fields of every kind',
      body: '00 0000001b 10 9601 19 0102030405060708 22 03 616263 08 01 2d 01020304 92 01 00',
      expected: 'SERVING',
    },
  ]
  for (const { name, body, expected } of answers) {
    it(`decodeHealthResponse() reads ${name}`, () => {
      assert.equal(decodeHealthResponse(bytes(body)), expected)
    })
  }

  const broken = [
    { name: 'nothing', body: '', message: /ends too early/ },
    { name: 'half a frame', body: '00 000000', message: /ends too early/ },
    { name: 'a compressed message', body: '01 00000002 08 01', message: /is compressed/ },
    { name: 'less than announced', body: '00 00000003 08 01', message: /length is wrong/ },
    { name: 'more than announced', body: '00 00000001 08 01', message: /length is wrong/ },
    { name: 'a field without its value', body: '00 00000001 08', message: /middle of a number/ },
    { name: 'a field that is cut off', body: '00 00000002 12 05', message: /middle of a field/ },
    { name: 'a number without an end', body: '00 0000000c 08 ffffffffffffffffffffff', message: /too long/ },
    { name: 'an unknown kind of field', body: '00 00000001 0b', message: /unknown kind 3/ },
  ]
  for (const { name, body, message } of broken) {
    it(`decodeHealthResponse() refuses ${name}`, () => {
      assert.throws(() => decodeHealthResponse(bytes(body)), message)
    })
  }

  it('decodeHealthResponse() reads any bytes or refuses them with a RangeError, and comes to an end', () => {
    const known: readonly string[] = servingStatuses
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (message) => {
        const frame = Uint8Array.from([0, 0, 0, 0, message.length, ...message])
        try {
          assert.ok(known.includes(decodeHealthResponse(frame)))
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
      }),
    )
  })

  it('codeName() knows the codes of gRPC', () => {
    assert.deepEqual([0, 5, 12, 14, 16, 17].map(codeName), [
      'OK',
      'NOT_FOUND',
      'UNIMPLEMENTED',
      'UNAVAILABLE',
      'UNAUTHENTICATED',
      'code 17',
    ])
  })
})
