import assert from 'node:assert/strict'
import { rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { type ConfigSource, createConfigSource } from '../../../../src/core/config/live.ts'
import { type ConfigDialect, loadConfig } from '../../../../src/core/config/load.ts'
import { createMetrics, type Metrics } from '../../../../src/core/metrics.ts'
import { withFiles } from '../../../harness/config-files.ts'
import { eventually } from '../../../harness/eventually.ts'
import { FakeClock } from '../../../harness/fake-clock.ts'
import { recordingLog } from '../../../harness/recording-log.ts'

const schema = z.strictObject({
  n: z.number(),
  service_conf_dir: z.string().optional(),
  ca_file: z.string().optional(),
  services: z.record(z.string(), z.object({ n: z.number() })).optional(),
})
type Config = z.output<typeof schema> & { readonly files: readonly (readonly [string, string])[] }

const dialect: ConfigDialect<z.output<typeof schema>, Config> = {
  schema,
  extensions: ['.yaml'],
  build: (parsed, _names, fingerprints) => ({ ...parsed, files: [...fingerprints] }),
}

interface Bench {
  readonly directory: string
  readonly file: string
  readonly source: ConfigSource<Config>
  readonly clock: FakeClock
  readonly log: ReturnType<typeof recordingLog>
  readonly metrics: Metrics
  /** What was applied, in order. */
  readonly applied: Config[]
  readonly loads: () => number
  /** Lets `ms` pass in steps, with time for the file system in between. */
  pass(ms: number): Promise<void>
  metric(name: string): Promise<string | undefined>
}

/** Runs a source over real files and a fake clock. Afterwards nothing may be left behind. */
async function withSource(
  files: Readonly<Record<string, string>>,
  test: (bench: Bench) => Promise<void>,
  onChange: (config: Config) => void | Promise<void> = () => {},
): Promise<void> {
  await withFiles(files, async (directory) => {
    const file = join(directory, 'main.yaml')
    const clock = new FakeClock()
    const log = recordingLog()
    const metrics = createMetrics()
    const applied: Config[] = []
    let loads = 0
    const load = () => {
      loads += 1
      return loadConfig(dialect, { file, environment: { HOME: directory } })
    }
    const source = createConfigSource<Config>({
      initial: await load(),
      load,
      clock,
      log,
      metrics,
      async onChange(config) {
        await onChange(config)
        applied.push(config)
      },
    })
    const stop = new AbortController()
    const running = source.task.run(stop.signal)
    const waiting = () => eventually(() => assert.ok(clock.pending > 0, 'the source waits'))
    const pass = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        await waiting()
        await clock.advance(100)
      }
      await waiting()
    }
    const metric = async (name: string) =>
      (await metrics.text())
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length + 1)
    try {
      await pass(1500)
      await test({ directory, file, source, clock, log, metrics, applied, loads: () => loads, pass, metric })
    } finally {
      stop.abort()
      await running
      assert.equal(clock.pending, 0)
    }
  })
}

