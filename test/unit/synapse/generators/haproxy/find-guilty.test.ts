import assert from 'node:assert/strict'
import { findGuilty } from '../../../../../src/synapse/generators/haproxy/find-guilty.ts'

/** A world of services of which some are refused: by name, or without saying whom. */
function world(names: readonly string[], isRefused: (left: readonly string[]) => string | undefined) {
  let checks = 0
  const check = async (without: readonly string[]) => {
    checks += 1
    return isRefused(names.filter((name) => !without.includes(name)))
  }
  const find = async () =>
    findGuilty(isRefused(names) ?? '', {
      suspects: names,
      accused: (refusal, leftOut) => names.filter((name) => refusal.includes(name) && !leftOut.includes(name)),
      check,
      convict: (suspect) => suspect,
    })
  return { find, checks: () => checks }
}

const many = Array.from({ length: 500 }, (_, index) => `service${String(index).padStart(3, '0')}`)

describe('findGuilty()', () => {
  it('needs one check for those who are named', async () => {
    const { find, checks } = world(many, (left) =>
      left.includes('service007') ? 'service007, service100: bad' : left.includes('service100') ? 'no' : undefined,
    )
    assert.deepEqual(await find(), ['service007', 'service100'])
    assert.equal(checks(), 1)
  })

  it('finds one that is not named, by halves', async () => {
    const { find, checks } = world(many, (left) => (left.includes('service321') ? 'bad' : undefined))
    assert.deepEqual(await find(), ['service321'])
    assert.ok(checks() <= 12, `${checks()} checks`)
  })

  it('finds two that are not named', async () => {
    const { find } = world(many, (left) =>
      left.includes('service003') || left.includes('service499') ? 'bad' : undefined,
    )
    assert.deepEqual((await find()).toSorted(), ['service003', 'service499'])
  })

  it('blames the later one of two that do not get along', async () => {
    const { find } = world(many, (left) =>
      left.includes('service003') && left.includes('service300') ? 'bad' : undefined,
    )
    assert.deepEqual(await find(), ['service300'])
  })

  it('finds one that is only named once another is out', async () => {
    const { find } = world(many, (left) =>
      left.includes('service001') ? 'service001' : left.includes('service002') ? 'service002' : undefined,
    )
    assert.deepEqual(await find(), ['service001', 'service002'])
  })

  it('blames nobody when it is refused without all of them', async () => {
    assert.deepEqual(await world(many, () => 'the top level').find(), [])
  })

  it('gives up when there are too many to find', async () => {
    const { find, checks } = world(many, (left) => (left.some((name) => /[02468]$/.test(name)) ? 'bad' : undefined))
    assert.deepEqual(await find(), [])
    assert.ok(checks() <= 60, `${checks()} checks`)
  })
})
