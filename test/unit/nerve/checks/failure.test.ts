import assert from 'node:assert/strict'
import { explain, isConnectionLost, oneLine } from '../../../../src/nerve/checks/failure.ts'

const coded = (code: string, message = 'raw text') => Object.assign(new Error(message), { code })

describe('explain()', () => {
  const cases: readonly [string, unknown, string][] = [
    ['a refused connection', coded('ECONNREFUSED'), 'connection refused by db:3306'],
    ['an unknown host', coded('ENOTFOUND'), 'the host name of db:3306 does not exist'],
    ['silent name servers', coded('EAI_AGAIN'), 'the name servers gave no answer for the host name of db:3306'],
    ['a missing route', coded('EHOSTUNREACH'), 'no route to db:3306'],
    ['too many open files', coded('EMFILE'), 'nerve has too many open files to connect to db:3306'],
    ['anything else in its own words', coded('EWEIRD'), 'db:3306: raw text'],
    ['what is no error', 'text', 'db:3306: text'],
    [
      'the same failure of several addresses once',
      new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]),
      'connection refused by db:3306',
    ],
    [
      'different failures of several addresses',
      new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]),
      'connection refused by db:3306; the network of db:3306 is unreachable',
    ],
  ]
  for (const [name, error, expected] of cases) {
    it(`says ${name}`, () => assert.equal(explain(error, 'db:3306'), expected))
  }
})

describe('isConnectionLost()', () => {
  it('looks into causes', () => {
    assert.equal(isConnectionLost(coded('ECONNRESET')), true)
    assert.equal(isConnectionLost(new Error('explained', { cause: coded('UND_ERR_SOCKET') })), true)
    assert.equal(isConnectionLost(new Error('explained', { cause: coded('57P01') })), true)
    assert.equal(isConnectionLost(coded('ECONNREFUSED')), false)
    assert.equal(isConnectionLost(new Error('explained', { cause: coded('ER_PARSE_ERROR') })), false)
    assert.equal(isConnectionLost('ECONNRESET'), false)
  })
})

describe('oneLine()', () => {
  const cases: readonly [string, string, string][] = [
    ['joins lines and blanks', ' a\r\n\t b ', 'a b'],
    [
      'drops control, zero-width and bidirectional characters',
      'a\u0000\u001b[31mb\u202ec\u200bd\u2028e',
      'a [31mb c d …',
    ],
    ['keeps what fits', '0123456789ab', '0123456789ab'],
    ['cuts what does not', '0123456789abc', '0123456789ab…'],
    ['cuts between characters', '😀'.repeat(13), `${'😀'.repeat(12)}…`],
    ['cuts a megabyte', 'x'.repeat(1_000_000), `${'x'.repeat(12)}…`],
  ]
  for (const [name, text, expected] of cases) {
    it(name, () => assert.equal(oneLine(text, 12), expected))
  }
})
