import assert from 'node:assert/strict'
import { createPingTask, type Ping } from '../../../src/core/pings.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

describe('createPingTask()', () => {
  let clock: FakeClock
  let services: Ping[]
  let told: string[]
  let stop: AbortController
  let done: Promise<void>

  beforeEach(() => {
    clock = new FakeClock()
    told = []
    stop = new AbortController()
  })
  const run = (...initial: Ping[]) => {
    services = initial
    const task = createPingTask(
      clock,
      () => services,
      (service, ok) => told.push(`${clock.now()} ${service} ${ok ? 'ok' : 'bad'}`),
    )
    done = task.run(stop.signal)
  }
  afterEach(async () => {
    stop.abort()
    await done
    assert.equal(clock.pending, 0)
  })

  it('tells of each service as often as it is checked', async () => {
    run({ service: 'a', ok: true, everyMs: 500 }, { service: 'b', ok: false, everyMs: 300 })
    await clock.advance(1_000)
    assert.deepEqual(told, ['0 a ok', '0 b bad', '300 b bad', '500 a ok', '600 b bad', '900 b bad', '1000 a ok'])
  })

  it('tells of a new service within a second, and no longer of one that is gone', async () => {
    run({ service: 'a', ok: true, everyMs: 60_000 })
    await clock.advance(100)
    services = [{ service: 'b', ok: true, everyMs: 60_000 }]
    await clock.advance(1_000)
    assert.deepEqual(told, ['0 a ok', '1000 b ok'])
  })

  it('follows an edited check_interval within a second, be it shorter or longer', async () => {
    run({ service: 'a', ok: true, everyMs: 60_000 })
    await clock.advance(100)
    services = [{ service: 'a', ok: true, everyMs: 400 }]
    await clock.advance(1_400)
    assert.deepEqual(told, ['0 a ok', '1000 a ok', '1400 a ok'])
    services = [{ service: 'a', ok: true, everyMs: 5_000 }]
    await clock.advance(5_000)
    assert.deepEqual(told.slice(3), ['6400 a ok'])
  })

  it('a check_interval of 0 does not make it run wild', async () => {
    run({ service: 'a', ok: true, everyMs: 0 })
    await clock.advance(1_000)
    assert.equal(told.length, 11)
  })

  it('waits without services', async () => {
    run()
    await clock.advance(10_000)
    assert.deepEqual(told, [])
  })
})
