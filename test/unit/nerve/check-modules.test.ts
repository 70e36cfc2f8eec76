import assert from 'node:assert/strict'
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatProblem } from '../../../src/core/config/problems.ts'
import { loadNerveConfig } from '../../../src/nerve/config.ts'
import { complaints, withFiles } from '../../harness/config-files.ts'
import { checkoutPath } from '../../harness/example-config.ts'

const nerve = (...checks: readonly string[]) => `instance_id: i-1
services:
  web:
    host: 10.0.0.1
    port: 3000
    reporter_type: noop
    checks:
${checks.map((check) => `      - ${check}\n`).join('')}`

const module = (type: string, options = '') =>
  `export const check = { interface: 1, type: '${type}', ${options} prepare: async () => ({ run: async () => {} }) }`
const withLevel = module('mine', 'options: ({ z }) => z.object({ level: z.number().max(9).default(5) }),')

const load = (directory: string) => loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: {} })
const loadWith = async (files: Readonly<Record<string, string>>) =>
  withFiles(files, async (directory) => {
    const { config, warnings, inputs } = await load(directory)
    const shown = (text: string) => text.replaceAll(`${directory}/`, '')
    return {
      checks: config.services.flatMap(({ checks }) => checks),
      warnings: warnings.map((warning) => shown(formatProblem(warning))),
      inputs: inputs.map(shown),
    }
  })
const problemsWith = (files: Readonly<Record<string, string>>) =>
  withFiles(files, (directory) => complaints(directory, () => load(directory)))

