import assert from 'node:assert/strict'
import fc from 'fast-check'
import { chunkWatches, SET_WATCHES_BYTES } from '../../../src/zookeeper/set-watches.ts'

const bytesOf = (paths: readonly string[]) => paths.reduce((sum, path) => sum + 4 + Buffer.byteLength(path), 0)

describe('chunkWatches()', () => {
  it('makes no request of no watches', () => {
    assert.deepEqual(chunkWatches({ data: [], exist: [], child: [] }), [])
  })

  it('puts a few watches of all kinds into one request', () => {
    const paths = { data: ['/a', '/b'], exist: ['/c'], child: ['/d'] }
    assert.deepEqual(chunkWatches(paths), [paths])
  })

  it('begins another request where one more path would not fit', () => {
    const chunks = chunkWatches({ data: ['/aaaa', '/bbbb'], exist: [], child: ['/cccc'] }, 18)
    assert.deepEqual(chunks, [
      { data: ['/aaaa', '/bbbb'], exist: [], child: [] },
      { data: [], exist: [], child: ['/cccc'] },
    ])
  })

  it('sends a path alone that is longer than a request should be', () => {
    const chunks = chunkWatches({ data: ['/a', `/${'b'.repeat(50)}`, '/c'], exist: [], child: [] }, 20)
    assert.deepEqual(
      chunks.map(({ data }) => data.length),
      [1, 1, 1],
    )
  })

  it('counts bytes, not characters', () => {
    assert.equal(chunkWatches({ data: ['/ü', '/ü'], exist: [], child: [] }, 13).length, 2)
  })

  it('loses nothing, keeps the order, and stays below the limit', () => {
    const list = fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 30 })
    fc.assert(
      fc.property(fc.record({ data: list, exist: list, child: list }), (paths) => {
        const chunks = chunkWatches(paths, 200)
        for (const kind of ['data', 'exist', 'child'] as const) {
          assert.deepEqual(
            chunks.flatMap((chunk) => chunk[kind]),
            paths[kind],
          )
        }
        for (const { data, exist, child } of chunks) {
          assert.ok(bytesOf([...data, ...exist, ...child]) <= 200 || data.length + exist.length + child.length === 1)
        }
      }),
    )
  })

  it("needs ten requests for 1.2 MB, each below ZooKeeper's limit of 1 MiB", () => {
    const data = Array.from({ length: 12_000 }, (_, number) => `/services/${'x'.repeat(75)}/${number + 10_000}`)
    const chunks = chunkWatches({ data, exist: [], child: [] })
    assert.equal(chunks.length, Math.ceil(bytesOf(data) / SET_WATCHES_BYTES))
  })
})
