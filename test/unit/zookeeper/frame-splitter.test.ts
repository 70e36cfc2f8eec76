import assert from 'node:assert/strict'
import fc from 'fast-check'
import { FrameSplitter } from '../../../src/zookeeper/frame-splitter.ts'

const frame = (body: string | Buffer): Buffer => {
  const bytes = Buffer.from(body)
  const head = Buffer.alloc(4)
  head.writeInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}
const bodies = (frames: readonly Buffer[]) => frames.map((each) => each.subarray(4).toString())

describe('FrameSplitter', () => {
  it('finds the same frames wherever the stream is cut', () => {
    const expected = ['hello', '', 'x'.repeat(300), 'end']
    const stream = Buffer.concat(expected.map(frame))
    for (let first = 0; first <= stream.length; first++) {
      const second = Math.min(stream.length, first + 7)
      const splitter = new FrameSplitter(1024)
      const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
      assert.deepEqual(bodies(chunks.flatMap((chunk) => splitter.push(chunk))), expected, `cut at byte ${first}`)
    }
  })

  it('finds them byte by byte', () => {
    const splitter = new FrameSplitter(1024)
    const stream = Buffer.concat(['a', 'bc', ''].map(frame))
    const frames = [...stream].flatMap((byte) => splitter.push(Buffer.from([byte])))
    assert.deepEqual(bodies(frames), ['a', 'bc', ''])
  })

  it('finds any frames in any chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (payloads, sizes) => {
          const stream = Buffer.concat(payloads.map((payload) => frame(Buffer.from(payload))))
          const splitter = new FrameSplitter(60)
          const found: Buffer[] = []
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1
            found.push(...splitter.push(stream.subarray(at, at + size)))
            at += size
          }
          assert.deepEqual(
            found.map((each) => [...each.subarray(4)]),
            payloads.map((payload) => [...payload]),
          )
        },
      ),
    )
  })

  it('keeps the length field in front of each frame', () => {
    assert.deepEqual(new FrameSplitter(10).push(frame('abc')), [frame('abc')])
  })

  it('accepts the longest frame and refuses one byte more', () => {
    assert.equal(new FrameSplitter(3).push(frame('abc')).length, 1)
    assert.throws(() => new FrameSplitter(2).push(frame('abc')), new RangeError('bad frame length 3'))
  })

  it('refuses a negative length', () => {
    assert.throws(() => new FrameSplitter(10).push(Buffer.from([0xff, 0xff, 0xff, 0xfe])), /bad frame length -2/)
  })

  it('gathers a long frame without looking at it again and again', () => {
    const body = Buffer.alloc(4 * 1024 * 1024, 'x')
    const stream = frame(body)
    const splitter = new FrameSplitter(body.length)
    const frames: Buffer[] = []
    const concat = Buffer.concat
    let joins = 0
    Buffer.concat = (...args) => {
      joins += 1
      return concat(...args)
    }
    try {
      for (let at = 0; at < stream.length; at += 1024) frames.push(...splitter.push(stream.subarray(at, at + 1024)))
    } finally {
      Buffer.concat = concat
    }
    assert.deepEqual([frames.length, frames[0]?.length], [1, stream.length])
    assert.ok(joins <= 2, `${joins} joins`)
  })
})
