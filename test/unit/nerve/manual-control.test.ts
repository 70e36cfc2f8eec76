import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createMetrics, type Metrics } from '../../../src/core/metrics.ts'
import { type ControlledService, ManualControl } from '../../../src/nerve/manual-control.ts'
import { manualStateOf, manualWeightOf } from '../../../src/nerve/manual-state.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { filesWaitedFor, makeHangingFile, releaseHangingFile } from '../../harness/hanging-file.ts'
import { recordingLog } from '../../harness/recording-log.ts'

describe('ManualControl', () => {
  let directory: string
  let clock: FakeClock
  let log: ReturnType<typeof recordingLog>
  let metrics: Metrics
  let services: ControlledService[]
  let refreshed: string[]
  let control: ManualControl
  let stop: AbortController
  let running: Promise<void>

  /** A service that only notes when it is told to look again. */
  const service = (name: string, port = 80): ControlledService => ({
    ...{ name, host: 'h', port, excludeFromGlobalDisable: false },
    availability: {
      ...{ manual: { kind: 'enabled' }, maxWeight: 1, currentWeight: 1 },
      refresh: () => {
        refreshed.push(name)
      },
      prepared: async () => {},
      drain: async () => {},
    },
  })
  const start = async (keeps = true) => {
    const options = { clock, log, metrics, services: () => services }
    control = new ManualControl({ ...options, directory: keeps ? directory : undefined })
    await control.load()
    stop = new AbortController()
    running = control.task.run(stop.signal)
  }
  const end = async () => {
    stop.abort()
    await running
  }
  const restart = async () => {
    await end()
    log.lines.length = 0
    await start()
  }
  const stateOf = (name: string) => {
    const applied = control.appliedTo(services.find((each) => each.name === name) ?? service(name))
    return [manualStateOf(applied).kind, manualWeightOf(applied)]
  }
  const said = (message: string) => log.lines.filter((line) => line.message === message).map(({ fields }) => fields)
  const problem = async () => Number(/^nerve_manual_state_problem (\d)$/m.exec(await metrics.text())?.[1])

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'manual-control-'))
    clock = new FakeClock()
    log = recordingLog()
    metrics = createMetrics()
    services = [service('web'), service('db', 3306)]
    refreshed = []
    await start()
  })
  afterEach(async () => {
    await end()
    assert.equal(clock.pending, 0, 'no timer is left')
    await rm(directory, { recursive: true, force: true })
  })

  it('what was said holds at once, is kept over a restart, and is logged once with from, to, reason and by', async () => {
    const kept = control.say({ target: 'web', says: { kind: 'disabled' }, reason: 'deploy 42', by: 'alice' })
    assert.deepEqual([stateOf('web'), refreshed], [['disabled', undefined], ['web']])
    await kept
    assert.deepEqual(said('changed by hand'), [
      {
        ...{ service: 'web', from: 'enabled', to: 'disabled', target: 'web' },
        ...{ reason: 'deploy 42', by: 'alice', until: undefined },
      },
    ])
    assert.equal(control.status.kept, true)
    await restart()
    assert.deepEqual(
      [stateOf('web'), stateOf('db')],
      [
        ['disabled', undefined],
        ['enabled', undefined],
      ],
    )
    assert.equal(said('still said by hand')[0]?.['reason'], 'deploy 42')
    await control.say({ target: 'web', says: { kind: 'enabled' }, reason: '' })
    await restart()
    assert.deepEqual([stateOf('web'), control.status.entries], [['enabled', undefined], []])
  })

  it('state and weight are kept each by itself', async () => {
    await Promise.all([
      control.say({ target: 'all', says: { kind: 'weight', weight: 9 }, reason: '' }),
      control.say({ target: 'web', says: { kind: 'forced' }, reason: '' }),
      control.say({ target: 'db:3306', says: { kind: 'weight', weight: 5 }, reason: '' }),
    ])
    await restart()
    assert.deepEqual(
      [stateOf('web'), stateOf('db')],
      [
        ['forced', 9],
        ['enabled', 5],
      ],
    )
    await control.forget('all', 'weight', 'bob')
    assert.deepEqual(stateOf('web'), ['forced', undefined])
    assert.deepEqual(said('changed by hand').at(-1)?.['from'], 'forced, weight 9')
  })

  it('an entry expires by itself, in the file too, and says so', async () => {
    const expiresAt = clock.wallTime() + 90_000
    await control.say({ target: 'all', says: { kind: 'disabled' }, reason: 'patching', expiresAt })
    refreshed.length = 0
    await clock.advance(89_999)
    assert.deepEqual(stateOf('web'), ['disabled', undefined])
    await clock.advance(1)
    assert.deepEqual(
      [stateOf('web'), refreshed],
      [
        ['enabled', undefined],
        ['web', 'db'],
      ],
    )
    const [, , expired] = said('changed by hand')
    assert.deepEqual([expired?.['service'], expired?.['reason']], ['web', 'expired: disabled patching'])
    await eventually(async () =>
      assert.match(await readFile(join(directory, 'manual.json'), 'utf8'), /"entries": \[\]/),
    )
  })

  it('an entry that expires before the next look was due expires in time', async () => {
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '', expiresAt: clock.wallTime() + 5_000 })
    refreshed.length = 0
    await clock.advance(4_999)
    assert.deepEqual(refreshed, [])
    await clock.advance(1)
    assert.deepEqual([refreshed, said('changed by hand').at(-1)?.['reason']], [['web'], 'expired: disabled'])
  })

  it('tells only the services for which something else holds now', async () => {
    await control.say({ target: 'db', says: { kind: 'disabled' }, reason: '' })
    refreshed.length = 0
    await control.say({ target: 'all', says: { kind: 'disabled' }, reason: '' })
    assert.deepEqual(refreshed, ['web'])
  })

  it('what expired while nerve was away is gone before anything starts', async () => {
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '', expiresAt: clock.wallTime() + 1_000 })
    await end()
    await clock.advance(1_000)
    await start()
    assert.deepEqual([stateOf('web'), refreshed], [['enabled', undefined], ['web']])
    assert.equal(said('manual state expired while nerve was away').length, 1)
  })

  it('saying it again without a reason keeps the reason and the time, and takes the new expiry', async () => {
    await control.say({
      target: 'web',
      says: { kind: 'disabled' },
      reason: 'disk',
      expiresAt: clock.wallTime() + 5_000,
    })
    const [first] = control.status.entries
    await clock.advance(1_000)
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    const [second] = control.status.entries
    assert.deepEqual([second?.reason, second?.since, second?.expiresAt], ['disk', first?.since, undefined])
    assert.equal(said('changed by hand').length, 1, 'the service did not change')
    assert.equal(said('said by hand, which changes no service now').length, 1)
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: 'another' })
    assert.equal(control.status.entries[0]?.since, clock.wallTime())
  })

  it('what is said of one service takes neither reason nor time from what was said of another', async () => {
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: 'disk' })
    await clock.advance(1_000)
    await control.say({ target: 'db', says: { kind: 'disabled' }, reason: '' })
    await control.say({ target: 'web', says: { kind: 'weight', weight: 3 }, reason: '' })
    assert.deepEqual(
      control.status.entries.map(({ reason, since }) => [reason, since - clock.wallTime()]),
      [
        ['disk', -1_000],
        ['', 0],
        ['', 0],
      ],
    )
  })

  it('what is said of all goes when each service was enabled by itself', async () => {
    await control.say({ target: 'all', says: { kind: 'disabled' }, reason: '' })
    await control.say({ target: 'web', says: { kind: 'enabled' }, reason: '' })
    assert.deepEqual([stateOf('web')[0], stateOf('db')[0]], ['enabled', 'disabled'])
    await control.say({ target: 'db', says: { kind: 'enabled' }, reason: '' })
    assert.deepEqual(control.status.entries, [])
  })

  it('entries of services that are gone are kept for their return', async () => {
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    services = [service('db', 3306)]
    await control.say({ target: 'db', says: { kind: 'disabled' }, reason: '' })
    await restart()
    services = [service('web')]
    assert.deepEqual(stateOf('web'), ['disabled', undefined])
  })

  it("what hacheck's spool says wins, is shown, and is not kept as our own", async () => {
    await control.say({ target: 'web', says: { kind: 'forced' }, reason: '' })
    const entry = { target: 'all', says: { kind: 'disabled' as const }, reason: 'deploy', by: 'hacheck', since: 0 }
    refreshed.length = 0
    control.followSpool([entry])
    assert.deepEqual([stateOf('web')[0], stateOf('db')[0], refreshed], ['disabled', 'disabled', ['web', 'db']])
    assert.deepEqual(said('changed by hand').at(-1), {
      ...{ service: 'db', from: 'enabled', to: 'disabled' },
      ...{ reason: 'deploy', target: 'hacheck_spool', by: 'hacheck' },
    })
    await control.say({ target: 'db', says: { kind: 'enabled' }, reason: '' })
    assert.equal(stateOf('db')[0], 'disabled')
    assert.deepEqual(
      control.status.entries.map(({ target, by }) => [target, by]),
      [
        ['web', undefined],
        ['all', 'hacheck'],
      ],
    )
    assert.doesNotMatch(await readFile(join(directory, 'manual.json'), 'utf8'), /hacheck/)
    control.followSpool([])
    assert.deepEqual([stateOf('web')[0], stateOf('db')[0]], ['forced', 'enabled'])
  })

  it('without a directory it works, forgets at a restart, and says so', async () => {
    await end()
    await start(false)
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    assert.deepEqual([stateOf('web'), control.status.kept, control.status.file], [['disabled', undefined], false, null])
  })

  it('an edited directory gets what is said; none at all keeps it in memory', async () => {
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    const other = join(directory, 'other')
    await control.keepIn(other)
    assert.match(await readFile(join(other, 'manual.json'), 'utf8'), /"target":"web"/)
    await control.keepIn(undefined)
    assert.deepEqual([stateOf('web')[0], control.status.kept], ['disabled', false])
  })

  it('a file that cannot be written is told, tried again, and made up for', async () => {
    const obstacle = join(directory, 'manual.json.tmp')
    await mkdir(obstacle)
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    assert.deepEqual([stateOf('web')[0], control.status.kept, await problem()], ['disabled', false, 1])
    assert.match(control.status.problem ?? '', /^cannot write .*manual\.json, so a restart forgets/)
    assert.equal(said('manual state is not kept').length, 1)
    await settle()
    await clock.advance(10_000)
    await eventually(() => assert.equal(filesWaitedFor(), 0)) // it has been tried again
    assert.equal(said('manual state is not kept').length, 1, 'said once')
    await rm(obstacle, { recursive: true })
    await clock.advance(10_000)
    await eventually(async () => assert.equal(await problem(), 0)) // time stands still while the disk works
    assert.deepEqual([control.status.kept, control.status.problem], [true, null])
    await restart()
    assert.equal(stateOf('web')[0], 'disabled')
  })

  it('a file that could not be written is tried again after ten seconds; one that could is looked at once a minute', async () => {
    const path = join(directory, 'manual.json')
    await clock.advance(59_999)
    assert.deepEqual([clock.pending, log.lines], [1, []])
    const obstacle = `${path}.tmp`
    await mkdir(obstacle)
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    await rm(obstacle, { recursive: true })
    await settle()
    await clock.advance(9_999)
    assert.equal(control.status.kept, false)
    await clock.advance(1)
    await eventually(() => assert.equal(control.status.kept, true))
    assert.equal(said('manual state is kept again').length, 1)
  })

  for (const [name, answer] of [
    ['said', () => control.say({ target: 'web', says: { kind: 'enabled' }, reason: '' })],
    ['taken back', () => control.forget('web', undefined, undefined)],
  ] as const) {
    it(`a damaged file is no problem any more when something is ${name}`, async () => {
      await writeFile(join(directory, 'manual.json'), 'broken')
      await restart()
      assert.equal(await problem(), 1)
      await answer()
      assert.deepEqual([await problem(), control.status.problem], [0, null])
    })
  }

  it('a start writes nothing, and says nothing, when there is nothing to mend', async () => {
    await end()
    log.lines.length = 0
    await rm(join(directory, 'manual.json'), { force: true })
    await start()
    assert.deepEqual([await readdir(directory), log.lines], [[], []])
  })

  it('the same directory again changes nothing', async () => {
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    await rm(join(directory, 'manual.json'))
    await control.keepIn(directory)
    assert.deepEqual(await readdir(directory), [])
  })

  it('a damaged file is a problem until somebody says something; what is left of it is kept', async () => {
    const path = join(directory, 'manual.json')
    await control.say({ target: 'web', says: { kind: 'disabled' }, reason: '' })
    await writeFile(path, (await readFile(path, 'utf8')).replace('\n  ]', ',\n {"target": "db"}]'))
    await restart()
    assert.equal(log.lines.find(({ level }) => level === 'error')?.message, 'manual state is damaged')
    assert.deepEqual([stateOf('web')[0], await problem()], ['disabled', 1])
    assert.match(control.status.problem ?? '', /is damaged: entry 2: .*put aside as .*smartstack nerve disable/)
    await restart()
    assert.deepEqual([stateOf('web')[0], await problem()], ['disabled', 0])
  })

  /** And waits until all that was held up is done, or it would go on in a directory that is being removed. */
  const release = async (file: string) => {
    releaseHangingFile(file)
    await eventually(() => assert.equal(filesWaitedFor(), 0))
  }

  describe('on a disk that hangs', () => {
    const path = () => join(directory, 'manual.json')
    const entry = (target: string) =>
      JSON.stringify({ target, says: 'disabled', reason: 'disk', since: '2030-01-01T00:00:00.000Z' })
    const answer = (...targets: string[]) => writeFile(path(), `{"format": 1, "entries": [${targets.map(entry)}]}`)
    const late = async (...targets: string[]) => {
      await answer(...targets)
      await eventually(() => assert.equal(said('still said by hand').length, targets.length))
    }

    beforeEach(async () => {
      await end()
      log.lines.length = 0
      makeHangingFile(path())
      const started = start()
      await clock.advance(4_999)
      assert.deepEqual(said('manual state cannot be read'), [])
      await clock.advance(1)
      await started
    })
    afterEach(() => release(path()))

    it('goes on after 5 s, and says loudly that what was disabled is registered', async () => {
      assert.match(
        String(said('manual state cannot be read')[0]?.['reason']),
        /manual\.json took longer than 5000 ms: .* say it anew/,
      )
      const { kept, problem: told } = control.status
      assert.equal(kept, false)
      assert.match(String(told), /does its disk hang\?/)
      assert.equal(await problem(), 1)
      assert.deepEqual(stateOf('web'), ['enabled', undefined])
      await late('web')
      await eventually(() => assert.equal(control.status.kept, true))
    })

    it('takes what the disk says late, tells the services, and all is well again', async () => {
      await late('web')
      assert.deepEqual([stateOf('web'), refreshed], [['disabled', undefined], ['web']])
      assert.deepEqual(
        said('changed by hand').map(({ service: name, to }) => [name, to]),
        [['web', 'disabled']],
      )
      await eventually(async () => {
        assert.deepEqual([control.status.problem, control.status.kept, await problem()], [null, true, 0])
      })
    })

    it('writes nothing before it has read, and lets what was said meanwhile win', async () => {
      await control.say({ target: 'web', says: { kind: 'enabled' }, reason: '' })
      await control.say({ target: 'db', says: { kind: 'weight', weight: 3 }, reason: '' })
      assert.equal(control.status.kept, false)
      await late('web', 'db')
      assert.deepEqual(
        [stateOf('web'), stateOf('db')],
        [
          ['enabled', undefined],
          ['disabled', 3],
        ],
      )
      await eventually(async () => assert.ok((await stat(path())).isFile(), 'until then whoever reads it waits'))
      const { entries } = JSON.parse(await readFile(path(), 'utf8')) as { entries: { target: string; says: string }[] }
      assert.deepEqual(entries.map(({ target, says }) => `${target} ${says}`).sort(), ['db disabled', 'db weight'])
      await eventually(() => assert.equal(control.status.kept, true))
    })

    it("keeps what hacheck's spool said meanwhile", async () => {
      const since = clock.wallTime()
      control.followSpool([{ target: 'db', says: { kind: 'disabled' }, reason: '', by: 'hacheck', since }])
      await late('web')
      assert.deepEqual([stateOf('web')[0], stateOf('db')[0]], ['disabled', 'disabled'])
      await eventually(async () => assert.ok((await stat(path())).isFile()))
    })

    it('ends all the same', async () => {
      await end()
      await late('web')
      await eventually(() => assert.equal(control.status.kept, true))
    })
  })

  describe('on a disk that hangs when it is written', () => {
    const written = () => join(directory, 'elsewhere', 'manual.json.tmp')
    beforeEach(async () => {
      await mkdir(dirname(written()))
      makeHangingFile(written())
    })
    afterEach(() => release(written()))

    it('answers a command within 5 s, and says that it is not kept', async () => {
      const moved = control.keepIn(dirname(written()))
      await clock.advance(4_999)
      assert.equal(control.status.problem, null)
      await clock.advance(1)
      await moved
      assert.match(String(control.status.problem), /cannot write .* took longer than 5000 ms/)
      await readFile(written()) // lets the writer go on
      await eventually(() => assert.match(String(control.status.problem), /cannot write .*EINVAL/))
    })

    it('ends within 5 s, and says that it is not kept', async () => {
      void control.keepIn(dirname(written()))
      await clock.advance(1_000)
      const ended = end()
      await clock.advance(5_000)
      await ended
      assert.match(String(control.status.problem), /cannot write .* took longer than 5000 ms/)
    })
  })
})
