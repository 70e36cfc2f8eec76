import assert from 'node:assert/strict'
import * as z from 'zod'
import { Registry } from '../../../src/core/registry.ts'
import type { PluginConfig } from '../../../src/nerve/config.ts'
import { Registrar, type Wanted } from '../../../src/nerve/registrar.ts'
import { defineReporter, type Registration } from '../../../src/nerve/reporters/reporter.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'
import { absent, present, reporterContext } from '../../harness/reporter.ts'

/** What cannot be made of the options. */
const found = (place: string) => {
  if (place === 'nowhere') throw new Error('there is no such place')
  return {}
}
const config = (place: string): PluginConfig => ({ type: 'fake', options: { place } })

describe('Registrar', () => {
  let clock: FakeClock
  let log: ReturnType<typeof recordingLog>
  let wanted: Wanted
  let events: string[]
  let reports: string[]
  let failing: Set<string>
  let requeueAfterMs: number | undefined
  /** What the reporters hold, by place. */
  let held: Readonly<Record<string, string>>
  /** What the reporters wait for before they answer, by place. */
  let answers: Map<string, Promise<void>>
  let mayHold: boolean | undefined
  /** Whether the reporter takes an edited configuration. */
  let takes: boolean
  let showsAbsent: boolean | undefined

  const fake = defineReporter({
    type: 'fake',
    description: 'A registry in memory.',
    options: () => z.object({ place: z.string() }),
    create: (_context, { place }) => ({
      ...found(place),
      async reconcile({ kind }) {
        if (failing.has(place)) throw new Error(`${place} is away`)
        events.push(`${place} ${kind}`)
        await answers.get(place)
        return requeueAfterMs === undefined ? {} : { requeueAfterMs }
      },
      holds: () => held[place],
      reconfigure: (options) => takes && events.push(`${place} takes ${JSON.stringify(options)}`) > 0,
      ...(mayHold === undefined ? {} : { mayHold: () => mayHold === true }),
      ...(showsAbsent === undefined ? {} : { showsAbsent: () => showsAbsent === true }),
      state: () => ({ path: place }),
      close: async () => {
        events.push(`${place} closed`)
      },
    }),
  })

  beforeEach(() => {
    clock = new FakeClock()
    log = recordingLog()
    wanted = { registration: present() }
    events = []
    reports = []
    failing = new Set()
    requeueAfterMs = undefined
    held = {}
    answers = new Map()
    mayHold = undefined
    takes = false
    showsAbsent = undefined
  })

  const create = (place = 'a', random = 0) =>
    new Registrar(config(place), {
      ...reporterContext({ clock, log, random: () => random }),
      reporterTypes: new Registry('reporter type', { fake }),
      wanted: () => wanted,
      onReported: ({ kind }: Registration, changed) => reports.push(`${kind}${changed ? ' changed' : ''}`),
      onFailed: () => reports.push('failed'),
    })
  /** Has the reporter of a place wait before it answers, until what it returns is called. */
  const waiting = (place = 'a') => {
    let answerNow = () => {}
    const answer = new Promise<void>((resolve) => {
      answerNow = resolve
    })
    answers.set(place, answer)
    return answerNow
  }
  const end = async (...registrars: Registrar[]) => {
    for (const registrar of registrars) registrar.stop()
    await clock.advance(5_000)
    await Promise.all(registrars.map(({ done }) => done))
    assert.equal(clock.pending, 0)
  }

  it('starts by itself, reports what is new as a change, and looks again within a minute', async () => {
    const registrar = create()
    await clock.advance(46_000)
    assert.deepEqual(events, ['a present', 'a present'])
    assert.deepEqual(reports, ['present changed', 'present'])
    await end(registrar)
  })

  it('looks again at different times on different machines', async () => {
    const [early, late] = [create('early', 0), create('late', 1)]
    await clock.advance(46_000)
    assert.deepEqual(events, ['early present', 'late present', 'early present'])
    await clock.advance(15_000)
    assert.ok(events.filter((event) => event === 'late present').length === 2)
    await end(early, late)
  })

  it('leaves the registry alone while nothing is known', async () => {
    wanted = { registration: undefined }
    const registrar = create()
    await clock.advance(1_000)
    assert.deepEqual(events, [])
    await end(registrar)
  })

  it('asks again when a held-back change may come, even if the reporter would wait longer', async () => {
    requeueAfterMs = 10_000
    wanted = { registration: present(), retryInMs: 700 }
    const registrar = create()
    await clock.advance(30)
    wanted = { registration: absent }
    await clock.advance(600)
    assert.deepEqual(events, ['a present'])
    await clock.advance(100)
    assert.deepEqual(events, ['a present', 'a absent'])
    await end(registrar)
  })

  it('asks again when the very first registration is held back', async () => {
    wanted = { registration: undefined, retryInMs: 700 }
    const registrar = create()
    await clock.advance(30)
    wanted = { registration: present() }
    await clock.advance(700)
    assert.deepEqual(events, ['a present'])
    await end(registrar)
  })

  it('is not well while its registry is away, and says why once', async () => {
    failing.add('a')
    const registrar = create()
    await clock.advance(1_000)
    assert.equal(registrar.isWell, false)
    assert.equal(registrar.error, 'a is away')
    assert.ok(reports.length > 2 && reports.every((report) => report === 'failed'))
    assert.equal(log.lines.length, 1)
    failing.clear()
    await clock.advance(2_000)
    assert.equal(registrar.isWell, true)
    assert.deepEqual(reports.at(-1), 'present changed')
    await end(registrar)
  })

  it('leave() removes the registration however long it takes, and ends', async () => {
    const registrar = create()
    await clock.advance(30)
    failing.add('a')
    registrar.leave()
    await clock.advance(10_000)
    assert.deepEqual(events, ['a present'])
    failing.clear()
    await clock.advance(2_000)
    await registrar.done
    assert.deepEqual(events.slice(0, 2), ['a present', 'a absent'])
    assert.equal(events.at(-1), 'a closed')
    assert.equal(clock.pending, 0)
  })

  it('replace() keeps the old place until the new one has the registration', async () => {
    const registrar = create()
    await clock.advance(30)
    failing.add('b')
    registrar.replace(config('b'))
    await clock.advance(3_000)
    assert.deepEqual(events, ['a present'])
    failing.clear()
    await clock.advance(2_000)
    assert.deepEqual(events, ['a present', 'b present', 'a absent', 'a closed'])
    await end(registrar)
    await settle()
    assert.deepEqual(events.slice(4), ['b absent', 'b closed'])
  })

  it('replace() does not remove what the new one keeps by another connection: it is the same thing', async () => {
    const registrar = create()
    held = { a: '/web/i-1_ 0x7', b: '/web/i-1_ 0x7' }
    await clock.advance(30)
    registrar.replace(config('b'))
    await clock.advance(100)
    assert.deepEqual(events, ['a present', 'b present', 'a closed'])
    await end(registrar)
  })

  it('replace() during a pass of the old place keeps that until the new one has the registration', async () => {
    const registrar = create()
    await clock.advance(30)
    const answerNow = waiting()
    registrar.trigger()
    await settle()
    failing.add('b')
    registrar.replace(config('b'))
    answerNow()
    await clock.advance(3_000)
    assert.deepEqual(events, ['a present', 'a present'])
    assert.deepEqual([registrar.applied, registrar.isWell], [undefined, false])
    failing.clear()
    await clock.advance(2_000)
    assert.deepEqual(events.slice(2), ['b present', 'a absent', 'a closed'])
    await end(registrar)
  })

  it('replace() while former places are removed leaves what the last one took over', async () => {
    const registrar = create()
    await clock.advance(30)
    failing.add('b')
    registrar.replace(config('b'))
    await clock.advance(30)
    held = { a: '/web/i-1_ 0x7', c: '/web/i-1_ 0x9', b: '/web/i-1_ 0x9' }
    const answerNow = waiting()
    registrar.replace(config('c'))
    await clock.advance(2_000)
    assert.deepEqual(events.slice(1), ['c present', 'a absent'])
    failing.add('d')
    registrar.replace(config('d'))
    answerNow()
    await clock.advance(30)
    assert.deepEqual(events.slice(3), ['a closed', 'b closed'])
    failing.clear()
    await end(registrar)
  })

  it('replace() counts where the new place has the registration, also while the old one is away for good: that is said once', async () => {
    const registrar = create()
    await clock.advance(30)
    failing.add('a')
    registrar.replace(config('b'))
    await clock.advance(120_000)
    assert.deepEqual([registrar.isWell, registrar.error, registrar.says(present())], [true, undefined, true])
    assert.ok(!reports.includes('failed'), reports.join())
    const said = log.lines.filter(({ message }) => message !== 'registration changed')
    assert.deepEqual(
      said.map(({ message, fields }) => [message, fields?.['path'], fields?.['reason']]),
      [['former registration not removed, will be retried', 'a', 'a is away']],
    )
    assert.equal(registrar.mayBeSeen, true, 'clients may still see it there')
    failing.clear()
    await clock.advance(30_000)
    assert.deepEqual(events.slice(-2), ['a absent', 'a closed'])
    await end(registrar)
  })

  it('stop() tries again to remove the registration, for a few seconds', async () => {
    const registrar = create()
    await clock.advance(30)
    failing.add('a')
    registrar.stop()
    await clock.advance(2_000)
    failing.clear()
    await clock.advance(1_000)
    await registrar.done
    assert.deepEqual(events, ['a present', 'a absent', 'a closed'])
    assert.deepEqual([clock.pending, log.lines.at(-1)?.message], [0, 'registration removed'])
  })

  it('stop() gives up after that, and says what the registry said', async () => {
    const registrar = create()
    await clock.advance(30)
    failing.add('a')
    registrar.stop()
    await clock.advance(3_000)
    await registrar.done
    assert.deepEqual([events.at(-1), clock.pending], ['a closed', 0])
    assert.deepEqual(log.lines.at(-1)?.fields, { reason: 'a is away' })
  })

  for (const keep of [false, true]) {
    it(`stop(${keep ? '{ keep: true }' : ''}) gives up on a reporter that neither answers nor obeys`, async () => {
      const registrar = create()
      const answerNow = waiting()
      await clock.advance(30)
      registrar.stop({ keep })
      await clock.advance(3_000)
      await registrar.done
      assert.deepEqual([events, clock.pending], [['a present', 'a closed'], 0])
      assert.match(String(log.lines.at(-1)?.fields['reason']), /took longer than 3000 ms$/)
      answerNow()
      await settle()
      assert.deepEqual(events.slice(2), [], 'nothing is done with what is closed')
    })

    it(`stop(${keep ? '{ keep: true }' : ''}) waits for a pass that ends in time`, async () => {
      const registrar = create()
      const answerNow = waiting()
      await clock.advance(30)
      registrar.stop({ keep })
      await clock.advance(2_000)
      assert.deepEqual(events, ['a present'])
      answers.clear()
      answerNow()
      await registrar.done
      assert.deepEqual(events.slice(1), [...(keep ? [] : ['a absent']), 'a closed'])
    })
  }

  it('leave() during a pass removes the registration however long it takes', async () => {
    const registrar = create()
    await clock.advance(30)
    const answerNow = waiting()
    registrar.trigger()
    await settle()
    registrar.leave()
    failing.add('a')
    answerNow()
    await clock.advance(60_000)
    assert.deepEqual(events, ['a present', 'a present'])
    failing.clear()
    await clock.advance(2_000)
    await registrar.done
    assert.deepEqual(events.slice(2, 3), ['a absent'])
  })

  for (const [shows, expected] of [
    [true, ['absent changed', 'absent changed', 'absent']],
    [undefined, ['absent changed', 'absent', 'absent']],
  ] as const)
    it(`another reason of an absent service is ${shows ? 'a change where it can be seen' : 'no change where nothing is registered'}`, async () => {
      showsAbsent = shows
      const because = (unavailableReason: string): Registration => {
        const payload = { ...present().payload, available: false, unavailableReason }
        return { kind: 'absent', payload }
      }
      wanted = { registration: because('refused after 12 ms') }
      const registrar = create()
      await clock.advance(100)
      for (const registration of [because('refused after 13 ms'), because('refused after 13 ms')]) {
        wanted = { registration }
        registrar.trigger()
        await clock.advance(100)
        assert.equal(registrar.says(registration), true)
      }
      assert.deepEqual(reports, expected)
      const told = log.lines.filter(({ message }) => message === 'registration changed')
      assert.equal(told.length, expected.filter((report) => report.endsWith('changed')).length)
      await end(registrar)
    })

  it('says what the registry says, but not while something else is on its way to it', async () => {
    wanted = { registration: absent }
    const registrar = create()
    assert.equal(registrar.says(absent), false)
    await clock.advance(100)
    assert.deepEqual([registrar.says(absent), registrar.says(present())], [true, false])
    const answerNow = waiting()
    wanted = { registration: present() }
    registrar.trigger()
    await clock.advance(100)
    wanted = { registration: absent } // it changed its mind before the registry had answered
    registrar.trigger()
    assert.deepEqual([registrar.says(absent), registrar.says(present())], [false, false])
    answerNow()
    await clock.advance(100)
    assert.deepEqual([registrar.says(absent), registrar.says(present())], [true, false])
    await end(registrar)
  })

  it('says the same while it looks whether that still holds', async () => {
    const registrar = create()
    await clock.advance(100)
    const answerNow = waiting()
    registrar.trigger()
    await clock.advance(100)
    assert.deepEqual(events, ['a present', 'a present'])
    assert.equal(registrar.says(present()), true)
    answerNow()
    await end(registrar)
  })

  it('says nothing after a failure', async () => {
    const registrar = create()
    await clock.advance(100)
    failing.add('a')
    registrar.trigger()
    await clock.advance(40)
    assert.equal(registrar.says(present()), false)
    failing.clear()
    await end(registrar)
  })

  it('mayBeSeen from when the registration is on its way until it is removed', async () => {
    let answerNow = waiting()
    const registrar = create()
    await settle()
    assert.deepEqual([registrar.applied, registrar.mayBeSeen], [undefined, true])
    answerNow()
    await clock.advance(30)
    answerNow = waiting()
    wanted = { registration: absent }
    registrar.trigger()
    await settle()
    assert.deepEqual([events.at(-1), registrar.mayBeSeen], ['a absent', true])
    answerNow()
    await clock.advance(30)
    assert.equal(registrar.mayBeSeen, false)
    await end(registrar)
  })

  it('mayBeSeen after a failure if the reporter cannot tell that nothing was written, and in an edit until both places are settled', async () => {
    failing.add('a')
    const known = create()
    await clock.advance(10)
    assert.equal(known.mayBeSeen, false)
    mayHold = true
    const unknown = create()
    await clock.advance(10)
    assert.equal(unknown.mayBeSeen, true)
    mayHold = undefined
    failing.clear()
    await clock.advance(3_000)
    failing.add('b')
    known.replace(config('b'))
    await clock.advance(30)
    assert.deepEqual([known.applied, known.mayBeSeen], [undefined, true])
    failing.clear()
    await end(known, unknown)
  })

  it('replace() changes nothing when a reporter cannot be made of the edit', async () => {
    const registrar = create()
    await clock.advance(30)
    assert.throws(() => registrar.replace(config('nowhere')), /no such place/)
    registrar.trigger()
    await clock.advance(100)
    assert.deepEqual([registrar.config, events], [config('a'), ['a present', 'a present']])
    await end(registrar)
  })

  it('replace() keeps a reporter that takes the edit, unless a file that it refers to has changed', async () => {
    takes = true
    const registrar = create()
    await clock.advance(30)
    registrar.replace(config('b'))
    assert.deepEqual(registrar.config, config('b'))
    await clock.advance(100)
    assert.deepEqual(events, ['a present', 'a takes {"place":"b"}', 'a present'])
    registrar.replace({ ...config('c'), inputs: { '/etc/tls.pem': 'another' } })
    await clock.advance(100)
    assert.deepEqual(events.slice(3), ['c present', 'a absent', 'a closed'])
    await end(registrar)
  })
})
