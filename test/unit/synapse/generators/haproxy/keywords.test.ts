import assert from 'node:assert/strict'
import { isLineOf, splitLines } from '../../../../../src/synapse/generators/haproxy/keywords.ts'

describe('isLineOf()', () => {
  const cases = [
    { line: 'mode http', where: 'both' },
    { line: 'acl a src 10.0.0.0/8', where: 'both' },
    { line: 'bind :80', where: 'frontend' },
    { line: 'balance roundrobin', where: 'backend' },
    { line: 'option httplog', where: 'frontend' },
    { line: 'option httpchk GET /', where: 'backend' },
    { line: 'no option httpclose', where: 'both' },
    { line: 'no option dontlognull', where: 'frontend' },
    { line: '  OPTION   HttpChk  ', where: 'backend' },
    { line: 'timeout server 1s', where: 'backend' },
    { line: 'timeout client 1s', where: 'frontend' },
    { line: 'timeout http-request 1s', where: 'both' },
    { line: 'tcp-request connection accept', where: 'frontend' },
    { line: 'tcp-request content accept', where: 'both' },
    { line: 'tcp-response content accept', where: 'backend' },
    { line: '# why', where: 'both' },
    // not in the 1.6 manual that Airbnb's tables come from
    { line: 'http-check send meth GET', where: 'backend' },
    { line: 'http-error status 503', where: 'both' },
    { line: 'retry-on all-retryable-errors', where: 'backend' },
    { line: 'filter compression', where: 'both' },
    { line: 'dynamic-cookie-key x', where: 'backend' },
    { line: 'option idle-close-on-response', where: 'frontend' },
    { line: 'hash-preserve-affinity always', where: 'backend' },
    // refused by newer HAProxies, with a message that says what to do
    { line: 'reqidel ^Host:', where: 'both' },
    { line: 'option forceclose', where: 'both' },
    // whole words: Airbnb's tables took this one for `log`
    { line: 'log-format %ci', where: 'frontend' },
    { line: 'modes http', where: 'nowhere' },
    { line: 'option nonsense', where: 'nowhere' },
    { line: 'timeout', where: 'nowhere' },
    { line: 'global', where: 'nowhere' },
    { line: 'backend evil', where: 'nowhere' },
    { line: 'listen evil', where: 'nowhere' },
    { line: '', where: 'nowhere' },
  ]
  for (const { line, where } of cases) {
    it(`puts "${line}" into: ${where}`, () => {
      assert.equal(isLineOf('frontend', line), where === 'both' || where === 'frontend')
      assert.equal(isLineOf('backend', line), where === 'both' || where === 'backend')
    })
  }
})

describe('splitLines()', () => {
  it('keeps the order and returns what it does not know', () => {
    assert.deepEqual(splitLines('backend', ['mode http', 'bind :80', 'balance first']), {
      known: ['mode http', 'balance first'],
      unknown: ['bind :80'],
    })
  })
})
