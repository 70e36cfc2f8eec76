import assert from 'node:assert/strict'
import { type Flags, Misuse, parseArguments } from '../../../src/cli/arguments.ts'

const flags: Flags = {
  config: { short: 'c', value: 'FILE', help: '' },
  discover: { value: 'SECONDS', whenBare: '10', help: '' },
  json: { help: '' },
}

const good = [
  { args: ['a', 'b'], operands: ['a', 'b'], values: {} },
  { args: ['-c', 'x', '--json'], operands: [], values: { config: 'x', json: '' } },
  { args: ['--config=x'], operands: [], values: { config: 'x' } },
  { args: ['-c', 'x', '-c', 'y'], operands: [], values: { config: 'y' } },
  { args: ['--discover'], operands: [], values: { discover: '10' } },
  { args: ['--discover', '5s'], operands: [], values: { discover: '5s' } },
  { args: ['--discover=500ms'], operands: [], values: { discover: '500ms' } },
  { args: ['--discover', 'file'], operands: ['file'], values: { discover: '10' } },
  { args: ['--discover', '--json', '5'], operands: ['5'], values: { discover: '10', json: '' } },
  { args: ['--', '--json'], operands: ['--json'], values: {} },
]

const bad = [
  { args: ['--jsn'], says: 'unknown flag --jsn. Did you mean --json?' },
  { args: ['-x'], says: 'unknown flag -x' },
  { args: ['--json=yes'], says: '--json takes no value' },
  { args: ['-c'], says: '-c needs FILE' },
  { args: ['-c', '--json'], says: '-c needs FILE' },
  { args: ['--config='], says: '--config needs FILE' },
  { args: ['--constructor'], says: 'unknown flag --constructor' },
]

describe('parseArguments()', () => {
  for (const { args, operands, values } of good) {
    it(`reads ${args.join(' ')}`, () => {
      const found = parseArguments(args, flags)
      assert.deepEqual(found.operands, operands)
      const given = Object.keys(flags).filter((flag) => found.has(flag))
      assert.deepEqual(Object.fromEntries(given.map((flag) => [flag, found.value(flag)])), values)
    })
  }

  for (const { args, says } of bad) {
    it(`refuses ${args.join(' ')}`, () => assert.throws(() => parseArguments(args, flags), new Misuse(says)))
  }
})
