import assert from 'node:assert/strict'
import { knownService } from '../../../src/cli/known-services.ts'
import type { ServiceInstance } from '../../../src/core/service-instance.ts'
import type { SynapseServiceConfig } from '../../../src/synapse/config.ts'

const instance = (host: string): ServiceInstance => ({ name: '', host, port: 80 })
const config: SynapseServiceConfig = {
  name: 'web',
  discovery: { method: 'base', options: {} },
  defaultServers: [instance('default')],
  keepDefaultServers: false,
  usePreviousBackends: true,
  labelFilters: [],
  leaderElection: false,
  panic: { threshold: 1, windowMs: 0, holdMs: 0 },
  generators: { haproxy: { port: 3000, server_options: '' } },
}
const discovery = (instances: readonly ServiceInstance[], haproxy?: object) => ({
  instances,
  eventAt: 0,
  ...(haproxy === undefined ? {} : { generatorConfig: { haproxy: haproxy as never } }),
})

describe('knownService()', () => {
  const cases = [
    { name: 'what is remembered', lastKnown: [instance('old')], found: undefined, expected: ['previous', 'old'] },
    { name: 'the registry', lastKnown: [instance('old')], found: [instance('new')], expected: ['discovered', 'new'] },
    { name: 'the default servers', lastKnown: undefined, found: undefined, expected: ['default', 'default'] },
    {
      name: 'the default servers when the registry is empty',
      lastKnown: undefined,
      found: [],
      expected: ['default', 'default'],
    },
  ]
  for (const { name, lastKnown, found, expected } of cases) {
    it(`goes by ${name}`, () => {
      const { backends } = knownService(config, lastKnown, found && discovery(found)).service
      assert.deepEqual([backends.source, ...backends.instances.map(({ host }) => host)], expected)
    })
  }

  it("lays the registry's options over those of the file, and tells when it cannot", () => {
    const good = knownService(config, undefined, discovery([], { server_options: 'check' }))
    assert.deepEqual(good.service.options, { port: 3000, server_options: 'check' })
    const bad = knownService(config, undefined, discovery([], { port: 'x' }))
    assert.deepEqual(bad.service.options, config.generators['haproxy'])
    assert.match(bad.warning ?? '', /haproxy options of the registry left out: port/)
  })
})