describe('loadCheckModules()', () => {
  it('loadCheckModules() takes a file beside the configuration, with its options and the keys that all checks have', async () => {
    const text = nerve('{type: mine, module: ./own/mine.mjs, level: 7, rise: 2, timeout: 1s, host: db}', '{type: tcp}')
    const { checks, warnings, inputs } = await loadWith({ 'nerve.yaml': text, 'own/mine.mjs': withLevel })
    const [mine, tcp] = checks
    assert.deepEqual(
      [mine?.type, mine?.options, mine?.rise, mine?.timeoutMs, mine?.host, mine?.name],
      ['mine', { level: 7 }, 2, 1000, 'db', 'web mine-db:3000'],
    )
    assert.equal(typeof mine?.prepare, 'function')
    assert.equal(tcp?.prepare, undefined)
    assert.deepEqual(warnings, [])
    assert.deepEqual(inputs, ['nerve.yaml', 'own/mine.mjs'], 'an edit of the module is an edit of the configuration')
  })

  it('loadCheckModules() takes nerve-watcher-<type>, or the package that module names', async () => {
    const { checks } = await loadWith({
      'nerve.yaml': nerve('{type: mine}', '{type: other, module: "@shop/nerve"}'),
      'node_modules/nerve-watcher-mine/package.json': '{"type": "module", "main": "lib/index.js"}',
      'node_modules/nerve-watcher-mine/lib/index.js': withLevel,
      'node_modules/@shop/nerve/package.json': '{"exports": {"import": "./x.mjs"}}',
      'node_modules/@shop/nerve/x.mjs': module('other'),
    })
    assert.deepEqual(
      checks.map(({ type }) => type),
      ['mine', 'other'],
    )
    assert.deepEqual(checks[0]?.options, { level: 5 })
  })

  it('loadCheckModules() starts at the folder of the file that refers to the module', async () => {
    await withFiles(
      {
        'mine.mjs': 'throw new Error("not this one")',
        'conf.d/db.yaml': 'host: a\nport: 1\nreporter_type: noop\nchecks: [{type: mine, module: ./mine.mjs}]',
        'conf.d/mine.mjs': withLevel,
      },
      async (directory) => {
        await writeFile(join(directory, 'nerve.yaml'), `instance_id: a\nservice_conf_dir: ${directory}/conf.d\n`)
        assert.equal((await load(directory)).config.services[0]?.checks[0]?.type, 'mine')
      },
    )
  })

  it('loadCheckModules() takes the module in docs/plug-ins.md, which is the one in config/plug-ins', async () => {
    const shipped = await readFile(checkoutPath('config/plug-ins/memcached.mjs'), 'utf8')
    const shown = /```js\n(.*?)```/s.exec(await readFile(checkoutPath('docs/plug-ins.md'), 'utf8'))?.[1]
    assert.equal(shown, shipped)
    const { checks } = await loadWith({
      'nerve.yaml': nerve('{type: memcached, module: ./m.mjs, minimum: "1.6"}'),
      'm.mjs': shipped,
    })
    assert.deepEqual(checks[0]?.options, { minimum: '1.6' })
  })

  it('loadCheckModules() makes an edited module another check, and an unchanged one the same', () =>
    withFiles({ 'nerve.yaml': nerve('{type: mine, module: ./m.mjs}'), 'm.mjs': withLevel }, async (directory) => {
      const before = await load(directory)
      assert.deepEqual((await load(directory)).config, before.config)
      await writeFile(join(directory, 'm.mjs'), withLevel.replace('default(5)', 'default(6)'))
      await utimes(join(directory, 'm.mjs'), 1, 1) // an edit within the resolution of the file system's clock
      const after = await load(directory)
      assert.deepEqual(after.config.services[0]?.checks[0]?.options, { level: 6 })
      assert.notDeepEqual(after.config, before.config)
    }))

  it("loadCheckModules() ignores module beside a type that is built in, as Airbnb's nerve, with a warning", async () => {
    const { checks, warnings } = await loadWith({
      'nerve.yaml': nerve('{type: tcp, module: ./tcp.mjs}', '{type: tcp, module: nerve-watcher-tcp}'),
    })
    assert.equal(checks[0]?.type, 'tcp')
    assert.deepEqual(warnings, [
      'nerve.yaml:8:21 services.web.checks[0].module: ignored: the type tcp is built in; a type of your own needs another name',
    ])
  })

  const at = 'services.web.checks[0]'
  const mistakes: readonly { name: string; check: string; text?: string; expected: string }[] = [
    {
      name: 'a file that is not there',
      check: '{type: mine, module: ./gone.mjs}',
      expected: `nerve.yaml:8:30 ${at}.module: cannot use gone.mjs: there is no such file`,
    },
    {
      name: 'a package that is not there',
      check: '{type: mine, module: gone}',
      expected: `nerve.yaml:8:30 ${at}.module: found "gone": no such package in node_modules of HERE or above`,
    },
    {
      name: 'a type that nobody has',
      check: '{type: mine}',
      expected: `nerve.yaml:8:16 ${at}.type: found "mine", expected one of TYPES; a type of your own needs module, or the package nerve-watcher-mine: no such package in node_modules of HERE or above`,
    },
    {
      name: 'broken code',
      check: '{type: mine, module: ./m.mjs}',
      text: "export const check = {\n  interface: 1,\n  type: 'mine\n}",
      expected: `nerve.yaml:8:30 ${at}.module: cannot use m.mjs: Invalid or unexpected token (node --check m.mjs shows where)`,
    },
    {
      name: 'code that throws',
      check: '{type: mine, module: ./m.mjs}',
      text: 'throw new Error("not today")',
      expected: `nerve.yaml:8:30 ${at}.module: cannot use m.mjs: not today`,
    },
    {
      name: 'a package that the module lacks',
      check: '{type: mine, module: ./m.mjs}',
      text: 'import "smartstack-has-no-such-package"',
      expected: `nerve.yaml:8:30 ${at}.module: cannot use m.mjs: Cannot find package 'smartstack-has-no-such-package' imported from m.mjs`,
    },
    {
      name: 'a module that is no check',
      check: '{type: mine, module: ./m.mjs}',
      text: 'export const version = 1',
      expected: `nerve.yaml:8:30 ${at}.module: cannot use m.mjs: it exports version; expected it to export "check", an object with interface, type, options and prepare`,
    },
    {
      name: 'a module of another type',
      check: '{type: mine, module: ./m.mjs}',
      text: module('yours'),
      expected: `nerve.yaml:8:16 ${at}.type: found "mine", expected yours, which is what m.mjs exports`,
    },
    {
      name: 'an option that the module forbids',
      check: '{type: mine, module: ./m.mjs, level: 10}',
      text: withLevel,
      expected: `nerve.yaml:8:46 ${at}.level: found 10, expected at most 9`,
    },
    {
      name: 'an option that the module does not have',
      check: '{type: mine, module: ./m.mjs, levl: 1}',
      text: withLevel,
      expected: `nerve.yaml:8:39 ${at}.levl: unknown key. Did you mean "level"?`,
    },
  ]
  for (const { name, check, text = '', expected } of mistakes) {
    it(`loadCheckModules() tells ${name}, and whatever else is wrong`, async () => {
      const files = { 'nerve.yaml': nerve(check, '{type: tcp, rise: 0}'), 'm.mjs': text }
      const told = (await problemsWith(files)).map((line) =>
        line.replace(/(?<=node_modules of )\S+/, 'HERE').replace(/(?<=one of )[a-z, ]+/, 'TYPES'),
      )
      assert.deepEqual(told, [expected, 'nerve.yaml:9:27 services.web.checks[1].rise: found 0, expected at least 1'])
    })
  }

  it('loadCheckModules() tells when two modules have one type', async () => {
    const text = nerve('{type: mine, module: ./a.mjs}', '{type: mine, module: ./b.mjs}')
    assert.deepEqual(await problemsWith({ 'nerve.yaml': text, 'a.mjs': withLevel, 'b.mjs': withLevel }), [
      'nerve.yaml:9:16 services.web.checks[1].type: "mine" is what a.mjs exports already; a type comes from one module',
    ])
  })

  it('loadCheckModules() has what is missing watched, so that a bad edit is mended when it comes', () =>
    withFiles({ 'nerve.yaml': nerve('{type: mine}', '{type: mine, module: ./m.mjs}') }, async (directory) => {
      const error = await load(directory).catch((caught: unknown) => caught)
      const { inputs } = error as { inputs: readonly string[] }
      assert.deepEqual(
        inputs.map((file) => file.replace(`${directory}/`, '')),
        [...['nerve.yaml', 'node_modules/nerve-watcher-mine', 'm.mjs']],
      )
    }))
})
