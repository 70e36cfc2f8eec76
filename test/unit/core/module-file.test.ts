import assert from 'node:assert/strict'
import { utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { findModule, importModule, packageEntry } from '../../../src/core/module-file.ts'
import { withFiles } from '../../harness/config-files.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

const entries = [
  { name: 'nothing', manifest: {}, expected: 'index.js' },
  { name: 'main', manifest: { main: 'lib/a.js' }, expected: 'lib/a.js' },
  { name: 'exports as text', manifest: { main: 'a.js', exports: './b.js' }, expected: './b.js' },
  {
    name: 'exports of the package itself',
    manifest: { exports: { '.': './b.js', './c': './c.js' } },
    expected: './b.js',
  },
  { name: 'conditions', manifest: { exports: { require: './a.cjs', import: './b.mjs' } }, expected: './b.mjs' },
  {
    name: 'conditions in conditions, in their order',
    manifest: {
      exports: { '.': { browser: './x.js', node: { require: './a.cjs', default: './b.mjs' }, default: './c.js' } },
    },
    expected: './b.mjs',
  },
  { name: 'alternatives', manifest: { exports: [{ require: './a.cjs' }, './b.mjs'] }, expected: './b.mjs' },
  { name: 'other entries only', manifest: { exports: { './c': './c.js' } }, expected: undefined },
  { name: 'require only', manifest: { exports: { require: './a.cjs' } }, expected: undefined },
]

describe('packageEntry()', () => {
  for (const { name, manifest, expected } of entries)
    it(`packageEntry(): ${name}`, () => assert.equal(packageEntry(manifest), expected))
})

describe('findModule()', () => {
  it('findModule() takes paths from the folder, from the root and from home', async () => {
    const fileOf = async (reference: string) => {
      const found = await findModule(reference, '/etc/nerve')
      return found.ok ? found.file : found.reason
    }
    assert.equal(await fileOf('./a.mjs'), '/etc/nerve/a.mjs')
    assert.equal(await fileOf('../a.mjs'), '/etc/a.mjs')
    assert.equal(await fileOf('/a.mjs'), '/a.mjs')
    assert.equal(await fileOf('~/a.mjs'), join(homedir(), 'a.mjs'))
  })

  it('findModule() finds a package in the folder, and else in those above it', () =>
    withFiles(
      {
        'node_modules/far/package.json': '{"main": "far.js"}',
        'node_modules/both/package.json': '{"main": "far.js"}',
        'etc/node_modules/both/package.json': '{"main": "near.js"}',
        'etc/node_modules/@shop/nerve/package.json': '{"exports": "./x.mjs"}',
      },
      async (directory) => {
        const find = (name: string) => findModule(name, join(directory, 'etc'))
        assert.deepEqual(await find('far'), { ok: true, file: join(directory, 'node_modules/far/far.js') })
        assert.deepEqual(await find('both'), { ok: true, file: join(directory, 'etc/node_modules/both/near.js') })
        assert.deepEqual(await find('@shop/nerve'), {
          ok: true,
          file: join(directory, 'etc/node_modules/@shop/nerve/x.mjs'),
        })
      },
    ))

  it('findModule() says why there is none, and what has to come into being', () =>
    withFiles(
      { 'node_modules/cjs/package.json': '{"exports": {"require": "./a"}}', 'node_modules/bad/package.json': '{' },
      async (directory) => {
        const why = async (name: string) => {
          const found = await findModule(name, directory)
          assert.ok(!found.ok)
          return [found.reason, found.lookedFor].map((text) => text?.replaceAll(directory, ''))
        }
        assert.deepEqual(await why('gone'), ['no such package in node_modules of  or above', '/node_modules/gone'])
        assert.deepEqual(await why('cjs'), [
          'the exports of /node_modules/cjs have nothing for import',
          '/node_modules/cjs/package.json',
        ])
        assert.match((await why('bad'))[0] ?? '', /^cannot read \/node_modules\/bad\/package\.json: .*JSON/)
        assert.deepEqual(await why('a/../../b'), [
          'neither a path, which starts with ./ or /, nor the name of a package',
          undefined,
        ])
      },
    ))
})

describe('importModule()', () => {
  for (const [file, text] of [
    ['x.mjs', 'export const check = { version: VERSION }'],
    ['x.cjs', 'exports.check = { version: VERSION }'],
  ] as const) {
    it(`importModule() loads ${file} anew when it has changed, and only then`, () =>
      withFiles({ [file]: text.replace('VERSION', '1') }, async (directory) => {
        const path = join(directory, file)
        const first = await importModule(path, new FakeClock())
        assert.equal((await importModule(path, new FakeClock()))['check'], first['check'])
        await writeFile(path, text.replace('VERSION', '2'))
        await utimes(path, 1, 1) // an edit within the resolution of the file system's clock
        const second = await importModule(path, new FakeClock())
        assert.deepEqual([first['check'], second['check']], [{ version: 1 }, { version: 2 }])
      }))
  }

  it('importModule() does not wait for ever for a module that does', () =>
    withFiles({ 'x.mjs': 'await new Promise(() => {})' }, async (directory) => {
      const clock = new FakeClock()
      const loading = importModule(join(directory, 'x.mjs'), clock)
      const failed = assert.rejects(loading, /loading .*x\.mjs/)
      await eventually(() => assert.equal(clock.pending, 1))
      await clock.advance(5_000)
      await failed
    }))
})
