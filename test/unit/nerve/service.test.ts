import assert from 'node:assert/strict'
import type { HealthState } from '../../../src/nerve/health.ts'
import { registration, serviceHealth } from '../../../src/nerve/service.ts'

const up: HealthState = { status: 'up', failures: 0 }
const down: HealthState = { status: 'down', successes: 0, reason: 'refused' }
const unknown: HealthState = { status: 'unknown' }
const payload = { host: 'a', port: 1, name: 'i-1' }

describe('serviceHealth()', () => {
  const cases: { name: string; checks: Record<string, HealthState>; expected: string }[] = [
    { name: 'no checks is up', checks: {}, expected: 'up' },
    { name: 'all up is up', checks: { a: up, b: up }, expected: 'up' },
    { name: 'one down is down', checks: { a: up, b: down }, expected: 'down' },
    { name: 'one down decides although another has no verdict', checks: { a: unknown, b: down }, expected: 'down' },
    { name: 'one without a verdict is unknown', checks: { a: up, b: unknown }, expected: 'unknown' },
  ]
  for (const { name, checks, expected } of cases) {
    it(name, () => assert.equal(serviceHealth(new Map(Object.entries(checks))).status, expected))
  }

  it('names every failing check with its reason', () => {
    const health = serviceHealth(
      new Map([
        ['http', down],
        ['tcp', { ...down, reason: 'no answer' }],
      ]),
    )
    assert.deepEqual(health, { status: 'down', reason: 'http: refused; tcp: no answer' })
  })
})

describe('registration()', () => {
  it('is undefined without a verdict: neither register nor remove', () => {
    assert.equal(registration({ status: 'unknown', reason: '' }, payload), undefined)
  })
  it('is present when up and absent when down', () => {
    assert.deepEqual(registration({ status: 'up' }, payload), { kind: 'present', payload })
    assert.deepEqual(registration({ status: 'down', reason: '' }, payload), { kind: 'absent' })
  })
})
