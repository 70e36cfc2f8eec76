import assert from 'node:assert/strict'
import { parseHost } from '../../../../../src/synapse/generators/haproxy/addresses.ts'

describe('parseHost()', () => {
  const cases = [
    { host: '10.0.0.1', expected: 'ip 10.0.0.1' },
    { host: '255.255.255.255', expected: 'ip 255.255.255.255' },
    { host: '0.0.0.0', expected: 'ip 0.0.0.0' },
    { host: '256.0.0.1', expected: 'invalid' },
    { host: '10.0.0.01', expected: 'invalid' },
    { host: '010.0.0.1', expected: 'invalid' },
    { host: '10.0.0', expected: 'invalid' },
    { host: '10.0.0.1.', expected: 'invalid' },
    { host: '1', expected: 'invalid' },
    { host: '::', expected: 'ip ::' },
    { host: '::1', expected: 'ip ::1' },
    { host: 'fe80::', expected: 'ip fe80::' },
    { host: '2001:DB8:0:0:1:0:0:1', expected: 'ip 2001:db8::1:0:0:1' },
    { host: '2001:db8:0:1:1:1:1:1', expected: 'ip 2001:db8:0:1:1:1:1:1' },
    { host: '2001:0db8:0000:0000:0000:0000:0000:0001', expected: 'ip 2001:db8::1' },
    { host: '::ffff:10.0.0.1', expected: 'ip ::ffff:10.0.0.1' },
    { host: '1::2::3', expected: 'invalid' },
    { host: '1:2:3:4:5:6:7:8:9', expected: 'invalid' },
    { host: '1:2:3:4:5:6:7::8', expected: 'invalid' },
    { host: '1:2:3', expected: 'invalid' },
    { host: '::12345', expected: 'invalid' },
    { host: '::1%eth0', expected: 'invalid' },
    { host: 'localhost', expected: 'name localhost' },
    { host: 'a-b.example.com', expected: 'name a-b.example.com' },
    { host: 'under_score.example.com.', expected: 'name under_score.example.com.' },
    { host: '', expected: 'invalid' },
    { host: '-a', expected: 'invalid' },
    { host: 'a..b', expected: 'invalid' },
    { host: 'a b', expected: 'invalid' },
    { host: 'a\n', expected: 'invalid' },
    { host: '10.0.0.1\n', expected: 'invalid' },
    { host: 'a#', expected: 'invalid' },
    { host: 'x'.repeat(254), expected: 'invalid' },
  ]
  for (const { host, expected } of cases) {
    it(`takes ${JSON.stringify(host.slice(0, 50))} for: ${expected}`, () => {
      const address = parseHost(host)
      assert.equal(address.kind === 'invalid' ? 'invalid' : `${address.kind} ${address.host}`, expected)
    })
  }
})
