import assert from 'node:assert/strict'
import type { Failure } from '../../../demo/client.ts'
import { sortFailures } from '../../../demo/failures.ts'

const disruption = { service: 'web', from: 100, until: 200 } as const
const failure = (startedAt: number, failedAt: number, service: Failure['service'] = 'web'): Failure => ({
  service,
  startedAt,
  failedAt,
  reason: 'refused',
})

describe('sortFailures()', () => {
  const cases: readonly { readonly name: string; readonly failure: Failure; readonly kind: 'inFlight' | 'lost' }[] = [
    { name: 'began before the end and failed during it', failure: failure(90, 120), kind: 'inFlight' },
    { name: 'began during the end and failed after it', failure: failure(150, 900), kind: 'inFlight' },
    { name: 'was over before', failure: failure(10, 99), kind: 'lost' },
    { name: 'began after the instance was gone', failure: failure(201, 210), kind: 'lost' },
    { name: 'was of another service', failure: failure(150, 160, 'redis'), kind: 'lost' },
  ]
  for (const { name, failure, kind } of cases) {
    it(`takes a request that ${name} for ${kind}`, () => {
      assert.deepEqual(sortFailures([failure], [disruption])[kind], [failure])
    })
  }
})
