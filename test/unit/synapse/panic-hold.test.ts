import assert from 'node:assert/strict'
import type { ServiceInstance } from '../../../src/core/service-instance.ts'
import { calm, guard, type PanicPolicy, type PanicState, remembered } from '../../../src/synapse/panic-hold.ts'

const policy: PanicPolicy = { threshold: 0.5, windowMs: 30_000, holdMs: 300_000 }
const some = (count: number, from = 0): ServiceInstance[] =>
  Array.from({ length: count }, (_, index) => ({ name: `i-${from + index}`, host: '10.0.0.1', port: 80 }))

/** Feeds listings, each with its moment, and tells what is served after the last. */
function listed(
  listings: readonly (readonly [at: number, listed: readonly ServiceInstance[]])[],
  own = policy,
): PanicState {
  return listings.reduce<PanicState>((state, [at, listed]) => guard(state, { instances: listed }, at, own), calm)
}

const cases: {
  name: string
  listings: [number, ServiceInstance[]][]
  policy?: Partial<PanicPolicy>
  kind: PanicState['kind']
  served: number
}[] = [
  {
    name: 'more than half at once is held',
    listings: [
      [0, some(10)],
      [1, some(4)],
    ],
    kind: 'holding',
    served: 10,
  },
  {
    name: 'exactly half is believed',
    listings: [
      [0, some(10)],
      [1, some(5)],
    ],
    kind: 'calm',
    served: 5,
  },
  {
    name: 'two of three is believed: small services restart',
    listings: [
      [0, some(3)],
      [1, some(1)],
    ],
    kind: 'calm',
    served: 1,
  },
  {
    name: 'three of three is held',
    listings: [
      [0, some(3)],
      [1, some(0)],
    ],
    kind: 'holding',
    served: 3,
  },
  {
    name: 'a slide within the window counts from its top',
    listings: [
      [0, some(10)],
      [9_000, some(7)],
      [18_000, some(4)],
    ],
    kind: 'holding',
    served: 7,
  },
  {
    name: 'a slide slower than the window is believed',
    listings: [
      [0, some(10)],
      [40_000, some(7)],
      [80_000, some(4)],
    ],
    kind: 'calm',
    served: 4,
  },
  {
    name: 'a long calm before does not wear out',
    listings: [
      [0, some(10)],
      [900_000, some(3)],
    ],
    kind: 'holding',
    served: 10,
  },
  {
    name: 'a replacement by as many others is believed',
    listings: [
      [0, some(10)],
      [1, some(10, 50)],
    ],
    kind: 'calm',
    served: 10,
  },
  {
    name: 'newcomers during a hold are served beside the held',
    listings: [
      [0, some(10)],
      [1, some(2)],
      [2, some(3)],
    ],
    kind: 'holding',
    served: 10,
  },
  {
    name: 'a hold ends when enough are listed again, and then the listing is believed',
    listings: [
      [0, some(10)],
      [1, some(2)],
      [2, some(6)],
    ],
    kind: 'calm',
    served: 6,
  },
  {
    name: 'a hold ends after its time',
    listings: [
      [0, some(10)],
      [1, some(2)],
      [300_001, some(2)],
    ],
    kind: 'calm',
    served: 2,
  },
  {
    name: 'a hold that ended does not start again on the same listing',
    listings: [
      [0, some(10)],
      [1, some(2)],
      [300_001, some(2)],
      [300_002, some(2)],
    ],
    kind: 'calm',
    served: 2,
  },
  {
    name: 'a threshold of 1 turns it off',
    listings: [
      [0, some(10)],
      [1, some(0)],
    ],
    policy: { threshold: 1 },
    kind: 'calm',
    served: 0,
  },
  {
    name: 'a hold of 0 turns it off',
    listings: [
      [0, some(10)],
      [1, some(0)],
    ],
    policy: { holdMs: 0 },
    kind: 'calm',
    served: 0,
  },
]

