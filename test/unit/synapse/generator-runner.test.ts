import assert from 'node:assert/strict'
import * as z from 'zod'
import { createMetrics } from '../../../src/core/metrics.ts'
import { GeneratorRunner } from '../../../src/synapse/generator-runner.ts'
import { defineGenerator } from '../../../src/synapse/generators/generator.ts'
import type { Service } from '../../../src/synapse/service.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

/** All of a service that a runner looks at. */
const serviceThatIs = (state: 'silent' | 'discovered') =>
  ({
    discovered: state === 'discovered',
    config: { name: 'web' },
    backends: { source: 'none', instances: [] },
    optionsFor: () => ({}),
  }) as unknown as Service

describe('GeneratorRunner', () => {
  let clock: FakeClock
  let stop: AbortController
  let services: readonly Service[]
  /** What each pass does, one after the other; later ones succeed. */
  let outcomes: (() => Promise<void>)[]
  let passes: number
  let prepare: () => Promise<void>
  let log: ReturnType<typeof recordingLog>
  let runner: GeneratorRunner
  let running: Promise<void>
  let passed: boolean

  beforeEach(() => {
    clock = new FakeClock(1000)
    stop = new AbortController()
    services = []
    outcomes = []
    passes = 0
    prepare = async () => {}
    log = recordingLog()
    passed = false
    const type = defineGenerator({
      type: 'fake',
      description: 'Does as the test says.',
      options: z.object({}),
      serviceOptions: z.object({}),
      create: () => ({
        tasks: [],
        configure() {},
        state: () => ({}),
        prepare: () => prepare(),
        async reconcile() {
          await outcomes[passes++]?.()
          return {}
        },
      }),
    })
    runner = new GeneratorRunner(
      type,
      { type: 'fake', options: {} },
      {
        clock,
        log,
        metrics: createMetrics(),
        random: () => 0.5,
        firstPass: { quietMs: 500, awayMs: 100, longestMs: 3_000 },
        services: () => services,
      },
    )
    void runner.passed.then(() => {
      passed = true
    })
  })

  const start = async () => {
    running = runner.run(stop.signal)
    await clock.advance(0)
  }

  afterEach(async () => {
    stop.abort()
    await running
    assert.equal(clock.pending, 0)
  })

  it('has the generator prepare itself while the registry is asked, and makes the first pass when both are done', async () => {
    let prepared = () => {}
    prepare = () =>
      new Promise((resolve) => {
        prepared = resolve
      })
    services = [serviceThatIs('silent')]
    await start()
    services = [serviceThatIs('discovered')]
    runner.changed('web', clock.now())
    await clock.advance(0)
    assert.equal(passes, 0)
    prepared()
    await clock.advance(0)
    assert.equal(passes, 1)
  })

  it('makes its first pass although the generator could not prepare itself', async () => {
    prepare = () => Promise.reject(new Error('no haproxy'))
    await start()
    assert.equal(passes, 1)
    assert.deepEqual(
      log.lines.map(({ level, fields }) => `${level} ${fields['reason']}`),
      ['debug no haproxy'],
    )
  })

  it('makes its first pass as soon as every service is discovered', async () => {
    services = [serviceThatIs('silent')]
    await start()
    await clock.advance(100)
    assert.equal(passes, 0)
    services = [serviceThatIs('discovered')]
    runner.changed('web', clock.now())
    await clock.advance(0)
    assert.equal(passes, 1)
  })

  it('makes its first pass without a service for which the registry stays silent', async () => {
    services = [serviceThatIs('silent')]
    await start()
    await clock.advance(499)
    assert.equal(passes, 0)
    await clock.advance(1)
    assert.equal(passes, 1)
  })

  it('says when its first pass has ended', async () => {
    let end = () => {}
    outcomes = [() => new Promise((resolve) => (end = resolve))]
    await start()
    assert.deepEqual([passes, passed], [1, false])
    end()
    await clock.advance(0)
    assert.equal(passed, true)
    assert.equal(runner.unready, undefined)
  })

  it('takes a first pass that failed for one that has ended, but is not ready', async () => {
    outcomes = [() => Promise.reject(new Error('no HAProxy'))]
    await start()
    assert.equal(passed, true)
    assert.equal(runner.unready, 'generator fake: no HAProxy')
  })
})
