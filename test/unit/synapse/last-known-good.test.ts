import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LastKnownGood } from '../../../src/synapse/last-known-good.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

describe('LastKnownGood', () => {
  let directory: string
  const problems: string[] = []
  let clock: FakeClock
  const open = () => new LastKnownGood(directory, clock, (problem) => problems.push(problem))
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lkg-'))
    problems.length = 0
    clock = new FakeClock()
  })
  afterEach(() => rm(directory, { recursive: true }))

  const known = new Map([
    [
      'web',
      [
        {
          name: 'i-1',
          host: '10.0.0.1',
          port: 80,
          weight: 3,
          labels: { az: 'a' },
          haproxyServerOptions: 'backup',
          sequence: 7,
        },
      ],
    ],
    ['empty', []],
  ])

  it('gives back after a restart what was saved', async () => {
    await open().save(known)
    assert.deepEqual(await open().load(), known)
    assert.deepEqual(await readdir(directory), ['instances.json'])
  })

  it('starts empty without a word when there is no file', async () => {
    assert.equal((await open().load()).size, 0)
    assert.deepEqual(problems, [])
  })

  it('reports a torn file and starts empty', async () => {
    await writeFile(join(directory, 'instances.json'), '{"format": 1, "services": {')
    assert.equal((await open().load()).size, 0)
    assert.match(problems.join(), /cannot read .*instances\.json, starting without it/)
  })

  it('drops an entry that could not be a registration', async () => {
    const entry = { host: 'a b', port: 1, name: 'x' }
    await writeFile(join(directory, 'instances.json'), JSON.stringify({ format: 1, services: { web: [entry] } }))
    assert.deepEqual(await open().load(), new Map([['web', []]]))
  })

  it('reports a directory that cannot be written once, and goes on', async () => {
    await writeFile(join(directory, 'file'), '')
    const store = new LastKnownGood(join(directory, 'file'), clock, (problem) => problems.push(problem))
    await store.save(known)
    await store.save(known)
    assert.equal(problems.length, 1)
    assert.match(problems.join(), /cannot remember the instances in/)
  })

  it('tells how long ago the file was known to be right', async () => {
    assert.equal(await open().age(), Number.POSITIVE_INFINITY)
    const store = open()
    await store.save(known)
    await store.save(known) // nothing to write, but still right
    await clock.advance(60_000)
    assert.equal(await open().age(), 60_000)
    await store.save(known)
    assert.equal(await open().age(), 0)
  })

  it('writes the file again when somebody has removed it', async () => {
    const store = open()
    await store.save(known)
    await rm(join(directory, 'instances.json'))
    await store.save(known)
    assert.deepEqual(await open().load(), known)
  })

  it('does not write again what is already on disk', async () => {
    const store = open()
    await store.save(known)
    await writeFile(join(directory, 'instances.json'), 'touched')
    await store.save(new Map(known))
    assert.equal(await readFile(join(directory, 'instances.json'), 'utf8'), 'touched')
  })

  it('writes what changed, and nothing of a service that is gone', async () => {
    const named = (name: string) => ({ name, host: '10.0.0.1', port: 80 })
    const [a, b, c] = [named('a'), named('b'), named('c')]
    const store = open()
    for (const later of [
      new Map([
        ['web', [a, b]],
        ['api', [a]],
      ]),
      new Map([
        ['api', [a]],
        ['web', [a, c, b]],
      ]),
      new Map([['web', [c]]]),
      new Map([
        ['web', []],
        ['api', [b]],
      ]),
      new Map(),
    ]) {
      await store.save(later)
      const found = await open().load()
      assert.deepEqual([...found], [...later])
    }
    assert.deepEqual(problems, [])
  })
})
