import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../../../src/core/clock.ts'
import { CheckedFile } from '../../../../../src/synapse/generators/haproxy/checked-file.ts'
import { ConfigFile } from '../../../../../src/synapse/generators/haproxy/config-file.ts'
import { FileText } from '../../../../../src/synapse/generators/haproxy/file-text.ts'
import { desired, haproxyService, instance } from '../../../../harness/haproxy-model.ts'

const never = new AbortController().signal
const SMALL = partsOf(1)
const LARGER = partsOf(2)
const OTHER = partsOf(1, 'check')

function partsOf(servers: number, options = '') {
  const instances = Array.from({ length: servers }, (_, index) => instance('10.0.0.1', 80 + index))
  const { state, layout } = desired([haproxyService('web', { port: 80, server_options: options }, instances)])
  return { text: state.configText, parts: { frame: layout?.frame, backends: state.backends } }
}

describe('CheckedFile', () => {
  let directory: string
  let now: number
  let onDisk: FileText | undefined
  let file: CheckedFile

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'checked-file-'))
    now = 0
    onDisk = undefined
    file = create(true)
  })
  afterEach(() => rm(directory, { recursive: true }))

  /** Every check leaves a line in `checks`. */
  const create = (isHaproxyCheck: boolean, after = 'true') => {
    const clock = { ...systemClock, now: () => now }
    const [path, candidatePath] = [join(directory, 'haproxy.cfg'), join(directory, 'candidate')]
    const check = `echo checked >> ${join(directory, 'checks')}; ${after}`
    const config = { path, candidatePath, check, isHaproxyCheck, checkTimeoutMs: 10_000, clock: systemClock }
    return new CheckedFile(new ConfigFile(config), clock)
  }
  const write = async ({ text, parts }: typeof SMALL, mustCheck = false) => {
    const wanted = FileText.of(text)
    await file.write(wanted, parts, { onDisk, mustCheck }, never)
    onDisk = wanted
    assert.equal(await readFile(join(directory, 'haproxy.cfg'), 'utf8'), text)
  }
  const checks = async () => (await readFile(join(directory, 'checks'), 'utf8')).split('\n').length - 1

  it('CheckedFile.write() checks the first file, and no other with servers of the same kind', async () => {
    await write(SMALL)
    await write(LARGER)
    await write(SMALL)
    assert.equal(await checks(), 1)
  })

  it('CheckedFile.write() checks what HAProxy has not seen', async () => {
    await write(SMALL)
    await write(OTHER)
    assert.equal(await checks(), 2)
  })

  it('CheckedFile.write() has a file checked before a reload, also one that is there already', async () => {
    await write(SMALL)
    await write(LARGER)
    await write(LARGER, true)
    assert.equal(await checks(), 2)
    await write(LARGER, true)
    assert.equal(await checks(), 2, 'it has been checked now')
  })

  it('CheckedFile.write() checks in the end what went without', async () => {
    await write(SMALL)
    assert.equal(file.checkAt, Number.POSITIVE_INFINITY)
    await write(LARGER)
    assert.equal(file.checkAt, 600_000)
    now = 600_000
    await write(LARGER)
    assert.equal(await checks(), 2)
    assert.equal(file.checkAt, Number.POSITIVE_INFINITY)
  })

  it("CheckedFile.write() never goes without a check that is not HAProxy's alone", async () => {
    file = create(false)
    await write(SMALL)
    await write(LARGER)
    assert.equal(await checks(), 2)
  })

  it('CheckedFile.learn() has a file checked that is not written; those like it then need no check', async () => {
    await file.learn(FileText.of(SMALL.text), SMALL.parts, never)
    assert.equal(await checks(), 1)
    await write(LARGER)
    assert.equal(await checks(), 1)
    assert.equal(file.checkAt, 600_000, 'HAProxy has not seen it')
    await write(OTHER)
    assert.equal(await checks(), 2)
  })

  it('CheckedFile.learn() learns nothing from a file that is refused', async () => {
    file = create(true, 'exit 1')
    await file.learn(FileText.of(SMALL.text), SMALL.parts, never)
    await assert.rejects(write(SMALL), { code: 'HAPROXY_CONFIG' })
    assert.equal(await checks(), 2)
  })

  it("CheckedFile.learn() does not run a check that is not HAProxy's alone", async () => {
    file = create(false)
    await file.learn(FileText.of(SMALL.text), SMALL.parts, never)
    await write(SMALL)
    assert.equal(await checks(), 1)
  })

  it('CheckedFile.distrust() has what is there checked', async () => {
    await write(SMALL)
    await write(LARGER)
    file.distrust()
    await write(LARGER)
    assert.equal(await checks(), 2)
  })
})
