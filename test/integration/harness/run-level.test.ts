import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly complaints: readonly string[]
}
type RunLevel = (
  level: string,
  options: {
    readonly directory: string
    readonly workers?: number
    readonly limitMs?: number
    readonly output?: 'ignore'
  },
) => Promise<Outcome>
const script = new URL('../../../scripts/level.mjs', import.meta.url).href
const { runLevel } = (await import(script)) as { runLevel: RunLevel }

/** What scripts/test.mjs makes of a level that consists of this one file. */
const run = (source: string, limitMs?: number): Promise<Outcome> => runFiles({ fixture: source }, 1, limitMs)

/** The same of several files, by the names that they have before `.test.ts`. */
async function runFiles(sources: Readonly<Record<string, string>>, workers: number, limitMs = 60_000) {
  const directory = await mkdtemp(join(tmpdir(), 'level-'))
  try {
    for (const [name, source] of Object.entries(sources)) await writeFile(join(directory, `${name}.test.ts`), source)
    return await runLevel('fixture', { directory, workers, limitMs, output: 'ignore' })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A file whose test ends when another's has begun. */
const waitsFor = (name: string, other: string) => `
  import { existsSync, writeFileSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  const began = (name: string) => import.meta.dirname + '/began-' + name
  it('runs beside another', async () => {
    writeFileSync(began('${name}'), '')
    while (!existsSync(began('${other}'))) await sleep(10)
  })
`

describe('runLevel()', function () {
  this.timeout(120_000)

  it('counts what passed and what failed', async () => {
    const outcome = await run(`
      it('passes', () => {})
      it('fails', () => { throw new Error('as it should') })
      describe('with a broken hook', () => { before(() => { throw new Error('hook') }); it('never runs', () => {}) })
    `)
    assert.deepEqual(outcome, { passed: 1, failed: 2, complaints: [] })
  })

  const broken: readonly { readonly name: string; readonly source: string; readonly complaint?: RegExp }[] = [
    {
      name: 'a rejection that nobody handles',
      source: `it('x', async () => { void Promise.reject(new Error('lost')); await new Promise(setImmediate) })`,
    },
    { name: 'a test that is marked only', source: `it.only('x', () => {})` },
    { name: 'a test that is skipped', source: `it.skip('x', () => {})` },
    {
      name: 'a file that cannot be loaded',
      source: `import './missing.ts'`,
      complaint: /during: loading fixture\.test\.ts/,
    },
    { name: 'a process that exits', source: `it('dies here', () => process.exit(0))`, complaint: /during: dies here/ },
    {
      name: 'a file left behind',
      source: `import fs from 'node:fs'; import os from 'node:os'\nit('x', () => fs.writeFileSync(os.tmpdir() + '/crumb', ''))`,
      complaint: /left the file crumb behind/,
    },
    {
      name: 'a process left behind',
      source: `import { spawn } from 'node:child_process'\nit('x', () => { spawn('sleep', ['300'], { stdio: 'ignore' }).unref() })`,
      complaint: /left process \d+ \(sleep 300\) behind/,
    },
    {
      name: 'a process left behind in a process group of its own',
      source: `import { spawn } from 'node:child_process'\nimport os from 'node:os'
        it('x', () => { spawn(process.execPath, ['-e', 'setTimeout(() => {}, 300000)', os.tmpdir() + '/x'], { stdio: 'ignore', detached: true }).unref() })`,
      complaint: /left process \d+ \(.*node -e/,
    },
    {
      name: 'a timer left behind',
      source: `it('x', () => { setInterval(() => {}, 1000) })`,
      complaint: /after its last test/,
    },
  ]
  for (const { name, source, complaint } of broken) {
    it(`fails a level for ${name}`, async () => {
      const { failed, complaints } = await run(source)
      assert.ok(failed + complaints.length > 0)
      if (complaint !== undefined) assert.match(complaints[0] ?? '', complaint)
    })
  }

  it('runs the files of a level in several processes, each file once', async () => {
    const outcome = await runFiles(
      {
        first: waitsFor('first', 'second'),
        second: waitsFor('second', 'first'),
        third: `it('passes', () => {})`,
        fourth: `it('fails', () => { throw new Error('as it should') })`,
      },
      2,
    )
    assert.deepEqual(outcome, { passed: 3, failed: 1, complaints: [] })
  })

  it('begins with the files that allow themselves the most time, and of those with the longest', async () => {
    // Each passes when it runs after as many others as it says.
    const runsAs = (turn: number, more = '') => `
      import fs from 'node:fs'
      it('has its turn', function () {
        ${more}
        const log = import.meta.dirname + '/turns'
        fs.appendFileSync(log, 'x')
        if (fs.readFileSync(log, 'utf8').length !== ${turn}) throw new Error('not yet')
      })`
    const sources = {
      a: runsAs(4),
      b: runsAs(3, '// longer'),
      c: runsAs(2, 'this.timeout(9_000)'),
      d: runsAs(1, 'this.timeout(10_000)'),
    }
    assert.deepEqual(await runFiles(sources, 1), { passed: 4, failed: 0, complaints: [] })
  })

  it('runs the other files of a level in the same process when there is one', async () => {
    const names = ['a', 'b', 'c']
    const sources = names.map((name) => [
      name,
      `it('${name} passes', () => {})\nit('${name} fails', () => { throw 1 })`,
    ])
    assert.deepEqual(await runFiles(Object.fromEntries(sources), 1), { passed: 3, failed: 3, complaints: [] })
  })

  it('names what each process was at when it ended before its time', async () => {
    const sources = { a: `it('dies here', () => process.exit(3))`, b: `it('dies there', () => process.exit(4))` }
    const { complaints } = await runFiles(sources, 2)
    assert.deepEqual(complaints.toSorted(), [
      'the process ended (3) during: dies here',
      'the process ended (4) during: dies there',
    ])
  })

  it('ends a level that hangs and names the test', async () => {
    // Deaf, as one that spins, but it leaves the processor to the others. Its start is within the limit, too.
    const source = `it('is stuck for ever', () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) })`
    const { complaints } = await run(source, 20_000)
    assert.deepEqual(complaints, ['ended after 20 s, during: is stuck for ever'])
  })

  it('fails a level without tests', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'level-'))
    try {
      const { complaints } = await runLevel('fixture', { directory })
      assert.deepEqual(complaints, ['test/fixture has no tests'])
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
