import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { decodeManual, encodeManual, ManualFile } from '../../../src/nerve/manual-file.ts'
import type { ManualEntries, ManualEntry } from '../../../src/nerve/manual-state.ts'

const NOW = Date.UTC(2030, 0, 2, 3, 4, 5)
const entries: ManualEntries = [
  {
    ...{ target: 'web', says: { kind: 'disabled' }, reason: 'deploy "42"\u2028', by: 'alice' },
    ...{ since: NOW, expiresAt: NOW + 1_800_000 },
  },
  { target: 'all', says: { kind: 'weight', weight: 10 }, reason: '', by: undefined, since: NOW, expiresAt: undefined },
]

describe('ManualFile', () => {
  let directory: string
  let file: ManualFile
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'manual-file-'))
    file = new ManualFile(directory)
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('a file that is not there is nothing said', async () => {
    assert.deepEqual(await file.load(NOW), { entries: [] })
  })

  it('what was saved is loaded again, from a directory that it makes, and no temporary file stays', async () => {
    const path = join(directory, 'deeper', 'still')
    await new ManualFile(path).save(entries)
    assert.deepEqual(await new ManualFile(path).load(NOW), { entries })
    assert.deepEqual(await readdir(path), ['manual.json'])
    assert.equal((await stat(join(path, 'manual.json'))).mode & 0o007, 0, 'reasons are nobody elses')
  })

  it('what has not changed is not written again', async () => {
    await file.save(entries)
    const { ino } = await stat(file.path)
    await file.save(entries)
    assert.equal((await stat(file.path)).ino, ino)
    await file.save([])
    assert.notEqual((await stat(file.path)).ino, ino)
    assert.deepEqual(await file.load(NOW), { entries: [] })
  })

  it('a failed write says why, keeps the old file, and is made up for', async () => {
    await file.save(entries)
    await mkdir(`${file.path}.tmp`)
    await assert.rejects(file.save([]))
    assert.deepEqual(await file.load(NOW), { entries })
    await rm(`${file.path}.tmp`, { recursive: true })
    await file.save([])
    assert.deepEqual(await file.load(NOW), { entries: [] })
  })

  it('a failed write leaves nothing behind', async () => {
    await mkdir(file.path)
    await assert.rejects(file.save(entries))
    assert.deepEqual(await readdir(directory), ['manual.json'])
  })

  it('a damaged file is put aside whole, and named with the remedy', async () => {
    await writeFile(file.path, '{"format": 1, "entr')
    const { entries: left, problem = '' } = await file.load(NOW)
    assert.deepEqual(left, [])
    const aside = 'manual.json.damaged-2030-01-02T030405.000Z'
    assert.deepEqual(await readdir(directory), [aside])
    assert.equal(await readFile(join(directory, aside), 'utf8'), '{"format": 1, "entr')
    for (const part of [file.path, aside, 'nothing of it counts', 'smartstack nerve disable'])
      assert.ok(problem.includes(part), `${problem} says ${part}`)
  })

  it('the good entries of a damaged file count', async () => {
    const bad = '{"target":"db","says":"disabeld","reason":"","since":"2030-01-01T00:00:00.000Z"}'
    await writeFile(file.path, encodeManual(entries).replace('\n  ]', `,\n${bad}]`))
    const { entries: left, problem = '' } = await file.load(NOW)
    assert.deepEqual(left, entries)
    assert.match(problem, /entry 3: says: expected one of disabled, enabled, forced, weight; .*2 of its entries still/)
  })

  it('a path that cannot be read does not stop nerve', async () => {
    await mkdir(file.path)
    const { entries: left, problem = '' } = await file.load(NOW)
    assert.deepEqual(left, [])
    assert.match(problem, /^cannot read .*manual\.json: EISDIR.*put aside as/)
  })

  it('a directory where nothing can be moved is told, too', async () => {
    if (process.getuid?.() === 0) {
      const plain = join(directory, 'plain')
      await writeFile(plain, '')
      const { problem = '' } = await new ManualFile(plain).load(NOW)
      assert.match(problem, /cannot read .*ENOTDIR.*could not be put aside: ENOTDIR/)
      return
    }
    await writeFile(file.path, 'x')
    await chmod(directory, 0o500)
    const { problem = '' } = await file.load(NOW)
    await chmod(directory, 0o700)
    assert.match(problem, /is damaged: .*could not be put aside: EACCES/)
  })
})

describe('decodeManual()', () => {
  const date = fc.integer({ min: 0, max: 4e12 })
  const anyEntry: fc.Arbitrary<ManualEntry> = fc.record(
    {
      target: fc.string({ minLength: 1 }),
      says: fc.oneof(
        fc.constantFrom('enabled', 'disabled', 'forced').map((kind) => ({ kind })),
        fc.integer({ min: 1, max: 255 }).map((weight) => ({ kind: 'weight' as const, weight })),
      ),
      reason: fc.string(),
      by: fc.option(fc.string(), { nil: undefined }),
      since: date,
      expiresAt: fc.option(date, { nil: undefined }),
    },
    { noNullPrototype: true },
  )

  it('reads back whatever encodeManual writes', () => {
    void fc.assert(
      fc.property(fc.array(anyEntry), (written) => {
        assert.deepEqual(decodeManual(encodeManual(written)), { entries: written, damage: [] })
      }),
    )
  })

  it('never throws, and a file that was cut anywhere is damaged', () => {
    const text = encodeManual(entries).trimEnd()
    for (let cut = 0; cut < text.length; cut++) {
      const { entries: left, damage } = decodeManual(text.slice(0, cut))
      assert.deepEqual([left, damage.length], [[], 1], `cut at ${cut}`)
    }
  })

  const since = '2030-01-01T00:00:00.000Z'
  for (const [name, entry] of [
    ['a weight below 1', { target: 'web', says: 'weight', weight: 0, since }],
    ['a weight above 255', { target: 'web', says: 'weight', weight: 256, since }],
    ['no weight', { target: 'web', says: 'weight', since }],
    ['no target', { target: '', says: 'disabled', since }],
    ['no time', { target: 'web', says: 'disabled' }],
    ['a key of another release', { target: 'web', says: 'disabled', since, scope: 'host' }],
  ] as const) {
    it(`an entry with ${name} is damaged`, () => {
      const { entries: left, damage } = decodeManual(JSON.stringify({ format: 1, entries: [entry] }))
      assert.deepEqual([left, damage.length], [[], 1])
    })
  }

  it('an entry needs no reason', () => {
    const text = JSON.stringify({ format: 1, entries: [{ target: 'web', says: 'disabled', since }] })
    assert.equal(decodeManual(text).entries[0]?.reason, '')
  })

  for (const [text, said] of [
    ['[]', 'expected a map'],
    ['{"format": 2, "entries": []}', 'format: expected 1'],
    ['{"format": 1}', 'entries: expected a list'],
    ['{"format": 1, "entries": [], "more": 1}', 'unknown key'],
  ] as const) {
    it(`${text}: ${said}`, () => assert.deepEqual(decodeManual(text), { entries: [], damage: [said] }))
  }
})
