import assert from 'node:assert/strict'
import { Tombstones } from '../../../../../src/synapse/generators/haproxy/tombstones.ts'

const backend = { name: 'web', service: 'web', servers: [], reloadOnly: undefined }
const gone = {
  name: 'a',
  address: '10.0.0.1',
  port: 80,
  id: 1,
  weight: 1,
  adminState: 'maint',
  checking: false,
} as const

describe('Tombstones', () => {
  it('Tombstones.isLate() tells when deletions have waited for two seconds', () => {
    const tombstones = new Tombstones(10_000)
    assert.equal(tombstones.isLate(1_000_000), false, 'there is nothing to delete')
    tombstones.update(backend, [gone], 1_000)
    assert.equal(tombstones.nextAt(), 11_000)
    assert.equal(tombstones.isLate(12_999), false)
    assert.equal(tombstones.isLate(13_000), true)
  })
})
