import assert from 'node:assert/strict'
import { ServerLedger } from '../../../../../src/synapse/generators/haproxy/ledger.ts'
import { desired, haproxyService, instance } from '../../../../harness/haproxy-model.ts'

describe('ServerLedger', () => {
  const { backends } = desired([haproxyService('web', {}, [instance('10.0.0.1', 80), instance('10.0.0.2', 80)])]).state
  const [server] = backends.get('web')?.servers ?? []
  assert.ok(server)
  const { name } = server

  it('knows the servers of the file that a worker started with, and nothing older', () => {
    const ledger = new ServerLedger()
    ledger.load(backends)
    assert.equal(ledger.get('web', name), server)
    ledger.load(new Map())
    assert.equal(ledger.get('web', name), undefined)
  })

  it('follows each confirmed command', () => {
    const ledger = new ServerLedger()
    ledger.record({ kind: 'add-server', backend: 'web', server })
    assert.deepEqual(ledger.get('web', name), { ...server, adminState: 'maint' })
    ledger.record({ kind: 'set-state', backend: 'web', name, state: 'drain' })
    ledger.record({ kind: 'set-weight', backend: 'web', name, weight: 9 })
    ledger.record({ kind: 'enable-health', backend: 'web', name })
    assert.deepEqual(ledger.get('web', name), { ...server, adminState: 'drain', weight: 9 })
    ledger.record({ kind: 'del-server', backend: 'web', name })
    assert.equal(ledger.get('web', name), undefined)
  })

  it('learns nothing of servers that it never heard of', () => {
    const ledger = new ServerLedger()
    ledger.record({ kind: 'set-state', backend: 'web', name: 'x', state: 'maint' })
    ledger.record({ kind: 'del-server', backend: 'nope', name: 'x' })
    assert.equal(ledger.get('web', 'x'), undefined)
  })
})
