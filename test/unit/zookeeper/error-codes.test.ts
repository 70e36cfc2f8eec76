import assert from 'node:assert/strict'
import { meaningOf } from '../../../src/zookeeper/error-codes.ts'
import { ZooKeeperError } from '../../../src/zookeeper/zookeeper.ts'

describe('meaningOf()', () => {
  const cases = [
    { number: -4, text: 'CONNECTION_LOSS (-4)', code: 'CONNECTION_LOSS' },
    { number: -101, text: 'NO_NODE (-101)', code: 'NO_NODE' },
    { number: -102, text: 'NO_AUTH (-102)', code: 'NO_AUTH' },
    { number: -110, text: 'NODE_EXISTS (-110)', code: 'NODE_EXISTS' },
    { number: -111, text: 'NOT_EMPTY (-111)', code: 'NOT_EMPTY' },
    { number: -112, text: 'SESSION_EXPIRED (-112)', code: 'SESSION_EXPIRED' },
    { number: -118, text: 'SESSION_MOVED (-118)', code: 'CONNECTION_LOSS' },
    { number: -125, text: 'QUOTA_EXCEEDED (-125)', code: 'OTHER' },
    { number: -127, text: 'THROTTLED_OP (-127)', code: 'OPERATION_TIMEOUT' },
    { number: -999, text: 'unknown error (-999)', code: 'OTHER' },
    { number: 480_903_177, text: 'unknown error (480903177)', code: 'OTHER' },
  ] as const
  for (const { number, text, code } of cases) {
    it(`explains ${number} as ${text}`, () => assert.deepEqual(meaningOf(number), { text, code }))
  }

  it('leads to a retryable error where a later attempt can help', () => {
    const retryable = (number: number) => new ZooKeeperError(meaningOf(number).code, '', '/').retryable
    assert.deepEqual([-4, -112, -7, -118, -127].map(retryable), Array(5).fill(true))
    assert.deepEqual([-101, -102, -114, -125, -999].map(retryable), Array(5).fill(false))
  })
})
