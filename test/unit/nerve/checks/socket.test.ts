import assert from 'node:assert/strict'
import { formatAddress, tlsReason } from '../../../../src/nerve/checks/socket.ts'

describe('formatAddress()', () => {
  it('puts IPv6 addresses in brackets', () => {
    assert.equal(formatAddress({ host: '::1', port: 80 }), '[::1]:80')
    assert.equal(formatAddress({ host: 'db.internal', port: 3306 }), 'db.internal:3306')
  })
})

describe('tlsReason()', () => {
  const cases: readonly [string, string][] = [
    ['certificate has expired', 'certificate has expired'],
    [
      '00AB:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/ssl/record/ssl3_record.c:354:',
      'the server does not speak TLS',
    ],
    [
      '00AB:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/x.c:1590:SSL alert number 116',
      'tlsv13 alert certificate required',
    ],
    [
      'Client network socket disconnected before secure TLS connection was established',
      'the server closed the connection',
    ],
  ]
  for (const [message, expected] of cases) {
    it(`says "${expected}"`, () => assert.equal(tlsReason(new Error(message)), expected))
  }
})
