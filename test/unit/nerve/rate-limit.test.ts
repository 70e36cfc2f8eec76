import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { RateLimitingConfig } from '../../../src/nerve/config.ts'
import {
  admit,
  createRateLimit,
  type RateLimitState,
  type RegistrationKind,
  unlimited,
} from '../../../src/nerve/rate-limit.ts'

const limit = (averageRate: number, maxBurst: number, shadowMode = false): RateLimitingConfig => ({
  averageRate,
  maxBurst,
  shadowMode,
})

interface Step {
  readonly at: number
  readonly wants: RegistrationKind
}

/** What the registries are allowed to say after each step, and when a held change may come again. */
function play(config: RateLimitingConfig, steps: readonly Step[]) {
  let state = createRateLimit(config, 0)
  return steps.map(({ at, wants }) => {
    const admission = admit(state, wants, config, at * 1000)
    state = admission.state
    const told = admission.newlyThrottled ? ' told' : ''
    const retry = admission.retryInMs === undefined ? '' : ` again in ${admission.retryInMs}`
    return `${state.released ?? 'nothing'}${told}${retry}`
  })
}

const up = (at: number): Step => ({ at, wants: 'present' })
const down = (at: number): Step => ({ at, wants: 'absent' })

describe('admit()', () => {
  const cases = [
    {
      name: 'without a limit every change goes through',
      config: unlimited,
      steps: [up(0), down(0), up(0), down(0)],
      expected: ['present', 'absent', 'present', 'absent'],
    },
    {
      name: 'the bucket starts with average_rate tokens, not with max_burst',
      config: limit(2, 10),
      steps: [up(0), down(0), up(0)],
      expected: ['present', 'absent', 'absent told again in 500'],
    },
    {
      name: 'a change that is held back goes through when its token is there',
      config: limit(1, 1),
      steps: [up(0), down(0.2), down(0.9), down(1)],
      expected: ['present', 'present told again in 800', 'present again in 100', 'absent'],
    },
    {
      name: 'a change that is taken back while it waits costs nothing and is told anew the next time',
      config: limit(1, 1),
      steps: [up(0), down(0.2), up(0.4), down(0.6), down(1)],
      expected: ['present', 'present told again in 800', 'present', 'present told again in 400', 'absent'],
    },
    {
      name: 'what stays as it is takes no token',
      config: limit(1, 1),
      steps: [up(0), up(0.1), up(0.2), up(5), down(5)],
      expected: ['present', 'present', 'present', 'present', 'absent'],
    },
    {
      name: 'max_burst bounds what a quiet time saves up',
      config: limit(1, 2),
      steps: [up(0), down(100), up(100), down(100)],
      expected: ['present', 'absent', 'present', 'present told again in 1000'],
    },
    {
      name: 'without max_burst a quiet time saves up everything',
      config: limit(1, Number.POSITIVE_INFINITY),
      steps: [up(0), down(3), up(3), down(3), up(3)],
      expected: ['present', 'absent', 'present', 'absent', 'absent told again in 1000'],
    },
    {
      name: 'a rate below one holds back even the first registration',
      config: limit(0.5, 1),
      steps: [up(0), up(1)],
      expected: ['nothing told again in 1000', 'present'],
    },
    {
      name: 'a rate of 0 lets nothing through, ever',
      config: limit(0, 5),
      steps: [up(0), up(1_000_000)],
      expected: ['nothing told', 'nothing'],
    },
    {
      name: 'shadow mode tells of each change that it would hold back, and lets it through',
      config: limit(1, 1, true),
      steps: [up(0), down(0.1), up(0.2), up(0.3), down(1.5)],
      expected: ['present', 'absent told', 'present told', 'present', 'absent'],
    },
  ]
  for (const { name, config, steps, expected } of cases) {
    it(name, () => assert.deepEqual(play(config, steps), expected))
  }

  it('whatever happened before, a change is through when retryInMs has passed, and no earlier', () => {
    const rate = fc.double({ min: 0.01, max: 50, noNaN: true })
    const burst = fc.double({ min: 1, max: 20, noNaN: true })
    const history = fc.array(fc.tuple(fc.nat(5_000), fc.constantFrom<RegistrationKind>('present', 'absent')))
    fc.assert(
      fc.property(rate, burst, history, (averageRate, maxBurst, steps) => {
        const config = limit(averageRate, maxBurst)
        let now = 0
        let state: RateLimitState = createRateLimit(config, now)
        for (const [waitMs, wants] of steps) {
          now += waitMs
          const { state: next, retryInMs } = admit(state, wants, config, now)
          if (retryInMs !== undefined) {
            assert.equal(admit(next, wants, config, now + retryInMs).state.released, wants)
            assert.notEqual(admit(next, wants, config, now + retryInMs - 2).state.released, wants)
          } else assert.equal(next.released, wants)
          state = next
        }
      }),
    )
  })

  it('in the long run no more than max_burst and average_rate per second go through', () => {
    const config = limit(2, 5)
    let state = createRateLimit(config, 0)
    let changes = 0
    for (let now = 0; now <= 60_000; now += 10) {
      const before = state.released
      state = admit(state, before === 'present' ? 'absent' : 'present', config, now).state
      if (state.released !== before) changes += 1
    }
    assert.ok(changes <= 2 + 2 * 60 && changes >= 2 * 60 - 2, `${changes}`)
  })
})
