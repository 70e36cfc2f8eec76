import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NOTHING_CARRIED } from '../../../../../src/synapse/generators/haproxy/carry-over.ts'
import { ServerLedger } from '../../../../../src/synapse/generators/haproxy/ledger.ts'
import { ServerStateFile } from '../../../../../src/synapse/generators/haproxy/server-state-file.ts'
import type { WorkerLink } from '../../../../../src/synapse/generators/haproxy/worker-link.ts'
import { recordingLog } from '../../../../harness/recording-log.ts'

const HEADER = '# be_name srv_name srv_addr srv_port srv_op_state srv_admin_state'
const DOWN = 'web a 10.0.0.1 80 0 0'
const never = new AbortController().signal

describe('ServerStateFile', () => {
  let directory: string
  let path: string
  let log: ReturnType<typeof recordingLog>
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'states-'))
    path = join(directory, 'servers')
    log = recordingLog()
  })
  afterEach(() => rm(directory, { recursive: true }))

  const server = {
    name: 'a',
    host: '10.0.0.1',
    port: 80,
    id: 1,
    weight: 1,
    options: ['check'],
    adminState: 'ready',
  } as const
  const link = (serversState: () => Promise<string>, connected = true) =>
    ({ connected, ledger: new ServerLedger(), serversState }) as unknown as WorkerLink
  const says = async () => `1\n${HEADER}\n${DOWN}\n`
  const file = (links: readonly WorkerLink[], at = path) =>
    new ServerStateFile({
      path: at,
      links: () => links,
      backends: () => new Map([['web', { name: 'web', service: 'web', servers: [server], reloadOnly: undefined }]]),
      log,
    })
  const read = () => readFile(path, 'utf8')
  /** What the file says while HAProxy is reloaded. */
  const during = async (states: ServerStateFile) => {
    let found = 'not reloaded'
    await states.during(async () => {
      found = await read()
    }, never)
    return found
  }

  it('ServerStateFile.during() tells the new worker what the present one says, and nobody after it', async () => {
    assert.equal(await during(file([link(says)])), `1\n${HEADER}\n${DOWN}\n`)
    assert.equal(await read(), NOTHING_CARRIED)
    assert.deepEqual(await readdir(directory), ['servers'])
    assert.deepEqual(log.lines, [])
  })

  it('ServerStateFile.during() empties the file after a reload that failed, and says so', async () => {
    const failing = file([link(says)]).during(() => Promise.reject(new Error('no')), never)
    await assert.rejects(failing, /^Error: no$/)
    assert.equal(await read(), NOTHING_CARRIED)
  })

  it('ServerStateFile.during() asks a worker that is connected', async () => {
    const gone = link(() => Promise.reject(new Error('asked')), false)
    assert.equal(await during(file([gone, link(says)])), `1\n${HEADER}\n${DOWN}\n`)
  })

  it('ServerStateFile.during() reloads with what is there when no worker is connected', async () => {
    const states = file([])
    await states.clear()
    assert.equal(await during(states), NOTHING_CARRIED)
  })

  it('ServerStateFile.during() reloads also when the worker does not say, and warns', async () => {
    const states = file([link(() => Promise.reject(new Error('no answer')))])
    await states.clear()
    assert.equal(await during(states), NOTHING_CARRIED)
    assert.deepEqual(
      log.lines.map(({ level, fields }) => [level, fields.reason]),
      [['warn', 'no answer']],
    )
  })

  it('ServerStateFile.during() reloads also when the file cannot be written, and warns', async () => {
    const missing = join(directory, 'missing', 'servers')
    let reloaded = false
    await file([link(says)], missing).during(async () => {
      reloaded = true
    }, never)
    assert.equal(reloaded, true)
    assert.match(String(log.lines[0]?.fields.reason), /ENOENT/)
  })

  it('ServerStateFile.during() does not reload after an abort', async () => {
    const stop = new AbortController()
    const asked = link(async () => {
      stop.abort()
      return says()
    })
    await assert.rejects(
      file([asked]).during(() => assert.fail('reloaded'), stop.signal),
      { name: 'AbortError' },
    )
    assert.equal(await read(), NOTHING_CARRIED)
  })
})
