import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ServiceInstance } from '../../../../../src/core/service-instance.ts'
import { capabilitiesOf } from '../../../../../src/synapse/generators/haproxy/capabilities.ts'
import { haproxyOptions } from '../../../../../src/synapse/generators/haproxy/config.ts'
import { buildDesired, createDesiredCache } from '../../../../../src/synapse/generators/haproxy/desired.ts'
import type { Backend, HaproxyPlan, ObservedServer } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { narrow } from '../../../../../src/synapse/generators/haproxy/narrow.ts'
import { planHaproxy } from '../../../../../src/synapse/generators/haproxy/plan.ts'
import { builtInTemplate, haproxyService, instance, startedWith } from '../../../../harness/haproxy-model.ts'

const SERVICE = haproxyService('web', { server_options: 'check' }, [])
const OPTIONS = haproxyOptions.parse({ use_nerve_weights: true, max_server_id: 16 }) // ids collide

describe('narrow()', () => {
  const cache = createDesiredCache()
  const backendOf = (instances: readonly ServiceInstance[]): Backend => {
    const service = { ...SERVICE, backends: { source: 'discovered' as const, instances } }
    const input = {
      options: OPTIONS,
      services: [service],
      capabilities: capabilitiesOf('2.6.12'),
      template: builtInTemplate,
      cache,
    }
    const backend = buildDesired(input).state.backends.get('web')
    assert.ok(backend, 'it is built')
    return backend
  }
  const runningLike = (backend: Backend): readonly ObservedServer[] =>
    startedWith({ configText: '', structure: new Map(), backends: new Map([['web', backend]]) }).observed.backends.get(
      'web',
    ) ?? []
  const plan = (backend: Backend, settled: Backend, running: readonly ObservedServer[]): HaproxyPlan => {
    const { known } = startedWith({ configText: '', structure: new Map(), backends: new Map([['web', settled]]) })
    const structure = new Map([['backend web', '']])
    return planHaproxy(
      { configText: '', structure, backends: new Map([['web', backend]]) },
      { pid: 1, structure, configText: '', backends: new Map([['web', running]]) },
      { known },
    )
  }

  it('leaves only what changed', () => {
    const instances = Array.from({ length: 10 }, (_, index) => instance('10.0.0.1', 1000 + index))
    const settled = backendOf(instances)
    const after = backendOf([...instances.slice(1), instance('10.0.0.2', 80)])
    const part = narrow(after, settled, runningLike(settled))
    assert.deepEqual(
      part.backend.servers.map(({ name }) => name),
      ['10.0.0.2:80'],
    )
    assert.deepEqual(
      part.running.map(({ name }) => name),
      ['10.0.0.1:1000'],
    )
  })

  it('never changes the plan', () => {
    const known = new Map<string, ServiceInstance>()
    // One object per instance, as watchers keep them: an unchanged server is then the same object too.
    const one = fc
      .tuple(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(undefined, '10.9.9.8', '10.9.9.9'),
        fc.boolean(),
      )
      .map(([port, weight, address, off]) => {
        const key = `${port} ${weight} ${address} ${off}`
        const more = { weight, ...(address && { address }), ...(off && { haproxyServerOptions: 'disabled' }) }
        const found = known.get(key) ?? instance('10.0.0.1', port, more)
        known.set(key, found)
        return found
      })
    const set = fc.uniqueArray(one, { selector: ({ port }) => port, maxLength: 12 })
    fc.assert(
      fc.property(set, set, set, (before, after, goneEarlier) => {
        const settled = backendOf(before)
        const tombstones = runningLike(backendOf(goneEarlier))
          .filter(({ name, id }) => !settled.servers.some((server) => server.name === name || server.id === id))
          .map((server): ObservedServer => ({ ...server, adminState: 'maint' }))
        const running = [...runningLike(settled), ...tombstones]
        const backend = backendOf(after)
        const part = narrow(backend, settled, running)
        assert.deepEqual(plan(part.backend, settled, part.running), plan(backend, settled, running))
      }),
      { numRuns: 500 },
    )
  })
})
