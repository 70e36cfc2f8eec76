import assert from 'node:assert/strict'
import {
  afterLook,
  afterRefusal,
  hastened,
  nextDeletionAt,
  planDeletions,
  type TombstoneInput,
  updateTombstones,
} from '../../../../../src/synapse/generators/haproxy/deletions.ts'
import type { Tombstone } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { planHaproxy } from '../../../../../src/synapse/generators/haproxy/plan.ts'
import { applyToModel, desired, haproxyService, instance, startedWith } from '../../../../harness/haproxy-model.ts'

const a = instance('10.0.0.1', 80)
const options = { backend: ['server mine 127.0.0.1:9'] }
const before = desired([haproxyService('web', options, [a])]).state
const gone = desired([haproxyService('web', options, [])]).state
const model = startedWith(before)
const { observed } = applyToModel(model, planHaproxy(gone, model.observed, model), gone)
const NAME = '10.0.0.1:80'

function update(previous: readonly Tombstone[], now: number, more: Partial<TombstoneInput> = {}): readonly Tombstone[] {
  return updateTombstones(previous, { desired: gone, observed, now, deleteDelayMs: 10_000, ...more })
}

describe('updateTombstones()', () => {
  it('finds servers in maintenance that nobody wants, once', () => {
    const first = update([], 1000)
    assert.deepEqual(first, [{ backend: 'web', name: NAME, since: 1000, nextTryAt: 11_000, refusals: 0 }])
    assert.deepEqual(update(first, 5000), first)
  })

  it('forgets a server that is wanted again or not there any more', () => {
    const first = update([], 1000)
    assert.deepEqual(update(first, 2000, { desired: before }), [])
    assert.deepEqual(update(first, 2000, { observed: { ...observed, backends: new Map() } }), [])
  })

  it('leaves alone what serves, and servers of the user', () => {
    assert.deepEqual(update([], 1000, { observed: model.observed }), [])
    const mine = {
      name: 'mine',
      address: '127.0.0.1',
      port: 9,
      id: 1,
      weight: 1,
      adminState: 'maint' as const,
      checking: false,
    }
    assert.deepEqual(update([], 1000, { observed: { ...observed, backends: new Map([['web', [mine]]]) } }), [])
  })
})

describe('planDeletions()', () => {
  it('deletes nothing before its time', () => {
    const tombstones = update([], 1000)
    assert.deepEqual(planDeletions(tombstones, 10_999), [])
    assert.deepEqual(planDeletions(tombstones, 11_000), [{ kind: 'del-server', backend: 'web', name: NAME }])
  })

  it('deletes the oldest first', () => {
    const tombstones = [3, 1, 2].map((since) => ({
      backend: 'web',
      name: `s${since}`,
      since,
      nextTryAt: 0,
      refusals: 0,
    }))
    assert.deepEqual(
      planDeletions(tombstones, 10).map((command) => command.kind === 'del-server' && command.name),
      ['s1', 's2', 's3'],
    )
  })
})

describe('hastened()', () => {
  const HOUR = 3_600_000
  const many = (count: number): Tombstone[] =>
    Array.from({ length: count }, (_, since) => ({
      ...{ backend: 'web', name: `s${since}`, since, nextTryAt: since + HOUR, refusals: 0 },
    })).reverse()

  it('lets a thousand wait for as long as the delay says', () => {
    assert.deepEqual(hastened(many(1000), HOUR), many(1000))
  })

  it('makes the oldest of more than that due after ten seconds', () => {
    const due = planDeletions(hastened(many(1003), HOUR), 10_001)
    assert.deepEqual(
      due.map((command) => command.kind === 'del-server' && command.name),
      ['s0', 's1'],
    )
    assert.equal(planDeletions(hastened(many(1003), HOUR), HOUR - 1).length, 3)
  })

  it('never makes one due before a shorter delay is over', () => {
    const short = many(1003).map((tombstone) => ({ ...tombstone, nextTryAt: tombstone.since + 2_000 }))
    assert.deepEqual(hastened(short, 2_000), short)
  })

  it('leaves alone what waits for another try', () => {
    const waiting = many(1003).map((tombstone, index) => ({ ...tombstone, ...(index % 2 ? REFUSED : BUSY) }))
    assert.equal(nextDeletionAt(hastened(waiting, HOUR)), HOUR)
  })
})

const REFUSED = { refusals: 1 }
const BUSY = { busyLooks: 1 }

describe('afterLook()', () => {
  it('looks again after a second at what it found quiet, and later and later at what connections hold', () => {
    let tombstone: Tombstone = { backend: 'web', name: 'a', since: 0, nextTryAt: 0, refusals: 0 }
    const waits: number[] = []
    for (let look = 0; look < 6; look++) {
      tombstone = afterLook(tombstone, false, 1000)
      waits.push(tombstone.nextTryAt - 1000)
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 15_000, 15_000])
    const quiet = afterLook(tombstone, true, 1000)
    assert.deepEqual([quiet.nextTryAt, quiet.busyLooks], [2000, 0])
    assert.equal(afterLook(quiet, false, 1000).nextTryAt, 2000, 'it starts anew')
  })
})

describe('afterRefusal()', () => {
  it('tries later and later, and gives up in the end', () => {
    let tombstone: Tombstone = { backend: 'web', name: 'a', since: 0, nextTryAt: 0, refusals: 0 }
    const waits: number[] = []
    for (let refusal = 0; refusal < 20; refusal++) {
      tombstone = afterRefusal(tombstone, 1000)
      waits.push(tombstone.nextTryAt - 1000)
    }
    assert.deepEqual(waits.slice(0, 6), [1000, 2000, 4000, 8000, 15_000, 15_000])
    assert.equal(waits.at(-2), 15_000)
    assert.equal(waits.at(-1), Number.POSITIVE_INFINITY)
    assert.deepEqual(planDeletions([tombstone], 1e12), [])
  })
})

describe('nextDeletionAt()', () => {
  it('is the earliest, if any', () => {
    const at = (nextTryAt: number) => ({ backend: 'web', name: 'a', since: 0, nextTryAt, refusals: 0 })
    assert.equal(nextDeletionAt([at(5), at(3)]), 3)
    assert.equal(nextDeletionAt([]), undefined)
    assert.equal(nextDeletionAt([at(Number.POSITIVE_INFINITY)]), undefined)
  })
})