describe('guard()', () => {
  for (const { name, listings, policy: part, kind, served } of cases) {
    it(name, () => {
      const state = listed(listings, { ...policy, ...part })
      assert.equal(state.kind, kind)
      assert.equal(state.instances.length, served)
    })
  }

  it('tells how many are held', () => {
    const state = listed([
      [0, some(10)],
      [1, some(4)],
    ])
    assert.equal(state.kind === 'holding' ? state.held : undefined, 6)
  })

  it('believes instances that are taken out on purpose, however many', () => {
    const before = guard(calm, { instances: some(10) }, 0, policy)
    const state = guard(before, { instances: some(2), withdrawn: some(8, 2) }, 1, policy)
    assert.deepEqual(state.kind === 'calm' && state.instances, some(2))
  })

  it('holds none that is taken out on purpose while others vanish', () => {
    const before = guard(calm, { instances: some(10) }, 0, policy)
    const state = guard(before, { instances: some(2), withdrawn: some(1, 2) }, 1, policy)
    assert.deepEqual(state, {
      kind: 'holding',
      since: 1,
      baseline: 10,
      instances: [...some(2), ...some(7, 3)],
      withdrawn: some(1, 2),
      held: 7,
    })
  })

  it('believes the removal of instances that had said that they go, and starts no hold', () => {
    const before = guard(calm, { instances: some(10) }, 0, policy)
    const withdrawn = guard(before, { instances: some(2), withdrawn: some(8, 2) }, 1, policy)
    const removed = guard(withdrawn, { instances: some(2) }, 2, policy)
    assert.deepEqual([removed.kind, removed.instances], ['calm', some(2)])
    const one = guard(removed, { instances: some(1) }, 3, policy)
    assert.deepEqual([one.kind, one.instances], ['calm', some(1)], 'and the next listing is compared with what is left')
  })

  it('goes on with a hold while others say that they go, and then believes their removal', () => {
    const before = guard(calm, { instances: some(10) }, 0, policy)
    const holding = guard(before, { instances: some(4) }, 1, policy)
    const withdrawing = guard(holding, { instances: some(1), withdrawn: some(3, 1) }, 2, policy)
    const removed = guard(withdrawing, { instances: some(1) }, 3, policy)
    assert.deepEqual([removed.kind, removed.instances.length], ['holding', 7])
    const back = guard(removed, { instances: [...some(1), ...some(3, 4)] }, 4, policy)
    assert.equal(back.kind, 'calm', 'four of seven are there')
  })

  it('sees a panic when many vanish that had been taken out before', () => {
    const all = guard(calm, { instances: some(4), withdrawn: some(4, 4) }, 0, policy)
    const state = guard(all, { instances: some(1) }, 1, policy)
    assert.equal(state.kind, 'holding')
    assert.equal(state.instances.length, 4)
  })
})

describe('remembered()', () => {
  const first = (instances: readonly ServiceInstance[], known = some(10)) =>
    guard(remembered(known, { instances }, 0), { instances }, 0, policy)

  it('holds what a former process knew when most of it is missing in the first listing', () => {
    const state = first(some(3))
    assert.deepEqual([state.kind, state.instances.length], ['holding', 10])
  })

  it('believes a first listing of enough, and the next is compared with that', () => {
    const state = first([...some(4), ...some(2, 50)])
    assert.deepEqual([state.kind, state.instances.length], ['calm', 6])
  })

  it('believes a first listing that shares nothing with it: that may be of another path', () => {
    assert.deepEqual(first(some(2, 50)).instances, some(2, 50))
    assert.deepEqual(first([]).instances, [])
  })

  it('takes those that are not to be used for listed', () => {
    const listing = { instances: some(1), withdrawn: some(9, 1) }
    assert.deepEqual(guard(remembered(some(10), listing, 0), listing, 0, policy).instances, some(1))
  })
})
