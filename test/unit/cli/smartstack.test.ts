import assert from 'node:assert/strict'
import type { CliCommand } from '../../../src/cli/command.ts'
import { commands } from '../../../src/cli/commands/index.ts'
import { runSmartstack } from '../../../src/cli/smartstack.ts'
import { createStyle, wantsColours } from '../../../src/cli/style.ts'
import { ConfigError } from '../../../src/core/config/config-error.ts'
import { recordingCli } from '../../harness/cli.ts'

const never = new AbortController().signal

async function run(args: readonly string[], list: readonly CliCommand[] = commands, signal = never) {
  const context = recordingCli()
  const status = await runSmartstack(args, list, '1.2.3', context, signal)
  return { status, out: context.out, err: context.err }
}

const broken = (error: unknown): CliCommand => ({
  name: 'broken',
  summary: 'breaks',
  operands: '',
  flags: {},
  details: '',
  run: () => Promise.reject(error),
})

const badConfig = new ConfigError([
  { severity: 'error', file: 'a.yaml', position: { line: 2, column: 3 }, path: ['x'], message: 'unknown key' },
])

describe('runSmartstack()', () => {
  it('answers --help, -h and help alike, with every command', async () => {
    const { status, out } = await run(['--help'])
    assert.equal(status, 0)
    for (const { name, summary } of commands) assert.ok(out.includes(`  ${name.padEnd(10)} ${summary}\n`), name)
    assert.equal((await run(['-h'])).out, out)
    assert.equal((await run(['help'])).out, out)
  })

  it('answers --version', async () => {
    assert.deepEqual(await run(['--version']), { status: 0, out: 'smartstack 1.2.3\n', err: '' })
  })

  it('keeps every help within 80 columns, and help COMMAND is COMMAND --help', async () => {
    for (const { name } of commands) {
      const { out } = await run([name, '--help'])
      assert.equal((await run(['help', name])).out, out)
      for (const line of [...out.split('\n'), ...(await run(['--help'])).out.split('\n')])
        assert.ok(line.length <= 80, `${name}: ${line}`)
    }
  })

  const misuses = [
    { args: [], says: 'smartstack: give a command' },
    { args: ['stauts'], says: 'smartstack: unknown command "stauts". Did you mean "status"?' },
    { args: ['--halp'], says: 'smartstack: unknown flag --halp. Did you mean --help?' },
    {
      args: ['destroy'],
      says: 'smartstack: unknown command "destroy"; known are status, nerve, validate, plan, doctor, schema',
    },
    { args: ['plan', '--discovr'], says: 'smartstack plan: unknown flag --discovr. Did you mean --discover?' },
    { args: ['plan'], says: 'smartstack plan: give -c FILE or set SYNAPSE_CONFIG' },
    {
      args: ['plan', '-c', 'x', '--discover=soon'],
      says: 'smartstack plan: --discover needs seconds, or text like 500ms, not "soon"',
    },
    { args: ['plan', 'x.yaml'], says: 'smartstack plan: "x.yaml" is not expected here' },
    { args: ['validate'], says: 'smartstack validate: give at least one file' },
    {
      args: ['validate', '--nerve', '--synapse', 'x'],
      says: 'smartstack validate: give --nerve or --synapse, not both',
    },
    { args: ['schema', 'haproxy'], says: 'smartstack schema: give one of nerve, nerve-blablacar, synapse' },
    {
      args: ['status', '--nerve', 'a b'],
      says: 'smartstack status: --nerve needs a URL, host:port or port, not "a b"',
    },
    { args: ['doctor', 'x'], says: 'smartstack doctor: "x" is not expected here; a configuration goes after -c' },
  ]
  for (const { args, says } of misuses) {
    it(`exits with 2 for "${args.join(' ')}"`, async () => {
      const { status, out, err } = await run(args)
      assert.deepEqual([status, out, err.split('\n')[0]], [2, '', says])
      assert.match(err, /\nTry: smartstack( \w+)? --help\n$/)
    })
  }

  it('exits with 1 when a command fails, and says why', async () => {
    assert.deepEqual(await run(['broken'], [broken(new Error('no luck'))]), {
      status: 1,
      out: '',
      err: 'smartstack: no luck\n',
    })
  })

  it('exits with 78 for a bad configuration, with the place first on the line', async () => {
    const { status, err } = await run(['broken'], [broken(badConfig)])
    assert.deepEqual([status, err], [78, 'a.yaml:2:3 x: unknown key\n'])
  })

  it('answers a failure in JSON where JSON was asked for', async () => {
    const { status, out, err } = await run(['broken', '--json'], [broken(badConfig)])
    assert.deepEqual([status, err], [78, ''])
    assert.equal(JSON.parse(out).problems[0].position.line, 2)
    assert.deepEqual(JSON.parse((await run(['broken', '--json'], [broken(new Error('no luck'))])).out), {
      error: 'no luck',
    })
  })

  it('says "interrupted" when it was', async () => {
    const stop = new AbortController()
    stop.abort()
    const { status, err } = await run(['broken'], [broken(stop.signal.reason)], stop.signal)
    assert.deepEqual([status, err], [1, 'smartstack: interrupted\n'])
  })
})

describe('wantsColours()', () => {
  const cases = [
    { name: 'a terminal', isTerminal: true, environment: {}, expected: true },
    { name: 'no terminal', isTerminal: false, environment: {}, expected: false },
    { name: 'NO_COLOR', isTerminal: true, environment: { NO_COLOR: '1' }, expected: false },
    { name: 'an empty NO_COLOR', isTerminal: true, environment: { NO_COLOR: '' }, expected: true },
    { name: 'a dumb terminal', isTerminal: true, environment: { TERM: 'dumb' }, expected: false },
  ]
  for (const { name, isTerminal, environment, expected } of cases) {
    it(`is ${expected} for ${name}`, () => assert.equal(wantsColours(isTerminal, environment), expected))
  }
})

describe('createStyle()', () => {
  it('paints nothing where there is nothing', () => {
    assert.equal(createStyle(true).mood('bad', ''), '')
  })
})
