import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../src/core/clock.ts'
import { type DrainOptions, drainClients } from '../../../src/nerve/drain.ts'
import type { HookKind } from '../../../src/nerve/hooks.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const never = new AbortController().signal

describe('drainClients()', () => {
  let directory: string
  let failed: HookKind[]
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drain-'))
    failed = []
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  /** How long it took, ms. */
  const drain = async (options: Partial<DrainOptions>, signal = never) => {
    const clock = systemClock
    const started = clock.now()
    const context = { clock, log: recordingLog(), onHookFailed: (kind: HookKind) => failed.push(kind) }
    await drainClients({ drain: undefined, hooks: undefined, shutdown: false, started, ...options }, context, signal)
    return clock.now() - started
  }
  const append = (word: string, more = 'true') => ({
    command: ['sh', '-c', `echo ${word} >> ${directory}/calls; ${more}`],
    timeoutMs: 5_000,
  })
  const calls = () => readFile(join(directory, 'calls'), 'utf8').then((text) => text.trim().split('\n'))

  it('is over at once when nothing is asked for', async () => {
    assert.ok((await drain({})) < 100)
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
    const drained = { ...append('gone', `[ $(wc -l < ${directory}/calls) -ge 3 ]`), intervalMs: 10 }
    await drain({ hooks: { drained }, drain: { minMs: 0, maxMs: 30_000 } })
    assert.deepEqual(await calls(), ['gone', 'gone', 'gone'])
    assert.deepEqual(failed, ['disable-grace', 'disable-grace'])
  })

  it('gives up after maxMs, whatever the least time', async () => {
    const drained = { command: ['false'], timeoutMs: 1_000, intervalMs: 10 }
    const took = await drain({ hooks: { drained }, drain: { minMs: 20_000, maxMs: 300 } })
    assert.ok(took >= 300 && took < 10_000, `took ${took}`)
  })

  it('does not wait for a command that hangs longer than maxMs', async () => {
    const drained = { command: ['sleep', '60'], timeoutMs: 30_000, intervalMs: 10 }
    const took = await drain({ hooks: { drained }, drain: { minMs: 0, maxMs: 300 } })
    assert.ok(took >= 300 && took < 10_000, `took ${took}`)
  })

  it('goes on when the shutdown command fails, and counts it', async () => {
    await drain({ hooks: { shutdown: { command: ['/no/such/program'], timeoutMs: 1_000 } }, shutdown: true })
    assert.deepEqual(failed, ['disable-shutdown'])
  })

  it('ends as soon as it is stopped', async () => {
    await writeFile(join(directory, 'calls'), '')
    const stop = new AbortController()
    const draining = drain({ drain: { minMs: 60_000, maxMs: 60_000 } }, stop.signal)
    stop.abort()
    assert.ok((await draining) < 5_000)
  })
})
