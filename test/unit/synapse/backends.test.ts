import assert from 'node:assert/strict'
import type { ServiceInstance } from '../../../src/core/service-instance.ts'
import { type Backends, type BackendsPolicy, chooseBackends, selectInstances } from '../../../src/synapse/backends.ts'

const policy: BackendsPolicy = {
  defaultServers: [],
  keepDefaultServers: false,
  usePreviousBackends: true,
  labelFilters: [],
  leaderElection: false,
}
const instance = (name: string, extra: Partial<ServiceInstance> = {}): ServiceInstance => ({
  name,
  host: '10.0.0.1',
  port: 80,
  ...extra,
})
const a = instance('a')
const b = instance('b')
const fallback = instance('default')
const names = ({ source, instances }: Backends) => `${source}: ${instances.map(({ name }) => name).join(' ')}`.trim()
const had: Backends = { source: 'discovered', instances: [a] }

describe('chooseBackends()', () => {
  const cases: {
    name: string
    found: ServiceInstance[] | undefined
    previous?: Backends
    policy?: Partial<BackendsPolicy>
    expected: string
  }[] = [
    { name: 'takes what was discovered', found: [a, b], expected: 'discovered: a b' },
    { name: 'silence keeps what there was', found: undefined, previous: had, expected: 'discovered: a' },
    {
      name: 'silence at the start gives the default servers',
      found: undefined,
      policy: { defaultServers: [fallback] },
      expected: 'default: default',
    },
    { name: 'silence at the start without default servers gives none', found: undefined, expected: 'none:' },
    {
      name: 'an empty answer gives the default servers first',
      found: [],
      previous: had,
      policy: { defaultServers: [fallback] },
      expected: 'default: default',
    },
    { name: 'an empty answer keeps the previous ones', found: [], previous: had, expected: 'previous: a' },
    {
      name: 'an empty answer empties when use_previous_backends is off',
      found: [],
      previous: had,
      policy: { usePreviousBackends: false },
      expected: 'none:',
    },
    {
      name: 'keep_default_servers appends them',
      found: [a],
      policy: { defaultServers: [fallback], keepDefaultServers: true },
      expected: 'discovered: a default',
    },
    {
      name: 'drops a second registration of one host, port and name',
      found: [a, { ...a, weight: 3 }, b],
      expected: 'discovered: a b',
    },
  ]
  for (const { name, found, previous, policy: part, expected } of cases) {
    it(name, () => assert.equal(names(chooseBackends(found, previous, { ...policy, ...part })), expected))
  }

  it('backend_port_override replaces every port, those of default servers too', () => {
    const { instances } = chooseBackends([a], undefined, {
      ...policy,
      defaultServers: [fallback],
      keepDefaultServers: true,
      backendPortOverride: 8080,
    })
    assert.deepEqual(
      instances.map(({ port }) => port),
      [8080, 8080],
    )
  })

  it('returns the previous value itself when nothing changed', () => {
    assert.equal(chooseBackends([{ ...a }], had, policy), had)
    assert.notEqual(chooseBackends([{ ...a, weight: 2 }], had, policy), had)
  })
})

describe('selectInstances()', () => {
  const east = instance('east', { labels: { az: 'east' }, sequence: 7 })
  const west = instance('west', { labels: { az: 'west' }, sequence: 3 })
  const plain = instance('plain', { sequence: 5 })
  const all: Backends = { source: 'discovered', instances: [east, west, plain] }
  const filter = (condition: 'equals' | 'not-equals') => ({
    ...policy,
    labelFilters: [{ label: 'az', value: 'east', condition }],
  })

  it('label_filters keep equal labels', () =>
    assert.equal(names(selectInstances(all, filter('equals'))), 'discovered: east'))
  it('a missing label is not the value', () =>
    assert.equal(names(selectInstances(all, filter('not-equals'))), 'discovered: west plain'))
  it('leader_election keeps the smallest sequence number', () =>
    assert.equal(names(selectInstances(all, { ...policy, leaderElection: true })), 'discovered: west'))
  it('leader_election keeps none while any has no sequence number', () =>
    assert.equal(
      names(selectInstances({ ...all, instances: [east, a] }, { ...policy, leaderElection: true })),
      'discovered:',
    ))
})
