import assert from 'node:assert/strict'
import type { HealthState } from '../../../src/nerve/health.ts'
import { absence, effectiveHealth, payloadOf, registration, serviceHealth } from '../../../src/nerve/service.ts'

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

describe('effectiveHealth()', () => {
  const cases = [
    { manual: 'enabled', health: { status: 'down', reason: 'refused' }, expected: 'down' },
    { manual: 'enabled', health: { status: 'unknown', reason: '' }, expected: 'unknown' },
    { manual: 'disabled', health: { status: 'up' }, expected: 'down' },
    { manual: 'disabled', health: { status: 'unknown', reason: '' }, expected: 'down' },
    { manual: 'forced', health: { status: 'down', reason: 'refused' }, expected: 'up' },
  ] as const
  for (const { manual, health, expected } of cases) {
    it(`${manual} by hand, ${health.status} by its checks: ${expected}`, () =>
      assert.equal(effectiveHealth(health, { kind: manual }).status, expected))
  }
})

describe('payloadOf() and absence()', () => {
  const service = { host: 'a', publishedPort: 1 }
  it('say what Airbnb says unless availability is published', () => {
    const nothing = { haproxyServerOptions: undefined, labels: undefined }
    assert.deepEqual(payloadOf(service, 'i-1', 3), { host: 'a', port: 1, name: 'i-1', weight: 3, ...nothing })
    assert.deepEqual(absence(service, 'i-1', { reason: 'refused' }), { kind: 'absent' })
  })
  it('tell whether somebody took the service out', () => {
    const ifPresent = payloadOf(service, 'i-1', 3)
    assert.deepEqual(absence(service, 'i-1', { reason: 'refused', ifPresent }), { kind: 'absent', ifPresent })
    const absent = absence(service, 'i-1', { reason: 'deploy', isByHand: true })
    assert.deepEqual(absent, { kind: 'absent', byHand: true })
  })
  it('publish availability, with the reason and no weight when there is none', () => {
    const published = { ...service, publishAvailability: true, publishedName: 'web' }
    assert.equal(payloadOf(published, 'i-1', 3).available, true)
    assert.equal(payloadOf(published, 'i-1', 3).name, 'web')
    const { payload } = absence(published, 'i-1', { reason: 'refused' })
    assert.deepEqual([payload?.available, payload?.unavailableReason, payload?.weight], [false, 'refused', 0])
  })
})
