import assert from 'node:assert/strict'
import { ReadManyRequest } from '../../../src/zookeeper/read-many.ts'

const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const framed = (...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([int(body.length), body])
}
/** The header of a part: a number, whether it is the last, an error. */
const part = (type: number, isLast: boolean, error: number): Buffer =>
  Buffer.concat([int(type), Buffer.from([isLast ? 1 : 0]), int(error)])
const LAST = part(-1, true, -1)
const text = (value: string): Buffer => Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)])
const node = (data: Buffer, version: number): Buffer => {
  const stat = Buffer.alloc(68)
  stat.writeInt32BE(version, 32)
  return Buffer.concat([part(4, false, 0), data, stat])
}
const failure = (error: number): Buffer => Buffer.concat([part(-1, false, error), int(error)])
/** The answer to request 7. */
const answer = (...parts: readonly Buffer[]): Buffer => framed(int(7), Buffer.alloc(8), int(0), ...parts)

function take(paths: readonly string[], frame: Buffer) {
  const request = new ReadManyRequest(paths)
  request.take(frame)
  return request.answers
}

describe('ReadManyRequest', () => {
  it('is written as ZooKeeper reads it, with the number that it was given', () => {
    const request = new ReadManyRequest(['/a', '/dienste/grün'])
    request.header.xid = 0x0102_0304
    const read = part(4, false, -1)
    const watch = Buffer.from([0])
    assert.deepEqual(
      request.toBuffer(),
      framed(int(0x0102_0304), int(22), read, text('/a'), watch, read, text('/dienste/grün'), watch, LAST),
    )
  })

  it('reads the data and the stat of each node, in order, and the error of each that failed', () => {
    const frame = answer(node(text('{"host":"a"}'), 3), failure(-101), node(int(-1), 5), failure(-102), LAST)
    const answers = take(['/a', '/b', '/c', '/d'], frame)
    assert.deepEqual(
      answers.map((each) => (typeof each === 'number' ? each : `${each.data} ${each.stat.version}`)),
      ['{"host":"a"} 3', -101, ' 5', -102],
    )
  })

  it('keeps data of its own, not the packet that it came in', () => {
    const frame = answer(node(text('kept'), 0), LAST)
    const [kept] = take(['/a'], frame)
    frame.fill(0)
    assert.equal(typeof kept === 'object' && String(kept.data), 'kept')
  })

  const nonsense: readonly [what: string, frame: Buffer][] = [
    ['to fewer reads', answer(node(text('x'), 0), LAST)],
    ['to more reads', answer(failure(-101), failure(-101), failure(-101), LAST)],
    ['to something else', answer(part(1, false, 0), failure(-101), LAST)],
    ['without an end', answer(failure(-101), failure(-101))],
    [
      'with longer data than there is',
      answer(node(Buffer.concat([int(1000), Buffer.from('x')]), 0), failure(-101), LAST),
    ],
    ['with a length below nothing', answer(node(int(-2), 0), failure(-101), LAST)],
  ]
  for (const [what, frame] of nonsense) {
    it(`take() refuses an answer ${what}`, () => {
      assert.throws(() => take(['/a', '/b'], frame), RangeError)
    })
  }

  it('answers throws when there was none', () => {
    assert.throws(() => new ReadManyRequest(['/a']).answers, RangeError)
  })
})
