import assert from 'node:assert/strict'
import type { ServiceInstance } from '../../../../../src/core/service-instance.ts'
import { Proof, type ProvenParts } from '../../../../../src/synapse/generators/haproxy/proof.ts'
import { desired, haproxyService, instance } from '../../../../harness/haproxy-model.ts'

const OPTIONS = { port: 80, server_options: 'check' }
const [A, B, C] = [instance('10.0.0.1', 80), instance('10.0.0.2', 80), instance('10.0.0.3', 8080, { weight: 7 })]
const DRAINED = instance('10.0.0.4', 80, { haproxyServerOptions: 'disabled' })

function file(instances: readonly ServiceInstance[], options: object = OPTIONS, more: object = {}): ProvenParts {
  const { state, layout } = desired([haproxyService('web', options, instances), haproxyService('db', {}, [A])], more)
  return { frame: layout?.frame, backends: state.backends }
}

describe('Proof', () => {
  const proofOf = (parts: ProvenParts) => {
    const proof = new Proof()
    proof.checked(parts, 1000)
    return proof
  }

  it('Proof covers nothing before a file was checked', () => {
    assert.equal(new Proof().covers(file([A]), 0), false)
  })

  it('Proof covers servers that come, go and change their weight', () => {
    const proof = proofOf(file([A]))
    for (const parts of [file([A, B]), file([C]), file([]), file([A, B, C], OPTIONS, { orderSeed: 9 })]) {
      assert.equal(proof.covers(parts, 2000), true)
      proof.written(parts)
    }
  })

  it('Proof forgets options of servers that are long gone, of which a backend may have had any number', () => {
    const own = (index: number) => file([A, instance('10.0.0.9', 80, { haproxyServerOptions: `slowstart ${index}s` })])
    const proof = proofOf(own(1))
    proof.checked(file([A]), 1000)
    assert.equal(proof.covers(own(1), 2000), true)
    for (let index = 2; index < 1100; index++) proof.checked(own(index), 1000)
    assert.deepEqual([proof.covers(own(1), 2000), proof.covers(own(1099), 2000)], [false, true])
  })

  const UNPROVEN: readonly { what: string; next: ProvenParts }[] = [
    { what: 'other lines around the servers', next: file([A], { ...OPTIONS, backend: ['option httpchk'] }) },
    { what: 'options that HAProxy has not seen', next: file([A], { ...OPTIONS, server_options: 'check rise 3' }) },
    {
      what: 'an instance with options of its own',
      next: file([A, instance('10.0.0.9', 80, { haproxyServerOptions: 'slowstart 5s' })]),
    },
    { what: 'the first server that is out of service', next: file([A, DRAINED]) },
    { what: 'a host name', next: file([A, instance('web.example', 80)]) },
    {
      what: 'another backend',
      next: { ...file([A]), backends: desired([haproxyService('new', {}, [A])]).state.backends },
    },
    { what: 'a file of which only the template knows the parts', next: { ...file([A]), frame: undefined } },
  ]
  for (const { what, next } of UNPROVEN) {
    it(`Proof does not cover ${what}`, () => {
      assert.equal(proofOf(file([A, B])).covers(next, 2000), false)
    })
  }

  it('Proof learns from each check, and keeps what it learned', () => {
    const proof = proofOf(file([A]))
    proof.checked(file([DRAINED]), 2000)
    proof.checked(file([]), 3000)
    assert.equal(proof.covers(file([A, DRAINED]), 4000), true)
  })

  it('Proof never covers a host name, also where HAProxy has seen others', () => {
    const proof = proofOf(file([A, instance('web.example', 80)]))
    assert.equal(proof.covers(file([A, instance('other.example', 80)]), 2000), false)
  })

  it('Proof does not cover the end of a server that a line names', () => {
    const backend = ['use-server 10.0.0.1:80 if { path_beg /a }']
    const proof = proofOf(file([A, B], { ...OPTIONS, backend }))
    assert.equal(proof.covers(file([A], { ...OPTIONS, backend }), 2000), true)
    assert.equal(proof.covers(file([B], { ...OPTIONS, backend }), 2000), false)
  })

  it('Proof does not cover the end of a server that another server tracks', () => {
    const tracking = { port: 80, server_options: 'track db/10.0.0.1:80' }
    const proof = proofOf(file([B], tracking))
    const { backends, frame } = file([B], tracking)
    const db = backends.get('db')
    assert.ok(db, 'there is a db')
    assert.equal(proof.covers({ frame, backends: new Map([...backends, ['db', { ...db, servers: [] }]]) }, 2000), false)
  })

  it('Proof wants a check again after ten minutes', () => {
    const proof = proofOf(file([A]))
    assert.equal(proof.covers(file([B]), 1000 + 599_999), true)
    assert.equal(proof.covers(file([B]), 1000 + 600_000), false)
    assert.equal(proof.checkAt, 601_000)
  })

  it('Proof forgets everything when it is told to', () => {
    const proof = proofOf(file([A]))
    proof.forget()
    assert.equal(proof.covers(file([A]), 1000), false)
  })

  it('Proof forgets options that were good within other lines', () => {
    const proof = proofOf(file([A], { ...OPTIONS, server_options: 'check' }))
    const later = file([], { ...OPTIONS, backend: ['option httpchk'] })
    proof.checked(later, 2000)
    assert.equal(proof.covers(file([A], { ...OPTIONS, backend: ['option httpchk'] }), 3000), false)
  })
})
