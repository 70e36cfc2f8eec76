import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeSpoolFile, HacheckSpool, readSpool } from '../../../src/nerve/hacheck-spool.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { filesWaitedFor, makeHangingFile, releaseHangingFile } from '../../harness/hanging-file.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const disabled = { target: 'web', says: { kind: 'disabled' }, by: 'hacheck' }

const WRITTEN = 1_600_000_000_000

describe('decodeSpoolFile()', () => {
  const cases = [
    {
      text: '{"service": "web", "reason": "deploy", "expiration": 1700000060.5, "creation": 1700000000}',
      expected: { reason: 'deploy', since: 1_700_000_000_000, expiresAt: 1_700_000_060_500 },
    },
    {
      text: '{"reason": "deploy", "expiration": null}',
      expected: { reason: 'deploy', since: WRITTEN, expiresAt: undefined },
    },
    { text: 'down for\na while\n', expected: { reason: 'down for a while', since: WRITTEN, expiresAt: undefined } },
    {
      text: 'x'.repeat(501),
      expected: { reason: 'x'.repeat(500), since: WRITTEN, expiresAt: undefined },
    },
    {
      text: '{"creation": "1700000000", "expiration": 0}',
      expected: { reason: '', since: WRITTEN, expiresAt: undefined },
    },
    { text: '', expected: { reason: '', since: WRITTEN, expiresAt: undefined } },
    { text: '[1]', expected: { reason: '[1]', since: WRITTEN, expiresAt: undefined } },
    {
      text: '{"reason": 7, "creation": "x", "expiration": 1e300}',
      expected: { reason: '7', since: WRITTEN, expiresAt: undefined },
    },
  ]
  for (const { text, expected } of cases) {
    it(`${JSON.stringify(text).slice(0, 80)} is disabled: ${expected.reason.slice(0, 80)}`, () =>
      assert.deepEqual(decodeSpoolFile('web', text, WRITTEN), { ...disabled, ...expected }))
  }
})

describe('HacheckSpool', () => {
  let directory: string
  let path: string | undefined
  let clock: FakeClock
  let log: ReturnType<typeof recordingLog>
  let told: string[][]
  let spool: HacheckSpool
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hacheck-spool-'))
    path = directory
    clock = new FakeClock()
    log = recordingLog()
    told = []
    const onChange = (entries: readonly { readonly target: string }[]) => {
      told.push(entries.map(({ target }) => target))
    }
    spool = new HacheckSpool({ clock, log, directory: () => path, onChange })
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))
  const down = (name: string, content: object = { reason: 'x' }) =>
    writeFile(join(directory, name), JSON.stringify(content))

  it('tells what has changed, and nothing while nothing has', async () => {
    await spool.look()
    await down('web')
    await down('all')
    await down('.hidden')
    await mkdir(join(directory, 'folder'))
    await spool.look()
    await spool.look()
    await rm(join(directory, 'all'))
    await spool.look()
    assert.deepEqual(told, [['all', 'web'], ['web']])
  })

  it('an entry that is text alone is said since its file was written', async () => {
    const file = join(directory, 'web')
    await writeFile(file, 'down for a while')
    await utimes(file, WRITTEN / 1000, WRITTEN / 1000)
    const [entry] = await readSpool(directory)
    assert.deepEqual([entry?.reason, entry?.since], ['down for a while', WRITTEN])
  })

  it('tells entries in the order of their names', async () => {
    const names = ['m', 'c', 'x', 'a', 'z', 'f', 'k', 'b']
    for (const name of names) await down(name)
    await spool.look()
    assert.deepEqual(told, [names.toSorted()])
  })

  it('what has expired says nothing', async () => {
    await down('web', { reason: 'x', expiration: clock.wallTime() / 1000 + 10 })
    await spool.look()
    await clock.advance(10_000)
    await spool.look()
    assert.deepEqual(told, [['web'], []])
  })

  it('a spool that is not there says nothing; one that cannot be read keeps what it said, and is told of once', async () => {
    await down('web')
    await spool.look()
    path = join(directory, 'web') // no directory
    await spool.look()
    await spool.look()
    assert.deepEqual(told, [['web']])
    assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 1)
    path = join(directory, 'gone')
    await spool.look()
    assert.deepEqual(told, [['web'], []])
    path = undefined
    await spool.look()
    assert.equal(told.length, 2)
    path = join(directory, 'web')
    await spool.look()
    assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 2, 'it could be read meanwhile')
  })

  it('what is not configured any more says nothing', async () => {
    await down('web')
    await spool.look()
    path = undefined
    await spool.look()
    assert.deepEqual(told, [['web'], []])
  })

  it('a file that is gone by the time it is read says nothing', async () => {
    await down('web')
    await symlink(join(directory, 'nowhere'), join(directory, 'db'))
    await spool.look()
    assert.deepEqual([told, log.lines], [[['web']], []])
  })

  it('its task looks every second until it is stopped', async () => {
    const stop = new AbortController()
    const running = spool.task.run(stop.signal)
    await down('web')
    await clock.advance(999)
    assert.deepEqual(told, [])
    await clock.advance(1)
    await eventually(() => assert.deepEqual(told, [['web']]))
    await down('db')
    await eventually(() => assert.equal(clock.pending, 1)) // the next wait
    await clock.advance(1_000)
    await eventually(() => assert.deepEqual(told[1], ['db', 'web']))
    await eventually(() => assert.equal(clock.pending, 1))
    await down('more')
    stop.abort()
    await running
    assert.deepEqual([told.length, clock.pending], [2, 0])
  })

  describe('on a disk that hangs', () => {
    let hanging: string[]
    beforeEach(() => {
      hanging = []
    })
    afterEach(() => hanging.forEach(releaseHangingFile))

    const hang = (...names: string[]) => {
      const file = join(directory, ...names)
      makeHangingFile(file)
      hanging.push(file)
      return file
    }
    const lookInVain = async () => {
      let done = false
      const looked = spool.look().then(() => {
        done = true
      })
      await clock.advance(4_999)
      assert.equal(done, false)
      await clock.advance(1)
      await looked
    }
    /** Other files of this process, as its module loader's, come and go. */
    const onlyWaitsFor = (files: number) => eventually(() => assert.equal(filesWaitedFor(), files))
    const warnings = () => log.lines.filter(({ message }) => message.startsWith('cannot read hacheck_spool')).length

    it('is waited for 5 s, read once, and followed when it answers', async () => {
      const file = hang('web')
      for (let look = 0; look < 3; look++) await lookInVain()
      assert.deepEqual([warnings(), told], [1, []])
      await onlyWaitsFor(1)
      const looking = spool.look()
      await writeFile(file, '{"reason": "x"}')
      await looking
      assert.deepEqual(told, [['web']])
      assert.equal(clock.pending, 0)
    })

    it('holds up no other directory, and what it says too late says nothing', async () => {
      const file = hang('web')
      await lookInVain()
      await mkdir(join(directory, 'other'))
      path = join(directory, 'other')
      const other = hang('other', 'db')
      await lookInVain()
      assert.equal(warnings(), 2)
      await onlyWaitsFor(2)
      await writeFile(file, '{"reason": "x"}')
      await onlyWaitsFor(1)
      await lookInVain()
      await onlyWaitsFor(1) // the other directory is still read only once
      const looking = spool.look()
      await writeFile(other, '{"reason": "x"}')
      await looking
      assert.deepEqual(told, [['db']])
    })
  })
})
