import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Availability } from '../../../src/nerve/availability.ts'
import { type Applied, type ManualWord, NOTHING_SAID } from '../../../src/nerve/manual-state.ts'
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
  let manual: Applied
  let availability: Availability

  const create = (service: ServiceConfig, first: ServiceHealth = { status: 'up' }, said = NOTHING_SAID) => {
    clock = new FakeClock()
    config = service
    health = first
    manual = said
    isReported = true
    changes = 0
    availability = new Availability({
      random: () => 0,
      clock,
      log: recordingLog(),
      config: () => config,
      instanceId: () => 'i-1',
      health: () => health,
      manual: () => manual,
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
  const entry = (says: ManualWord, reason = '') => ({ target: 'web', says, reason, since: 0 })
  const disabled: Applied = { availability: entry({ kind: 'disabled' }), weight: undefined }
  const hear = (said: Applied) => {
    manual = said
    availability.refresh()
  }
  const disable = () => {
    hear(disabled)
    return availability.drain(false)
  }
  const enable = () => hear(NOTHING_SAID)
  const force = () => hear({ ...NOTHING_SAID, availability: entry({ kind: 'forced' }) })
  const setWeight = (weight: number) => hear({ ...NOTHING_SAID, weight: entry({ kind: 'weight', weight }) })
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
    assert.equal(availability.currentWeight, 100, 'what they go on saying')
    becomes({ status: 'up' })
    assert.equal(says(), 'present 100')
  })

  it('disabled wins over the checks until enabled', async () => {
    create(weighted)
    await clock.advance(2_500)
    await disable()
    assert.deepEqual([availability.manual.kind, says()], ['disabled', 'absent 0'])
    assert.equal(availability.registration()?.payload?.unavailableReason, 'Service is disabled')
    becomes(down)
    becomes({ status: 'up' })
    assert.equal(says(), 'absent 0')
    enable()
    assert.equal(says(), 'present 1', 'it comes back with a warm-up')
    hear({ ...disabled, availability: entry({ kind: 'disabled' }, 'deploy 42') })
    assert.equal(availability.registration()?.payload?.unavailableReason, 'Service is disabled: deploy 42')
    await availability.drain(false)
  })

  it('enable of what is enabled changes nothing', async () => {
    create(weighted)
    await clock.advance(2_500)
    enable()
    assert.equal(says(), 'present 100')
  })

  it('forced wins over the checks, and a flip of them does not start the warm-up anew', async () => {
    create(weighted, down)
    force()
    await clock.advance(2_500)
    becomes({ status: 'up' })
    becomes(down)
    assert.deepEqual([availability.manual.kind, says()], ['forced', 'present 100'])
    enable()
    assert.equal(says(), 'absent 0')
  })

  it('a weight set by hand counts at once, in the present step of the warm-up', async () => {
    create(weighted)
    await clock.advance(1_100)
    assert.equal(says(), 'present 62')
    setWeight(255)
    assert.equal(says(), 'present 158')
    assert.equal(availability.maxWeight, 255)
    create(plain)
    setWeight(7)
    assert.equal(says(), 'present 7')
  })

  it('a disable lasts its least time; a second one joins the first; enable ends both', async () => {
    create({ ...weighted, drain: { minMs: 3_000, maxMs: 60_000 } })
    const done: string[] = []
    const note = (name: string) => () => done.push(name)
    void disable().then(note('first'))
    await clock.advance(2_000)
    void disable().then(note('second'))
    await clock.advance(999)
    assert.deepEqual(done, [])
    await clock.advance(1)
    assert.deepEqual(done.sort(), ['first', 'second'])
    void disable().then(note('third'))
    await clock.advance(10)
    enable()
    await settle()
    assert.equal(done.at(-1), 'third')
  })

  it('a disable while nerve stops joins the drain of the stop, which goes on', async () => {
    create({ ...plain, drain: { minMs: 3_000, maxMs: 60_000 } })
    const done: string[] = []
    void availability.shutDown().then(() => done.push('stop'))
    await clock.advance(1_000)
    void disable().then(() => done.push('disable'))
    await clock.advance(1_999)
    assert.deepEqual(done, [])
    await clock.advance(1)
    assert.deepEqual(done.sort(), ['disable', 'stop'])
  })

  it('a stop begins a drain of its own, and who waits for an earlier one waits for it', async () => {
    create({ ...plain, drain: { minMs: 3_000, maxMs: 60_000 } })
    const done: string[] = []
    void disable().then(() => done.push('disable'))
    await clock.advance(1_000)
    void availability.shutDown().then(() => done.push('stop'))
    await clock.advance(2_999)
    assert.deepEqual(done, [])
    await clock.advance(1)
    assert.deepEqual(done.sort(), ['disable', 'stop'])
  })

  it('a disable waits for the registries to take it, but not for ever', async () => {
    create(plain)
    isReported = false
    let done = false
    void disable().then(() => {
      done = true
    })
    await clock.advance(1_000)
    assert.equal(done, false)
    isReported = true
    await clock.advance(40)
    assert.equal(done, true)
    isReported = false
    const second = disable()
    await clock.advance(3_100)
    await second
  })

  it('a service that was disabled before the start is down from the start, and has nobody to wait for', async () => {
    create({ ...weighted, drain: { minMs: 3_000, maxMs: 60_000 } }, { status: 'up' }, disabled)
    assert.deepEqual([says(), availability.draining, availability.isSettled], ['absent 0', undefined, true])
    enable()
    assert.equal(says(), 'present 1')
  })

  it('draining tells since when, and how long it may still last', async () => {
    const drained = { command: ['false'], timeoutMs: 1_000, intervalMs: 1_000 }
    create({ ...plain, drain: { minMs: 3_000, maxMs: 60_000 } })
    const done = disable()
    const since = clock.wallTime()
    await clock.advance(1_000)
    assert.deepEqual(availability.draining, { since, leastMs: 2_000, mostMs: 2_000 })
    config = { ...config, hooks: { drained } }
    assert.deepEqual(availability.draining, { since, leastMs: 2_000, mostMs: 59_000 })
    await clock.advance(2_000)
    await done
    assert.equal(availability.draining, undefined)
  })

  it('disabling begins the drain by itself, once; expiry and a shutdown do the same', async () => {
    create({ ...plain, drain: { minMs: 3_000, maxMs: 60_000 } })
    hear(disabled)
    const { draining } = availability
    assert.equal(draining?.leastMs, 3_000)
    await clock.advance(1_000)
    hear({ ...disabled, availability: entry({ kind: 'disabled' }, 'another reason') })
    assert.equal(availability.draining?.since, draining?.since)
    await clock.advance(2_000)
    availability.refresh()
    assert.equal(availability.draining, undefined, 'a drain that is done is not done again')
    const ended = availability.shutDown()
    enable()
    assert.deepEqual(
      [availability.manual.kind, says()],
      ['disabled', 'absent -'],
      'nothing enables it while nerve stops',
    )
    await clock.advance(3_000)
    await ended
  })

  it('a shutdown that follows at once runs the commands once, though the registries have nothing left to take', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'availability-'))
    const notes = join(directory, 'notes')
    const note = (word: string) => ({ command: ['/bin/sh', '-c', `echo ${word} >> ${notes}`], timeoutMs: 5_000 })
    create({ ...plain, hooks: { shutdown: note('shutdown'), drained: { ...note('drained'), intervalMs: 10 } } })
    hear(disabled)
    await availability.drain(true)
    assert.equal(await readFile(notes, 'utf8'), 'shutdown\ndrained\n')
    await rm(directory, { recursive: true })
  })

  it('tells that something changed, each time', async () => {
    create(weighted)
    const before = changes
    await clock.advance(100)
    assert.equal(changes, before + 1)
    setWeight(3)
    assert.equal(changes, before + 2)
  })

  it('tells what was taken out by hand from what its checks, or the end of nerve, took out', async () => {
    const byHand = () => {
      const registration = availability.registration()
      return registration?.kind === 'absent' && registration.byHand === true
    }
    create(plain, down)
    assert.equal(byHand(), false)
    hear(disabled)
    assert.equal(byHand(), true)
    create(plain)
    const ended = availability.shutDown()
    assert.deepEqual([availability.registration()?.kind, byHand()], ['absent', false])
    await clock.advance(0)
    await ended
  })
})
