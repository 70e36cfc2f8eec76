import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHeartbeatTask } from '../../../src/nerve/heartbeat.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

describe('createHeartbeatTask()', () => {
  let directory: string
  let clock: FakeClock
  let log: ReturnType<typeof recordingLog>
  let stop: AbortController
  let running: Promise<void>

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heartbeat-'))
    clock = new FakeClock()
    log = recordingLog()
    stop = new AbortController()
  })
  afterEach(async () => {
    stop.abort()
    await running
    await rm(directory, { recursive: true, force: true })
  })

  const run = (path: () => string | undefined) => {
    running = createHeartbeatTask(path, clock, log).run(stop.signal)
  }
  const touchedAt = async (file: string) => (await stat(file)).mtimeMs
  /** Lets a second pass again and again until `assertion` holds. */
  const inTheEnd = (assertion: () => Promise<void>) =>
    eventually(async () => {
      await clock.advance(1000)
      await assertion()
    })

  it('creates the file, and sets its modification time again each second', async () => {
    const file = join(directory, 'nerve')
    run(() => file)
    const start = clock.wallTime()
    await eventually(async () => assert.equal(await touchedAt(file), start))
    const seen = new Set<number>()
    await inTheEnd(async () => {
      seen.add(await touchedAt(file))
      assert.ok(seen.size > 2, 'the time moves with the clock')
    })
    assert.ok(
      [...seen].every((time) => (time - start) % 1000 === 0),
      'each second',
    )
  })

  it('touches the file of an edited configuration, and no file without one', async () => {
    let file: string | undefined
    run(() => file)
    await clock.advance(2000)
    file = join(directory, 'edited')
    await inTheEnd(async () => assert.ok((await touchedAt(join(directory, 'edited'))) > 0, 'it is there'))
  })

  it('says a failure once per file, and goes on', async () => {
    let file = join(directory, 'none/nerve')
    run(() => file)
    const warnings = () => log.lines.map(({ fields }) => fields['path'])
    await eventually(() => assert.deepEqual(warnings(), [file]))
    await clock.advance(3000)
    const other = join(directory, 'neither/nerve')
    const first = file
    file = other
    await inTheEnd(async () => assert.deepEqual(warnings(), [first, other]))
    file = join(directory, 'nerve')
    await inTheEnd(async () => assert.ok((await touchedAt(file)) > 0, 'it is there'))
  })
})
