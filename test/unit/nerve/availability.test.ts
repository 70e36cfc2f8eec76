import assert from 'node:assert/strict'
import { Availability } from '../../../src/nerve/availability.ts'
import type { ServiceConfig } from '../../../src/nerve/model.ts'
import type { ServiceHealth } from '../../../src/nerve/service.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const plain: ServiceConfig = {
  ...{ name: 'web', host: 'h', port: 80, publishedPort: 80, checkIntervalMs: 1, checkMocked: false },
  ...{ checks: [], reporters: [{ type: 'fake', options: {} }] },
}
const weighted: ServiceConfig = {
  ...plain,
  ...{ weight: 100, publishAvailability: true, warmUp: { intervalMs: 100, maxDurationMs: 3_000 } },
}
const down: ServiceHealth = { status: 'down', reason: 'refused' }

describe('Availability', () => {
  let clock: FakeClock
  let config: ServiceConfig
  let health: ServiceHealth
  let isReported: boolean
  let changes: number
  let availability: Availability

  const create = (service: ServiceConfig, first: ServiceHealth = { status: 'up' }) => {
    clock = new FakeClock()
    config = service
    health = first
    isReported = true
    changes = 0
    availability = new Availability({
      clock,
      log: recordingLog(),
      config: () => config,
      instanceId: () => 'i-1',
      health: () => health,
      isReported: () => isReported,
      onChange: () => {
        changes += 1
      },
      onHookFailed: () => {},
    })
    availability.refresh()
  }
  const becomes = (next: ServiceHealth) => {
    health = next
    availability.refresh()
  }
  const says = () => {
    const registration = availability.registration()
    if (registration === undefined) return 'nothing'
    return `${registration.kind} ${registration.payload?.weight ?? '-'}`
  }
  afterEach(async () => {
    await availability.stop()
    await settle()
    assert.equal(clock.pending, 0, 'no timer is left')
  })

  it('passes on what the checks say when nothing else is configured', () => {
    create(plain, { status: 'unknown', reason: 'no verdict yet' })
    assert.equal(says(), 'nothing')
    becomes({ status: 'up' })
    assert.equal(says(), 'present -')
    becomes(down)
    assert.equal(says(), 'absent -')
  })

  it('publishes the weight of the warm-up, and 0 with the reason while down', async () => {
    create(weighted)
    assert.equal(says(), 'present 1')
    await clock.advance(300)
    assert.equal(says(), 'present 2')
    becomes(down)
    assert.equal(says(), 'absent 0')
    assert.equal(availability.registration()?.payload?.unavailableReason, 'refused')
    assert.equal(availability.currentWeight, 0)
  })

  it('an edited check without a verdict does not start the warm-up anew', async () => {
    create(weighted)
    await clock.advance(2_500)
    becomes({ status: 'unknown', reason: 'edited' })
    assert.equal(says(), 'nothing', 'the registries are left as they are')
    becomes({ status: 'up' })
    assert.equal(says(), 'present 100')
  })

  it('disabled wins over the checks until enabled', async () => {
    create(weighted)
    await clock.advance(2_500)
    await availability.disable(false)
    assert.deepEqual([availability.manual.kind, says()], ['disabled', 'absent 0'])
    assert.equal(availability.registration()?.payload?.unavailableReason, 'Service is disabled')
    becomes(down)
    becomes({ status: 'up' })
    assert.equal(says(), 'absent 0')
    await availability.enable(false)
    assert.equal(says(), 'present 1', 'it comes back with a warm-up')
  })

  it('enable of what is enabled changes nothing', async () => {
    create(weighted)
    await clock.advance(2_500)
    await availability.enable(false)
    assert.equal(says(), 'present 100')
  })

  it('forced wins over the checks, and a flip of them does not start the warm-up anew', async () => {
    create(weighted, down)
    await availability.enable(true)
    await clock.advance(2_500)
    becomes({ status: 'up' })
    becomes(down)
    assert.deepEqual([availability.manual.kind, says()], ['forced', 'present 100'])
    await availability.enable(false)
    assert.equal(says(), 'absent 0')
  })

  it('a weight set by hand counts at once, in the present step of the warm-up', async () => {
    create(weighted)
    await clock.advance(1_100)
    assert.equal(says(), 'present 62')
    availability.setWeight(255)
    assert.equal(says(), 'present 158')
    assert.equal(availability.maxWeight, 255)
    create(plain)
    availability.setWeight(7)
    assert.equal(says(), 'present 7')
  })

  it('a disable lasts its least time; a second one joins the first; enable ends both', async () => {
    create({ ...weighted, drain: { minMs: 3_000, maxMs: 60_000 } })
    const done: string[] = []
    const note = (name: string) => () => done.push(name)
    void availability.disable(false).then(note('first'))
    await clock.advance(2_000)
    void availability.disable(false).then(note('second'))
    await clock.advance(999)
    assert.deepEqual(done, [])
    await clock.advance(1)
    assert.deepEqual(done.sort(), ['first', 'second'])
    void availability.disable(false).then(note('third'))
    await clock.advance(10)
    await availability.enable(false)
    await settle()
    assert.equal(done.at(-1), 'third')
  })

  it('a disable waits for the registries to take it, but not for ever', async () => {
    create(plain)
    isReported = false
    let done = false
    void availability.disable(false).then(() => {
      done = true
    })
    await clock.advance(1_000)
    assert.equal(done, false)
    isReported = true
    await clock.advance(40)
    assert.equal(done, true)
    isReported = false
    const second = availability.disable(false)
    await clock.advance(3_100)
    await second
  })

  it('tells that something changed, each time', async () => {
    create(weighted)
    const before = changes
    await clock.advance(100)
    assert.equal(changes, before + 1)
    availability.setWeight(3)
    assert.equal(changes, before + 2)
  })
})
