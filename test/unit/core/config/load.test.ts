import assert from 'node:assert/strict'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { type ConfigDialect, loadConfig } from '../../../../src/core/config/load.ts'
import { formatProblem } from '../../../../src/core/config/problems.ts'
import { complaints, withFiles } from '../../../harness/config-files.ts'

const schema = z.strictObject({
  id: z.string(),
  service_conf_dir: z.string().optional(),
  services: z
    .record(z.string(), z.strictObject({ port: z.number(), password_file: z.string().optional() }))
    .default({}),
})

interface Config {
  readonly id: string
  readonly services: readonly (readonly [name: string, port: number | undefined])[]
  readonly files: readonly (readonly [path: string, fingerprint: string])[]
}

const dialect: ConfigDialect<z.output<typeof schema>, Config> = {
  schema,
  extensions: ['.yaml', '.yml', '.json'],
  build: (parsed, names, fingerprints) => ({
    id: parsed.id,
    services: names.map((name) => [name, parsed.services[name]?.port]),
    files: [...fingerprints],
  }),
}

const load = (directory: string, environment: Record<string, string> = {}, lenient = false) =>
  loadConfig(dialect, { file: join(directory, 'main.yaml'), environment, lenient })

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested
describe('loadConfig()', () => {
  it('loadConfig() reads the services of the directory after those of the main file, and replaces by name', () =>
    withFiles(
      {
        'main.yaml': 'id: a\nservices:\n  z: {port: 1}\n  b: {port: 2}\nservice_conf_dir: ${D}',
        'conf.d/b.yaml': 'port: 20',
        'conf.d/a.json': '{"port": 30}',
        'conf.d/c.v1.yml': 'port: 40',
        'conf.d/.hidden.yaml': 'nonsense',
        'conf.d/readme.txt': 'nonsense',
        'conf.d/deep/d.yaml': 'nonsense',
      },
      async (directory) => {
        const { config } = await load(directory, { D: join(directory, 'conf.d') })
        assert.deepEqual(config.services, [
          ['z', 1],
          ['b', 20],
          ['c.v1', 40],
          ['a', 30],
        ])
      },
    ))

  it('loadConfig() keeps the order of services that are named by numbers', () =>
    withFiles(
      { 'main.yaml': 'id: a\nservices:\n  90: {port: 1}\n  b: {port: 2}\n  80: {port: 3}' },
      async (directory) => {
        const { config } = await load(directory)
        assert.deepEqual(
          config.services.map(([name]) => name),
          ['90', 'b', '80'],
        )
      },
    ))

  it('loadConfig() finds ~ in HOME, and follows the links of a mounted ConfigMap', () =>
    withFiles(
      { 'main.yaml': 'id: a\nservice_conf_dir: ~/conf.d', 'conf.d/..data/web.yaml': 'port: 5' },
      async (directory) => {
        await symlink('..data/web.yaml', join(directory, 'conf.d/web.yaml'))
        const { config, inputs } = await load(directory, { HOME: directory })
        assert.deepEqual(config.services, [['web', 5]])
        assert.deepEqual(
          inputs.map((input) => input.slice(directory.length + 1)),
          ['main.yaml', 'conf.d', 'conf.d/web.yaml'],
        )
      },
    ))

  it('loadConfig() takes the later of two files of one service, and warns', () =>
    withFiles(
      {
        'main.yaml': 'id: a\nservice_conf_dir: ~/conf.d',
        'conf.d/web.yaml': 'port: 1',
        'conf.d/web.json': '{"port": 2}',
      },
      async (directory) => {
        const { config, warnings } = await load(directory, { HOME: directory })
        assert.deepEqual(config.services, [['web', 2]])
        assert.deepEqual(
          warnings.map((warning) => formatProblem(warning).replaceAll(`${directory}/`, '')),
          ['conf.d/web.yaml: not used: conf.d/web.json is the same service, and wins'],
        )
      },
    ))

  it('loadConfig() tells all problems of all files at once, sorted, each with its own file and path', () =>
    withFiles(
      {
        'main.yaml': 'id: 5\nservices: {web: {prot: 1}}\nservice_conf_dir: ~/c',
        'c/bad.yaml': 'port: [',
        'c/empty.yaml': '# nothing',
        'c/typo.json': '{"port": 1, "pasword_file": "x"}',
        'c/binary.yml': new Uint8Array([0xff, 0xfe, 0x00]),
      },
      async (directory) => {
        assert.deepEqual(await complaints(directory, () => load(directory, { HOME: directory })), [
          'c/bad.yaml:1:7: broken YAML: what starts here is not closed; a ] is missing',
          'c/binary.yml: cannot read the file: it is not UTF-8 text',
          'c/empty.yaml: the file is empty, expected the keys of a service',
          'c/typo.json:1:13 pasword_file: unknown key. Did you mean "password_file"?',
          'main.yaml:1:5 id: found 5, expected text; put it in quotes',
          'main.yaml:2:18 services.web.prot: unknown key. Did you mean "port"?',
        ])
      },
    ))

  const unreadable = [
    { name: 'a missing main file', files: {}, expected: 'main.yaml: cannot read the file: it does not exist' },
    {
      name: 'a main file that is a directory',
      files: { 'main.yaml/x': '' },
      expected: 'main.yaml: cannot read the file: it is a directory',
    },
    {
      name: 'an empty main file',
      files: { 'main.yaml': '' },
      expected: 'main.yaml:1:1: found nothing, expected a map',
    },
    {
      name: 'a missing directory',
      files: { 'main.yaml': 'id: a\nservice_conf_dir: ~/no' },
      expected: 'main.yaml:2:19 service_conf_dir: cannot list no: it does not exist',
    },
    {
      name: 'a directory that is a file',
      files: { 'main.yaml': 'id: a\nservice_conf_dir: ~/f', f: '' },
      expected: 'main.yaml:2:19 service_conf_dir: cannot list f: it is not a directory',
    },
  ]
  for (const { name, files, expected } of unreadable) {
    it(`loadConfig() tells ${name}`, () =>
      withFiles(files, async (directory) => {
        assert.deepEqual(await complaints(directory, () => load(directory, { HOME: directory })), [expected])
      }))
  }

  it('loadConfig() lets overrides win over the file, even over a mistake there', () =>
    withFiles({ 'main.yaml': 'id: [1]' }, async (directory) => {
      const { config } = await loadConfig(dialect, {
        file: join(directory, 'main.yaml'),
        environment: {},
        overrides: { id: 'given' },
      })
      assert.equal(config.id, 'given')
    }))

  it('loadConfig() leaves top-level keys that start with x- to the people who write the file', () =>
    withFiles({ 'main.yaml': 'x-own: &own {port: 1}\nid: a\nservices: {web: *own}' }, async (directory) => {
      assert.deepEqual((await load(directory)).config.services, [['web', 1]])
    }))

  it('loadConfig() fingerprints the files that options refer to, so that a changed one is a changed configuration', () =>
    withFiles(
      { 'main.yaml': 'id: a\nservices: {web: {port: 1, password_file: "${F}"}}', secret: 'one' },
      async (directory) => {
        const secret = join(directory, 'secret')
        const before = await load(directory, { F: secret })
        await writeFile(secret, 'two')
        const after = await load(directory, { F: secret })
        const missing = await load(directory, { F: `${secret}.no` })
        assert.ok(before.inputs.includes(secret))
        assert.notDeepEqual(before.config.files, after.config.files)
        assert.deepEqual(missing.config.files, [[`${secret}.no`, 'ENOENT']])
        assert.ok(!JSON.stringify(after.config).includes('two'))
      },
    ))
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested
