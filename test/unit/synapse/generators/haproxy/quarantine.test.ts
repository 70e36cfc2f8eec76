import assert from 'node:assert/strict'
import type { HaproxyService } from '../../../../../src/synapse/generators/haproxy/desired-model.ts'
import { Quarantine } from '../../../../../src/synapse/generators/haproxy/quarantine.ts'
import { haproxyService } from '../../../../harness/haproxy-model.ts'

const at = (now: number) => ({ now, wallTime: 1_000_000 + now })
const service = (name: string, ...backend: string[]): HaproxyService => haproxyService(name, { backend }, [])
const good = service('web', 'balance first')
const bad = service('web', 'balance nonsense')
const other = service('api')
const refused = { service: 'web', reason: 'unknown algorithm' }

describe('Quarantine', () => {
  let quarantine: Quarantine
  beforeEach(() => {
    quarantine = new Quarantine()
  })

  it('passes everything on while nobody is in it', () => {
    const services = [good, other]
    assert.equal(quarantine.admit(services), services)
    assert.equal(quarantine.nextTrialAt, Number.POSITIVE_INFINITY)
  })

  it('gives a refused service the options that were taken the last time, and its instances of now', () => {
    quarantine.accept([good, other])
    quarantine.add([refused], [bad, other], at(0))
    const [web, api] = quarantine.admit([bad, other])
    assert.equal(web?.options, good.options)
    assert.equal(web.backends, bad.backends)
    assert.equal(api, other)
  })

  it('leaves a service out that was never taken, or was taken as it is', () => {
    quarantine.accept([other])
    quarantine.add([refused], [bad, other], at(0))
    assert.deepEqual(quarantine.admit([bad, other]), [other])
    quarantine.accept([bad, other])
    assert.deepEqual(quarantine.admit([bad, other]), [other])
  })

  it('lets changed options in at once, and forgets services that are gone', () => {
    quarantine.add([refused], [bad, other], at(0))
    quarantine.review([bad, other], 1)
    assert.equal(quarantine.entries.length, 1)
    quarantine.review([good, other], 1)
    assert.deepEqual(quarantine.entries, [])
    quarantine.add([refused], [bad, other], at(0))
    quarantine.review([other], 1)
    assert.deepEqual(quarantine.entries, [])
  })

  it('tries again later and later, one at a time, until it is taken', () => {
    const both = [refused, { service: 'api', reason: 'no' }]
    quarantine.add(both, [bad, other], at(0))
    assert.equal(quarantine.nextTrialAt, 5_000)
    quarantine.review([bad, other], 5_000)
    assert.deepEqual(quarantine.admit([bad, other]), [bad])
    assert.deepEqual(quarantine.add([refused], [bad, other], at(5_100)), [], 'not news')
    quarantine.review([bad, other], 5_200)
    assert.deepEqual(quarantine.admit([bad, other]), [other])
    assert.deepEqual(
      quarantine.accept([other]).map(({ service }) => service),
      ['api'],
    )
    assert.equal(quarantine.nextTrialAt, 15_100)
    quarantine.review([bad, other], 15_100)
    assert.deepEqual(
      quarantine.accept([bad, other]).map(({ service }) => service),
      ['web'],
    )
    assert.deepEqual(quarantine.entries, [])
  })

  it('does not end because others were taken', () => {
    quarantine.add([refused], [bad, other], at(0))
    quarantine.accept([other])
    assert.equal(quarantine.entries.length, 1)
  })
})
