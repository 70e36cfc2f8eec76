import assert from 'node:assert/strict'
import { readReplyHeader } from '../../../src/zookeeper/reply-header.ts'

const FRAME = Buffer.from('00000010' + 'fffffffc' + '00000001000000ff' + 'ffffff9b', 'hex')

describe('readReplyHeader()', () => {
  it('reads number, transaction and error', () => {
    assert.deepEqual(readReplyHeader(FRAME), { xid: -4, zxid: 0x1_0000_00ffn, error: -101 })
  })

  it('throws on every frame that is too short, and only there', () => {
    for (let length = 0; length < FRAME.length; length++) {
      assert.throws(() => readReplyHeader(FRAME.subarray(0, length)), RangeError)
    }
    assert.equal(readReplyHeader(Buffer.concat([FRAME, Buffer.alloc(9)])).error, -101)
  })
})
