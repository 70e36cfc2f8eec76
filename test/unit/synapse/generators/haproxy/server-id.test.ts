import assert from 'node:assert/strict'
import fc from 'fast-check'
import { assignIds, hashId } from '../../../../../src/synapse/generators/haproxy/server-id.ts'

const MAX = 2_147_483_647
const ids = (names: readonly string[], max = MAX, running = new Map<string, number>()) =>
  Object.fromEntries(
    assignIds(
      names.map((name) => ({ name })),
      max,
      running,
    ).ids,
  )

describe('assignIds()', () => {
  it('depends on the name alone: order, neighbours and restarts do not matter', () => {
    const alone = ids(['web_10.0.0.1:80'])
    const among = ids(['b', 'web_10.0.0.1:80', 'a'])
    assert.equal(among['web_10.0.0.1:80'], alone['web_10.0.0.1:80'])
    // for ever: another id moves the keys of consistent hashes, and differs from the nodes not yet upgraded
    assert.equal(alone['web_10.0.0.1:80'], 1_117_661_590)
  })

  it('gives a wanted id before any other', () => {
    const name = 'a'
    const wanted = hashId('b', MAX)
    const { ids: given, conflicts } = assignIds([{ name: 'b' }, { name, wanted }], MAX)
    assert.equal(given.get('a'), wanted)
    assert.equal(given.get('b'), wanted + 1)
    assert.deepEqual(conflicts, [])
  })

  it('names servers that want the same id, or one that is too high', () => {
    const requests = [
      { name: 'b', wanted: 7 },
      { name: 'a', wanted: 7 },
      { name: 'c', wanted: 101 },
    ]
    const { ids: given, conflicts } = assignIds(requests, 100)
    assert.equal(given.get('a'), 7)
    assert.deepEqual(conflicts, ['b', 'c'])
  })

  it('takes no id away from a server that runs with the one that it wants, whatever comes', () => {
    const requests = [
      { name: 'a', wanted: 7 },
      { name: 'b', wanted: 7 },
    ]
    const { ids: given, conflicts } = assignIds(requests, MAX, new Map([['b', 7]]))
    assert.deepEqual([given.get('b'), given.get('a')], [7, hashId('a', MAX)])
    assert.deepEqual(conflicts, ['a'])
  })

  it('takes no id away from a server that runs with the one of its name', () => {
    const id = hashId('b', MAX)
    const running = new Map([['b', id]])
    const { ids: given, conflicts } = assignIds([{ name: 'a', wanted: id }, { name: 'b' }], MAX, running)
    assert.deepEqual([given.get('b'), given.get('a')], [id, hashId('a', MAX)])
    assert.deepEqual(conflicts, ['a'])
  })

  it('gives a wanted id that runs at one that has to change its own anyhow', () => {
    const running = new Map([
      ['b', 7],
      ['c', 8],
    ])
    const requests = [{ name: 'a', wanted: 7 }, { name: 'b' }, { name: 'c', wanted: 9 }, { name: 'd', wanted: 8 }]
    const { ids: given, conflicts } = assignIds(requests, MAX, running)
    assert.deepEqual(Object.fromEntries(given), { a: 7, b: hashId('b', MAX), c: 9, d: 8 })
    assert.deepEqual(conflicts, [])
  })

  it('resolves collisions by name, the same in any order', () => {
    const names = Array.from({ length: 50 }, (_, index) => `s${index}`)
    assert.deepEqual(ids([...names].reverse(), 60), ids(names, 60))
  })

  it('gives no id again that a server in maintenance still has', () => {
    const id = hashId('new', MAX)
    assert.deepEqual(ids(['new'], MAX, new Map([['tombstone', id]])), { new: id + 1 })
    const { ids: given, conflicts } = assignIds([{ name: 'new', wanted: 7 }], MAX, new Map([['tombstone', 7]]))
    assert.equal(given.get('new'), hashId('new', MAX))
    assert.deepEqual(conflicts, ['new'])
  })

  it('lets a server that runs keep its id when a colliding one comes', () => {
    const [first = '', second = ''] = collidingNames(1000)
    const running = new Map([[second, hashId(second, 1000)]])
    const both = ids([first, second], 1000, running)
    assert.equal(both[second], hashId(second, 1000))
    assert.equal(both[first], hashId(second, 1000) + 1)
    // and it keeps the pushed one when the other is gone
    assert.deepEqual(ids([first], 1000, new Map([[first, both[first] ?? 0]])), { [first]: both[first] })
  })

  it('replaces small ids that another synapse counted out', () => {
    assert.deepEqual(ids(['web'], MAX, new Map([['web', 1]])), { web: hashId('web', MAX) })
    const beside = assignIds([{ name: 'web' }, { name: 'api', wanted: 9 }], MAX, new Map([['web', 1]]))
    assert.equal(beside.ids.get('web'), hashId('web', MAX))
  })

  it('gives different ids in range, whatever is taken (property)', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 40 })
    fc.assert(
      fc.property(names, fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { maxLength: 40 }), (wanted, taken) => {
        const running = new Map(taken.map((id) => [`running ${id}`, id]))
        const given = [
          ...assignIds(
            wanted.map((name) => ({ name })),
            100,
            running,
          ).ids.values(),
        ]
        assert.equal(given.length, wanted.length)
        assert.equal(new Set([...given, ...taken]).size, given.length + taken.length)
        assert.ok(given.every((id) => id >= 1 && id <= 100))
      }),
    )
  })

  it('says so when no id is left', () => {
    assert.throws(() => ids(['a', 'b', 'c'], 2), /no server id up to 2 is free/)
  })
})

/** Two names with the same hash, in the order of the names. */
function collidingNames(max: number): readonly string[] {
  const seen = new Map<number, string>()
  for (let index = 0; ; index++) {
    const name = `n${index}`
    const other = seen.get(hashId(name, max))
    if (other !== undefined) return [other, name].sort()
    seen.set(hashId(name, max), name)
  }
}
