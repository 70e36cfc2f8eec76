import assert from 'node:assert/strict'
import * as z from 'zod'
import { createMetrics, type Metrics } from '../../../src/core/metrics.ts'
import { Registry } from '../../../src/core/registry.ts'
import type { ServiceInstance } from '../../../src/core/service-instance.ts'
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
  let create: (config: SynapseServiceConfig, lastKnown?: readonly ServiceInstance[]) => Service
  let clock: FakeClock
  let isFresh: boolean
  let metrics: Metrics

  const NO_HOLD = { threshold: 1, windowMs: 0, holdMs: 0 }
  const HOLD = { threshold: 0.5, windowMs: 30_000, holdMs: 300_000 }
  const configOf = (port: number, panic = NO_HOLD, path = '/web') =>
    ({
      name: 'web',
      discovery: { method: 'told', options: { path } },
      generators: { fake: { port } },
      panic,
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
      options: () => z.object({ path: z.string() }),
      create: () => ({
        run: (found, signal) => {
          publish = (discovery) => found({ ...discovery, eventAt: 0 })
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
        },
        state: () => ({}),
      }),
    })
    clock = new FakeClock(1000)
    isFresh = true
    metrics = createMetrics()
    create = (config, lastKnown) =>
      new Service(config, lastKnown, {
        clock,
        log: recordingLog(lines),
        metrics,
        random: () => 0.5,
        sessions: { acquire: () => assert.fail(), state: () => [], close: async () => {} },
        watcherTypes: new Registry('discovery method', { told }),
        isMemoryFresh: isFresh,
        generatorTypes: new Registry('generator', { generator }),
        onChange: () => {},
        onBroken: (error) => assert.fail(String(error)),
      })
    service = create(configOf(1))
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

  const some = (count: number, from = 1) =>
    Array.from({ length: count }, (_, index) => ({ name: `i-${from + index}`, host: '10.0.0.1', port: 80 }))
  const served = () => service.backends.instances.map(({ name }) => name)

  describe('Service that remembers instances', () => {
    const restart = async (config: SynapseServiceConfig) => {
      await service.stop()
      service = create(config, some(5))
    }

    it('holds those that are missing in the first listing, when they are most of them', async () => {
      await restart(configOf(1, HOLD))
      publish({ instances: some(1) })
      assert.deepEqual([service.state().held, served().length], [4, 5])
      await clock.advance(300_000)
      assert.deepEqual(served(), ['i-1'])
    })

    it('compares the first listing alone with them', async () => {
      await restart(configOf(1, HOLD))
      for (const count of [5, 3, 2]) {
        publish({ instances: some(count) })
        assert.deepEqual([service.state().held, served().length], [0, count])
        await clock.advance(40_000)
      }
    })

    it('believes the first listing when what it remembers is old', async () => {
      isFresh = false
      await restart(configOf(1, HOLD))
      publish({ instances: some(1) })
      assert.deepEqual(served(), ['i-1'])
    })

    it('does not miss default servers in a listing', async () => {
      await restart({ ...configOf(1, HOLD), defaultServers: some(3, 3), keepDefaultServers: true })
      publish({ instances: some(2) })
      assert.equal(service.state().held, 0)
    })

    it('forgets them with an edit of its watcher, and where their ports were not listed', async () => {
      await restart(configOf(1, HOLD))
      service.update(configOf(1, HOLD, '/other'))
      publish({ instances: some(1) })
      assert.deepEqual(served(), ['i-1'])
      await restart({ ...configOf(1, HOLD), backendPortOverride: 80 })
      publish({ instances: some(1) })
      assert.deepEqual(served(), ['i-1'])
    })
  })

  describe('Service.update() during a panic hold', () => {
    beforeEach(() => {
      service.update(configOf(1, HOLD))
      publish({ instances: some(4) })
      publish({ instances: some(1) })
      assert.deepEqual([service.state().held, served().length], [3, 4])
    })

    it('ends it at once when the edit turns holds off', () => {
      service.update(configOf(1, { ...HOLD, threshold: 1 }))
      assert.deepEqual([service.state().held, served()], [0, ['i-1']])
      assert.equal(clock.pending, 0)
    })

    it('ends it as early as the edit says', async () => {
      service.update(configOf(1, { ...HOLD, holdMs: 60_000 }))
      await clock.advance(59_000)
      assert.equal(served().length, 4)
      await clock.advance(2_000)
      assert.deepEqual(served(), ['i-1'])
    })

    it('goes on with it when the edit is about something else', () => {
      service.update(configOf(2, HOLD))
      assert.deepEqual([service.state().held, served().length], [3, 4])
    })

    it('forgets it with the watcher that found it: what that listed last never comes back', async () => {
      publish({ instances: some(10) })
      publish({ instances: some(4) })
      assert.equal(service.state().held, 6)
      service.update(configOf(1, HOLD, '/other'))
      assert.equal(service.state().held, 0)
      assert.match(await metrics.text(), /synapse_panic_held_instances\{service="web"\} 0/)
      await clock.advance(400_000)
      publish({ instances: some(1, 20) })
      assert.deepEqual(served(), ['i-20'])
    })
  })
})