describe('createConfigSource()', () => {
  it('createConfigSource() applies an edit of the file, within two polls', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, applied, source, log, pass, metric }) => {
      assert.deepEqual(applied, [])
      await writeFile(file, 'n: 2')
      await pass(1500)
      assert.deepEqual(
        applied.map(({ n }) => n),
        [2],
      )
      assert.equal(source.current.n, 2)
      assert.deepEqual(
        log.lines.map(({ message }) => message),
        ['edited configuration applied'],
      )
      assert.equal(await metric('smartstack_config_reloads_total{result="applied"}'), '1')
    }))

  it('createConfigSource() reads nothing while nothing changes', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ loads, pass }) => {
      const before = loads()
      await pass(10_000)
      assert.equal(loads(), before)
    }))

  it('createConfigSource() does not read again at the first look, or after a touch, what holds the same bytes', () =>
    withSource(
      {
        'main.yaml': 'n: 1\nservice_conf_dir: ~/conf\nca_file: ${HOME}/ca',
        'conf/web.yaml': 'n: 2',
        ca: 'x',
      },
      async ({ directory, file, loads, pass, applied, metric }) => {
        await pass(3_000)
        assert.equal(loads(), 1)
        await utimes(file, 1, 1)
        await utimes(join(directory, 'conf/web.yaml'), 1, 1)
        await pass(3_000)
        assert.equal(loads(), 1)
        assert.equal(await metric('smartstack_config_reloads_total{result="unchanged"}'), '2')
        for (const edited of ['conf/web.yaml', 'conf/new.yaml', 'ca']) {
          await writeFile(join(directory, edited), 'n: 3')
          await pass(3_000)
        }
        assert.equal(applied.length, 3)
      },
    ))

  it('createConfigSource() finds an edit that was made between the start and the first look', () =>
    withFiles({ 'main.yaml': 'n: 1' }, async (directory) => {
      const file = join(directory, 'main.yaml')
      const clock = new FakeClock()
      const load = () => loadConfig(dialect, { file, environment: {} })
      const initial = await load()
      await writeFile(file, 'n: 2')
      const applied: number[] = []
      const source = createConfigSource<Config>({
        initial,
        load,
        clock,
        log: recordingLog(),
        metrics: createMetrics(),
        onChange: ({ n }) => void applied.push(n),
      })
      const stop = new AbortController()
      const running = source.task.run(stop.signal)
      await eventually(async () => {
        await clock.advance(300)
        assert.deepEqual(applied, [2])
      })
      stop.abort()
      await running
    }))

  it('createConfigSource() publishes nothing when an edit means the same', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, applied, log, pass, metric }) => {
      const before = Number(await metric('smartstack_config_reloads_total{result="unchanged"}'))
      await writeFile(file, '# a comment\nn: 1.0\n')
      await pass(1500)
      assert.deepEqual(applied, [])
      assert.deepEqual(log.lines, [])
      assert.equal(Number(await metric('smartstack_config_reloads_total{result="unchanged"}')), before + 1)
    }))

  it('createConfigSource() keeps what runs when an edit is bad, tells it once with its place, and says when it is mended', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, applied, source, log, clock, pass, metric }) => {
      assert.equal(await metric('smartstack_config_valid'), '1')
      await writeFile(file, 'n: two')
      await pass(1500)
      const expected = `${file}:1:4 n: found "two", expected a number`
      assert.equal(source.lastError?.message, expected)
      const { since } = source.lastError ?? { since: 0 }
      assert.ok(since > 0 && since <= clock.wallTime())
      assert.equal(await metric('smartstack_config_valid'), '0')
      await writeFile(file, 'n: two # still')
      await pass(1500)
      source.trigger()
      await pass(3000)
      assert.deepEqual(
        log.lines.map(({ level, fields }) => [level, fields['problems']]),
        [['error', [expected]]],
      )
      assert.equal(source.lastError?.since, since)
      assert.deepEqual([source.current.n, applied], [1, []])

      await writeFile(file, 'n: 1')
      await pass(1500)
      assert.equal(source.lastError, undefined)
      assert.equal(await metric('smartstack_config_valid'), '1')
      assert.deepEqual(applied, [])
      assert.equal(log.lines.at(-1)?.message, 'the bad edit of the configuration is undone')
    }))

  it('createConfigSource() tells another mistake again', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, source, log, pass }) => {
      await writeFile(file, 'n: two')
      await pass(1500)
      const since = source.lastError?.since
      await writeFile(file, 'm: 2')
      await pass(1500)
      assert.equal(log.lines.length, 2)
      assert.equal(source.lastError?.since, since, 'since then the files are not what runs')
    }))

  it('createConfigSource() counts an edit that cannot be applied as a bad one', () =>
    withSource(
      { 'main.yaml': 'n: 1' },
      async ({ file, source, applied, pass, metric }) => {
        await writeFile(file, 'n: 2')
        await pass(1500)
        assert.equal(source.lastError?.message, 'cannot be')
        assert.equal(source.current.n, 1)
        assert.equal(await metric('smartstack_config_reloads_total{result="rejected"}'), '1')
        await writeFile(file, 'n: 3')
        await pass(1500)
        assert.deepEqual(
          applied.map(({ n }) => n),
          [3],
        )
        assert.equal(source.lastError, undefined)
      },
      ({ n }) => {
        if (n === 2) throw new Error('cannot be')
      },
    ))

  it('createConfigSource() reads at once on trigger(), without waiting for a poll, also when nothing changed', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, source, applied, log, loads }) => {
      const before = loads()
      source.trigger()
      await eventually(() => assert.equal(loads(), before + 1))
      await eventually(() => assert.match(log.lines.at(-1)?.message ?? '', /nothing changed/))
      await writeFile(file, 'n: 2')
      source.trigger()
      await eventually(() =>
        assert.deepEqual(
          applied.map(({ n }) => n),
          [2],
        ),
      )
    }))

  it('createConfigSource() waits until the file is quiet', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, applied, log, clock, pass }) => {
      await writeFile(file, 'n: ')
      for (let round = 0; round < 12; round++) {
        await writeFile(file, `n: ${'1'.repeat(round + 1)}`)
        await utimes(file, new Date(), new Date(1_600_000_000_000 + round * 1000))
        await pass(100)
      }
      assert.deepEqual(applied, [], `at ${clock.now()}`)
      await pass(500)
      assert.deepEqual(
        applied.map(({ n }) => n),
        [111_111_111_111],
      )
      assert.equal(log.lines.length, 1)
    }))

  it('createConfigSource() follows files of the directory: new, edited and removed', () =>
    withSource(
      { 'main.yaml': 'n: 1\nservice_conf_dir: ~/d', 'd/a.yaml': 'n: 1' },
      async ({ directory, applied, pass }) => {
        await writeFile(join(directory, 'd/b.yaml'), 'n: 2')
        await pass(1500)
        await writeFile(join(directory, 'd/b.yaml'), 'n: 33')
        await pass(2500)
        await rm(join(directory, 'd/a.yaml'))
        await pass(1500)
        assert.deepEqual(
          applied.map(({ services }) => services),
          [{ a: { n: 1 }, b: { n: 2 } }, { a: { n: 1 }, b: { n: 33 } }, { b: { n: 33 } }],
        )
      },
    ))

  it('createConfigSource() notices that a broken file of the directory is mended', () =>
    withSource(
      { 'main.yaml': 'n: 1\nservice_conf_dir: ~/d', 'd/a.yaml': 'n: 1' },
      async ({ directory, source, applied, pass }) => {
        await writeFile(join(directory, 'd/b.yaml'), 'n: [')
        await pass(1500)
        assert.match(source.lastError?.message ?? '', /b\.yaml:1:4: broken YAML/)
        await writeFile(join(directory, 'd/b.yaml'), 'n: 2')
        await pass(2500)
        assert.equal(source.lastError, undefined)
        assert.deepEqual(applied.at(-1)?.services, { a: { n: 1 }, b: { n: 2 } })
      },
    ))

  it('createConfigSource() follows the swapped link of a mounted ConfigMap', () =>
    withSource(
      { 'main.yaml': 'n: 1\nservice_conf_dir: ~/d', 'd/..1/a.yaml': 'n: 1', 'd/..2/a.yaml': 'n: 2' },
      async (bench) => {
        const { directory, applied, pass } = bench
        for (const version of ['..1', '..2'])
          await utimes(join(directory, `d/${version}/a.yaml`), 1_600_000_000, 1_600_000_000)
        await symlink('..1', join(directory, 'd/..data'))
        await symlink('..data/a.yaml', join(directory, 'd/a.yaml'))
        await pass(1500)
        await symlink('..2', join(directory, 'd/..tmp'))
        await rename(join(directory, 'd/..tmp'), join(directory, 'd/..data'))
        await pass(1500)
        assert.deepEqual(
          applied.map(({ services }) => services?.['a']?.n),
          [1, 2],
        )
      },
    ))

  it('createConfigSource() sees that the main file leads elsewhere, even to a file of the same size and time', () =>
    withSource(
      { 'main.yaml': 'n: 0', '1/main.yaml': 'n: 1', '2/main.yaml': 'n: 2' },
      async ({ directory, file, applied, pass }) => {
        for (const version of ['1', '2'])
          await utimes(join(directory, version, 'main.yaml'), 1_600_000_000, 1_600_000_000)
        await symlink('1', join(directory, 'data'))
        await rm(file)
        await symlink('data/main.yaml', file)
        await pass(1500)
        await symlink('2', join(directory, 'next'))
        await rename(join(directory, 'next'), join(directory, 'data'))
        await pass(1500)
        assert.deepEqual(
          applied.map(({ n }) => n),
          [1, 2],
        )
      },
    ))

  it('createConfigSource() takes a changed file that options refer to for an edit', () =>
    withSource({ 'main.yaml': 'n: 1', 'ca.pem': 'one' }, async ({ directory, file, applied, pass }) => {
      const ca = join(directory, 'ca.pem')
      await writeFile(file, `n: 1\nca_file: ${ca}`)
      await pass(2500)
      await writeFile(ca, 'another')
      await pass(1500)
      assert.deepEqual(
        applied.map(({ ca_file }) => ca_file),
        [ca, ca],
      )
      assert.notDeepEqual(applied[0]?.files, applied[1]?.files)
    }))

  it('createConfigSource() keeps what runs when the file disappears, and takes it when it is back', () =>
    withSource({ 'main.yaml': 'n: 1' }, async ({ file, source, applied, pass }) => {
      await rm(file)
      await pass(1500)
      assert.match(source.lastError?.message ?? '', /cannot read the file: it does not exist/)
      await writeFile(file, 'n: 2')
      await pass(1500)
      assert.deepEqual([source.lastError, applied.map(({ n }) => n)], [undefined, [2]])
    }))
})
