import assert from 'node:assert/strict'
import * as z from 'zod'
import { createMetrics } from '../../../src/core/metrics.ts'
import { Registry } from '../../../src/core/registry.ts'
import type { SynapseServiceConfig } from '../../../src/synapse/config.ts'
import { defineGenerator } from '../../../src/synapse/generators/generator.ts'
import { Service } from '../../../src/synapse/service.ts'
import { type Discovery, defineWatcher } from '../../../src/synapse/watchers/watcher.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { type LogLine, recordingLog } from '../../harness/recording-log.ts'

const generator = defineGenerator({
  type: 'fake',
  description: 'Has one option.',
  options: z.object({}),
  serviceOptions: z.object({ port: z.number().optional() }),
  create: () => ({ tasks: [], configure() {}, state: () => ({}), reconcile: async () => ({}) }),
})

describe('Service', () => {
  let lines: LogLine[]
  let publish: (discovery: Omit<Discovery, 'eventAt'>) => void
  let service: Service

  const configOf = (port: number) =>
    ({
      name: 'web',
      discovery: { method: 'told', options: {} },
      generators: { fake: { port } },
      panic: { threshold: 1, windowMs: 0, holdMs: 0 },
      defaultServers: [],
      keepDefaultServers: false,
      usePreviousBackends: true,
      labelFilters: [],
      leaderElection: false,
    }) as unknown as SynapseServiceConfig

  beforeEach(() => {
    lines = []
    const told = defineWatcher({
      type: 'told',
      description: 'Finds what the test says.',
      options: z.object({}),
      create: () => ({
        run: (found, signal) => {
          publish = (discovery) => found({ ...discovery, eventAt: 0 })
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
        },
        state: () => ({}),
      }),
    })
    service = new Service(configOf(1), undefined, {
      clock: new FakeClock(1000),
      log: recordingLog(lines),
      metrics: createMetrics(),
      random: () => 0.5,
      sessions: { acquire: () => assert.fail(), state: () => [], close: async () => {} },
      watcherTypes: new Registry('discovery method', { told }),
      generatorTypes: new Registry('generator', { generator }),
      onChange: () => {},
      onBroken: (error) => assert.fail(String(error)),
    })
  })
  afterEach(() => service.stop())

  it('Service.optionsFor() lays what the registry says over what the file says, whenever either changes', () => {
    assert.deepEqual(service.optionsFor(generator), { port: 1 })
    publish({ instances: [], generatorConfig: { fake: { port: 2 } } })
    assert.deepEqual(service.optionsFor(generator), { port: 2 })
    publish({ instances: [], generatorConfig: {} })
    assert.deepEqual(service.optionsFor(generator), { port: 1 })
    service.update(configOf(3))
    assert.deepEqual(service.optionsFor(generator), { port: 3 })
  })

  it('Service.optionsFor() gives the same object until they change, and complains of bad ones once', () => {
    publish({ instances: [], generatorConfig: { fake: { port: 'no' } } })
    const options = service.optionsFor(generator)
    publish({ instances: [{ name: 'a', host: '10.0.0.1', port: 80 }], generatorConfig: { fake: { port: 'no' } } })
    assert.ok(service.optionsFor(generator) === options, 'they are the same object')
    assert.equal(lines.filter(({ level }) => level === 'warn').length, 1)
  })
})
