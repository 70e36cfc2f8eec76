import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../src/core/clock.ts'
import { type DrainOptions, drainBounds, drainClients } from '../../../src/nerve/drain.ts'
import type { HookKind } from '../../../src/nerve/hooks.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const never = new AbortController().signal

describe('drainClients()', () => {
  let directory: string
  let failed: HookKind[]
  let log: ReturnType<typeof recordingLog>
  beforeEach(async () => {
    log = recordingLog()
    directory = await mkdtemp(join(tmpdir(), 'drain-'))
    failed = []
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  /** How long it took, ms. */
  const drain = async (options: Partial<DrainOptions>, signal = never) => {
    const clock = systemClock
    const started = clock.now()
    const context = { clock, log, onHookFailed: (kind: HookKind) => failed.push(kind) }
    await drainClients({ drain: undefined, hooks: undefined, shutdown: false, started, ...options }, context, signal)
    return clock.now() - started
  }
  const append = (word: string, more = 'true') => ({
    command: ['sh', '-c', `echo ${word} >> ${directory}/calls; ${more}`],
    timeoutMs: 30_000,
  })
  const calls = () => readFile(join(directory, 'calls'), 'utf8').then((text) => text.trim().split('\n'))

  it('is over at once when nothing is asked for', async () => {
    const clock = new FakeClock()
    const options = { drain: undefined, hooks: undefined, shutdown: false, started: 0 }
    await drainClients(options, { clock, log, onHookFailed: () => {} }, never)
    assert.equal(clock.pending, 0)
  })

  it('lasts at least minMs from when the service was taken down', async () => {
    const clock = new FakeClock(1_000)
    const context = { clock, log: recordingLog(), onHookFailed: () => {} }
    let done = false
    const options = { drain: { minMs: 3_000, maxMs: 60_000 }, hooks: {}, shutdown: false, started: 500 }
    const draining = drainClients(options, context, never).then(() => {
      done = true
    })
    await clock.advance(2_400)
    assert.equal(done, false)
    await clock.advance(100)
    assert.equal(done, true)
    await draining
  })

  it('runs the shutdown command before the drained command, and only for a shutdown', async () => {
    const hooks = { shutdown: append('end'), drained: { ...append('gone'), intervalMs: 10 } }
    await drain({ hooks })
    assert.deepEqual(await calls(), ['gone'])
    await drain({ hooks, shutdown: true })
    assert.deepEqual(await calls(), ['gone', 'end', 'gone'])
  })

  it('asks the drained command until it agrees', async () => {
    const drained = { ...append('gone', `[ $(wc -l < ${directory}/calls) -ge 3 ]`), intervalMs: 100 }
    const took = await drain({ hooks: { drained }, drain: { minMs: 0, maxMs: 30_000 } })
    assert.deepEqual(await calls(), ['gone', 'gone', 'gone'])
    assert.ok(took >= 190, `took ${took}`) // a timer may be a millisecond early
    assert.deepEqual(failed, ['disable-grace', 'disable-grace'])
  })

  it('gives up after maxMs, whatever the least time', async () => {
    const drained = { command: ['false'], timeoutMs: 1_000, intervalMs: 10 }
    const took = await drain({ hooks: { drained }, drain: { minMs: 600_000, maxMs: 300 } })
    assert.ok(took >= 290, `took ${took}`) // a timer may be a millisecond early
    assert.equal(log.lines.filter(({ message }) => message === 'clients have not gone in time').length, 1)
  })

  it('lasts the least time, also when the drained command agrees before', async () => {
    const took = await drain({
      hooks: { drained: { ...append('gone'), intervalMs: 10 } },
      drain: { minMs: 300, maxMs: 30_000 },
    })
    assert.ok(took >= 290, `took ${took}`) // a timer may be a millisecond early
    assert.deepEqual([await calls(), log.lines], [['gone'], []])
  })

  it('does not wait longer than maxMs for the next time that the drained command is asked', async () => {
    const drained = { command: ['false'], timeoutMs: 1_000, intervalMs: 600_000 }
    await drain({ hooks: { drained }, drain: { minMs: 0, maxMs: 300 } })
  })

  it('does not wait for a command that hangs longer than maxMs', async () => {
    const drained = { command: ['sleep', '600'], timeoutMs: 300_000, intervalMs: 10 }
    const took = await drain({ hooks: { drained }, drain: { minMs: 0, maxMs: 300 } })
    assert.ok(took >= 290, `took ${took}`)
  })

  it('goes on when the shutdown command fails, and counts it', async () => {
    await drain({ hooks: { shutdown: { command: ['/no/such/program'], timeoutMs: 1_000 } }, shutdown: true })
    assert.deepEqual(failed, ['disable-shutdown'])
  })

  it('ends as soon as it is stopped', async () => {
    await writeFile(join(directory, 'calls'), '')
    const stop = new AbortController()
    const draining = drain({ drain: { minMs: 600_000, maxMs: 600_000 } }, stop.signal)
    stop.abort()
    await draining
  })
})

describe('drainBounds()', () => {
  const drained = { command: ['true'], timeoutMs: 1, intervalMs: 1 }
  for (const { name, config, expected } of [
    { name: 'nothing is configured', config: {}, expected: [0, 0] },
    { name: 'a least time', config: { drain: { minMs: 3, maxMs: 9 } }, expected: [3, 3] },
    { name: 'a drained command', config: { drain: { minMs: 3, maxMs: 9 }, hooks: { drained } }, expected: [3, 9] },
    {
      name: 'a drained command that is given up before the least time is over',
      config: { drain: { minMs: 9, maxMs: 3 }, hooks: { drained } },
      expected: [3, 9],
    },
    {
      name: 'a drained command without a limit',
      config: { hooks: { drained } },
      expected: [0, Number.POSITIVE_INFINITY],
    },
  ]) {
    it(name, () => {
      const { leastMs, mostMs } = drainBounds({ drain: undefined, hooks: undefined, ...config })
      assert.deepEqual([leastMs, mostMs], expected)
    })
  }
})
