import assert from 'node:assert/strict'
import type { HookKind } from '../../../src/nerve/hooks.ts'
import type { ServiceConfig } from '../../../src/nerve/model.ts'
import { weightAt } from '../../../src/nerve/warm-up.ts'
import { WarmUpRunner } from '../../../src/nerve/warm-up-runner.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

describe('WarmUpRunner', () => {
  let clock: FakeClock
  let accepted: boolean
  let weights: number[]
  let failed: HookKind[]
  let runner: WarmUpRunner
  let dice: number

  const create = (config: Pick<ServiceConfig, 'warmUp' | 'hooks'>) => {
    clock = new FakeClock()
    accepted = true
    weights = []
    failed = []
    dice = 0
    runner = new WarmUpRunner({
      clock,
      log: recordingLog(),
      config: () => config,
      random: () => dice,
      accepted: () => accepted,
      onChange: (state) => weights.push(weightAt(state, 255)),
      onHookFailed: (kind) => failed.push(kind),
    })
  }
  const warmUp = { intervalMs: 100, maxDurationMs: 3_000 }
  /** Waits for a real child process while time stands still, so that its deadline does not come. */
  const real = (assertion: () => void) => eventually(assertion)

  afterEach(async () => {
    await runner.stop()
    await settle()
    assert.equal(clock.pending, 0, 'no timer is left')
  })

  it('is warm at once without a warm-up', () => {
    create({})
    runner.follow(true)
    assert.deepEqual(weights, [255])
  })

  it('starts with the least weight at once and takes a step each interval', async () => {
    create({ warmUp })
    runner.follow(true)
    await settle()
    assert.deepEqual(weights, [1])
    await clock.advance(1_200)
    assert.deepEqual(weights, [1, 2, 3, 4, 6, 9, 15, 23, 38, 61, 98, 158, 255])
    await clock.advance(1_200)
    assert.equal(runner.state.phase, 'warm')
  })

  it('starts to grow up to an interval later by chance, so that services which came up together do not grow together', async () => {
    create({ warmUp })
    dice = 0.5
    runner.follow(true)
    await clock.advance(149)
    assert.deepEqual(weights, [1])
    await clock.advance(1)
    assert.deepEqual(weights, [1, 2])
    await clock.advance(100)
    assert.deepEqual(weights, [1, 2, 3])
  })

  it('saying again that the service is available does not start it anew', async () => {
    create({ warmUp })
    runner.follow(true)
    await clock.advance(300)
    runner.follow(true)
    await clock.advance(100)
    assert.deepEqual(weights, [1, 2, 3, 4, 6])
  })

  it('ends when the service is gone, and starts from the beginning when it is back', async () => {
    create({ warmUp })
    runner.follow(true)
    await clock.advance(300)
    runner.follow(false)
    await clock.advance(1_000)
    assert.equal(runner.state.phase, 'cold')
    runner.follow(true)
    await clock.advance(100)
    assert.deepEqual(weights, [1, 2, 3, 4, 0, 1, 2])
  })

  it('stands still while no registry takes it, and is over after its longest time all the same', async () => {
    create({ warmUp })
    accepted = false
    runner.follow(true)
    await clock.advance(2_900)
    assert.deepEqual(weights, [1])
    await clock.advance(100)
    assert.deepEqual(weights, [1, 255])
  })

  it('registers only after the preparing command, however that ends', async () => {
    create({ warmUp, hooks: { beforeAvailable: { command: ['false'], timeoutMs: 1_000 } } })
    runner.follow(true)
    assert.equal(runner.state.phase, 'preparing')
    await runner.prepared()
    assert.deepEqual([runner.state.phase, failed], ['warming', ['pre-available']])
  })

  it('a preparing command that hangs is killed at its deadline', async () => {
    create({ hooks: { beforeAvailable: { command: ['sleep', '60'], timeoutMs: 1_000 } } })
    runner.follow(true)
    await clock.advance(999)
    assert.equal(runner.state.phase, 'preparing')
    await clock.advance(1)
    await runner.prepared()
    assert.deepEqual([runner.state.phase, failed], ['warm', ['pre-available']])
  })

  it('a service that goes while it is prepared is not registered', async () => {
    create({ hooks: { beforeAvailable: { command: ['sleep', '60'], timeoutMs: 60_000 } } })
    runner.follow(true)
    runner.follow(false)
    await runner.prepared()
    assert.equal(runner.state.phase, 'cold')
    assert.deepEqual(failed, [])
  })

  it('an unstable service starts anew', async () => {
    const stableCommand = { command: ['false'], timeoutMs: 50_000, intervalMs: 250 }
    create({ warmUp: { ...warmUp, stableCommand } })
    runner.follow(true)
    await real(() => assert.equal(failed.length, 1))
    await clock.advance(200)
    assert.deepEqual(runner.state, { phase: 'warming', step: 2 })
    await clock.advance(50)
    await real(() => assert.equal(failed.length, 2))
    await real(() => assert.deepEqual(runner.state, { phase: 'warming', step: 0 }))
  })
})
