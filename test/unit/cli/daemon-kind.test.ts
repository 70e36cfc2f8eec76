import assert from 'node:assert/strict'
import { daemonKindOf } from '../../../src/cli/daemon-kind.ts'

const cases = [
  { name: "Airbnb's nerve", value: { instance_id: 'a', services: {} }, expected: 'nerve' },
  {
    name: 'nerve by its services',
    value: { services: { web: { host: 'a', port: 1, checks: [] } } },
    expected: 'nerve',
  },
  { name: "BlaBlaCar's nerve", value: { services: [{ port: 80 }] }, expected: 'nerve' },
  { name: "Airbnb's synapse", value: { haproxy: {}, services: {} }, expected: 'synapse' },
  { name: 'synapse by its services', value: { services: { web: { discovery: {} } } }, expected: 'synapse' },
  { name: "BlaBlaCar's synapse", value: { routers: [] }, expected: 'synapse' },
  { name: 'nothing that tells', value: { services: {}, admin: false }, expected: undefined },
  { name: 'as much of the one as of the other', value: { instance_id: 'a', haproxy: {} }, expected: undefined },
  { name: 'no map', value: 'web', expected: undefined },
]

describe('daemonKindOf()', () => {
  for (const { name, value, expected } of cases) {
    it(`knows ${name}`, () => assert.equal(daemonKindOf(value), expected))
  }
})
