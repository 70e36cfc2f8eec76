import assert from 'node:assert/strict'
import { GetDataRequest } from '../../../src/zookeeper/get-data.ts'

/** A request as it stands in ZooKeeper's protocol: length, number, 4 for getData, path, watch. */
function requestBytes(xid: number, path: string, watch: boolean): Buffer {
  const bytes = Buffer.from(path)
  const numbers = Buffer.alloc(12)
  for (const [index, value] of [xid, 4, bytes.length].entries()) numbers.writeInt32BE(value, index * 4)
  return framed([numbers, bytes, Buffer.from([watch ? 1 : 0])])
}

/** The answer to request 7. `undefined`: the node was made with no data at all. */
function answerBytes(data: Buffer | undefined, owner = 0n): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32BE(7)
  const length = Buffer.alloc(4)
  length.writeInt32BE(data?.length ?? -1)
  const stat = Buffer.alloc(68)
  for (const [index, value] of [0x1234n, 0xffff_ffff_ffffn, 11n, 12n].entries()) stat.writeBigInt64BE(value, index * 8)
  for (const [index, value] of [3, 4, 5].entries()) stat.writeInt32BE(value, 32 + index * 4)
  stat.writeBigUInt64BE(owner, 44)
  stat.writeInt32BE(data?.length ?? 0, 52)
  stat.writeInt32BE(9, 56)
  stat.writeBigInt64BE(13n, 60)
  return framed([header, length, data ?? Buffer.alloc(0), stat])
}

function framed(parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

function answered(frame: Buffer) {
  const request = new GetDataRequest('/a', false)
  request.take(frame)
  return request.answer
}

describe('GetDataRequest', () => {
  it('is written as ZooKeeper reads it, with the number that it was given', () => {
    for (const [path, watch] of [
      ['/', false],
      ['/services/web/i_0000000001', true],
      ['/dienste/grün/日本', true],
    ] as const) {
      const request = new GetDataRequest(path, watch)
      request.header.xid = 0x0102_0304
      assert.deepEqual(request.toBuffer(), requestBytes(0x0102_0304, path, watch))
    }
  })

  it('reads the data and the stat of the node', () => {
    const { data, stat } = answered(answerBytes(Buffer.from('{"host":"a"}'), 0x1000_0000_0000_0001n))
    assert.equal(String(data), '{"host":"a"}')
    assert.deepEqual(stat, {
      czxid: '0x1234',
      mzxid: '0xffffffffffff',
      version: 3,
      ephemeralOwner: '0x1000000000000001',
      numChildren: 9,
    })
  })

  it('knows a persistent node by its owner, and takes no data at all for empty data', () => {
    const { data, stat } = answered(answerBytes(undefined))
    assert.deepEqual([data.length, stat.ephemeralOwner, stat.version], [0, undefined, 3])
  })

  it('copies the data: what else arrived with it may go', () => {
    const frame = answerBytes(Buffer.from('abc'))
    const { data } = answered(frame)
    frame.fill(0)
    assert.equal(String(data), 'abc')
  })

  it('refuses an answer that is cut anywhere, or whose length makes no sense', () => {
    const frame = answerBytes(Buffer.from('abc'))
    for (let length = 0; length < frame.length; length++) {
      assert.throws(() => answered(frame.subarray(0, length)), RangeError, `cut at ${length}`)
    }
    for (const length of [-2, 4, 0x7fff_ffff]) {
      const wrong = Buffer.from(frame)
      wrong.writeInt32BE(length, 20)
      assert.throws(() => answered(wrong), RangeError, `length ${length}`)
    }
  })

  it('has no answer before there is one', () => {
    assert.throws(() => new GetDataRequest('/a', true).answer, RangeError)
  })
})
