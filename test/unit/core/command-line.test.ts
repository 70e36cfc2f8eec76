import assert from 'node:assert/strict'
import { type Program, parseCommandLine } from '../../../src/core/command-line.ts'

const nerve: Program = { name: 'nerve', summary: 'nerve does.', takesInstanceId: true, version: '1.2.3' }
const synapse: Program = { name: 'synapse', summary: 'synapse does.', takesInstanceId: false, version: '1.2.3' }

const run = { checkConfig: false, lenient: false, debug: false }

describe('parseCommandLine() runs', () => {
  const cases = [
    { name: 'a short flag', args: ['-c', 'f'], env: {}, expected: { configFile: 'f' } },
    { name: 'a long flag', args: ['--config', 'f'], env: {}, expected: { configFile: 'f' } },
    { name: 'a flag with =', args: ['--config=f'], env: {}, expected: { configFile: 'f' } },
    { name: 'NERVE_CONFIG', args: [], env: { NERVE_CONFIG: 'e' }, expected: { configFile: 'e' } },
    { name: 'a flag over NERVE_CONFIG', args: ['-c', 'f'], env: { NERVE_CONFIG: 'e' }, expected: { configFile: 'f' } },
    { name: '-i', args: ['-c', 'f', '-i', 'x'], env: {}, expected: { instanceId: 'x' } },
    { name: '--instance-id', args: ['-c', 'f', '--instance-id', 'x'], env: {}, expected: { instanceId: 'x' } },
    { name: "Airbnb's --instance_id", args: ['-c', 'f', '--instance_id', 'x'], env: {}, expected: { instanceId: 'x' } },
    { name: 'NERVE_INSTANCE_ID', args: ['-c', 'f'], env: { NERVE_INSTANCE_ID: 'x' }, expected: { instanceId: 'x' } },
    {
      name: 'an empty -i as none',
      args: ['-c', 'f', '-i', ''],
      env: { NERVE_INSTANCE_ID: 'x' },
      expected: { instanceId: 'x' },
    },
    { name: '-k', args: ['-kc', 'f'], env: {}, expected: { checkConfig: true } },
    { name: '--check-config', args: ['-c', 'f', '--check-config'], env: {}, expected: { checkConfig: true } },
    {
      name: 'NERVE_CHECK_CONFIG=true',
      args: ['-c', 'f'],
      env: { NERVE_CHECK_CONFIG: 'true' },
      expected: { checkConfig: true },
    },
    {
      name: 'NERVE_CHECK_CONFIG=false',
      args: ['-c', 'f'],
      env: { NERVE_CHECK_CONFIG: 'false' },
      expected: { checkConfig: false },
    },
    {
      name: 'an empty NERVE_CHECK_CONFIG',
      args: ['-c', 'f'],
      env: { NERVE_CHECK_CONFIG: '' },
      expected: { checkConfig: false },
    },
    { name: "BlaBlaCar's file without a flag", args: ['f'], env: { NERVE_CONFIG: 'e' }, expected: { configFile: 'f' } },
    { name: "BlaBlaCar's -L", args: ['f', '-L', 'WARN'], env: {}, expected: { logLevel: 'warn' } },
    { name: '--lenient', args: ['-c', 'f', '--lenient'], env: {}, expected: { lenient: true } },
    { name: 'DEBUG, even empty', args: ['-c', 'f'], env: { DEBUG: '' }, expected: { debug: true } },
  ]
  for (const { name, args, env, expected } of cases) {
    it(`parseCommandLine() takes ${name}`, () => {
      const command = parseCommandLine(nerve, args, env)
      assert.deepEqual(command, {
        kind: 'run',
        options: { configFile: 'f', instanceId: undefined, ...run, ...expected },
      })
    })
  }

  it('parseCommandLine() reads the variables of the program it is for', () => {
    const command = parseCommandLine(synapse, [], { SYNAPSE_CONFIG: 's', NERVE_CONFIG: 'n', NERVE_INSTANCE_ID: 'x' })
    assert.deepEqual(command, { kind: 'run', options: { configFile: 's', ...run } })
  })
})

describe('parseCommandLine() refuses', () => {
  const cases = [
    {
      name: 'an unknown flag',
      program: nerve,
      args: ['--confg', 'f'],
      env: {},
      expected: "nerve: Unknown option '--confg'",
    },
    { name: 'a second file', program: nerve, args: ['f', 'g'], env: {}, expected: "nerve: Unexpected argument 'g'" },
    {
      name: 'a file beside -c',
      program: nerve,
      args: ['-c', 'f', 'g'],
      env: {},
      expected: "nerve: Unexpected argument 'g'",
    },
    {
      ...{ name: 'an unknown level', program: nerve, args: ['f', '-L', 'loud'], env: {} },
      expected: 'nerve: unknown log level loud; known are fatal, panic, error, warn, warning, info, debug, trace',
    },
    {
      name: 'a flag without its value',
      program: nerve,
      args: ['-c'],
      env: {},
      expected: "nerve: Option '-c, --config <value>' argument missing",
    },
    {
      name: 'no configuration',
      program: nerve,
      args: [],
      env: {},
      expected: 'nerve: no configuration file: give -c FILE or set NERVE_CONFIG',
    },
    {
      name: 'an instance id for synapse',
      program: synapse,
      args: ['-c', 'f', '-i', 'x'],
      env: {},
      expected: "synapse: Unknown option '-i'",
    },
    {
      name: 'a strange NERVE_CHECK_CONFIG',
      program: nerve,
      args: ['-c', 'f'],
      env: { NERVE_CHECK_CONFIG: 'maybe' },
      expected: 'nerve: NERVE_CHECK_CONFIG must be true or false',
    },
  ]
  for (const { name, program, args, env, expected } of cases) {
    it(`parseCommandLine() refuses ${name}, and says where to look`, () => {
      const command = parseCommandLine(program, args, env)
      assert.deepEqual(command, { kind: 'misuse', text: `${expected}\nTry: ${program.name} --help\n` })
    })
  }
})

describe('parseCommandLine() prints', () => {
  it('parseCommandLine() prints the version', () => {
    assert.deepEqual(parseCommandLine(nerve, ['-v'], {}), { kind: 'print', text: 'nerve 1.2.3\n' })
  })

  it('parseCommandLine() explains every flag, every variable and the exit statuses, in lines that fit a terminal', () => {
    const command = parseCommandLine(nerve, ['--help'], {})
    assert.equal(command.kind, 'print')
    const text = command.kind === 'print' ? command.text : ''
    for (const word of [
      '-c, --config',
      '-i, --instance-id',
      '-k, --check-config',
      '--lenient',
      '-h, --help',
      '-v, --version',
    ]) {
      assert.ok(text.includes(word), word)
    }
    for (const word of ['NERVE_CONFIG', 'NERVE_INSTANCE_ID', 'NERVE_CHECK_CONFIG', 'DEBUG', '78', 'SIGHUP']) {
      assert.ok(text.includes(word), word)
    }
    assert.deepEqual(
      text.split('\n').filter((line) => line.length > 120),
      [],
    )
  })

  it('parseCommandLine() does not offer synapse an instance id', () => {
    const command = parseCommandLine(synapse, ['-h'], {})
    assert.ok(command.kind === 'print' && !command.text.includes('instance'))
  })
})
