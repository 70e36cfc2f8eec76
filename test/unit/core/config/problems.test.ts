import assert from 'node:assert/strict'
import { ConfigError } from '../../../../src/core/config/config-error.ts'
import {
  describeValue,
  formatPath,
  formatProblem,
  isSecret,
  type Problem,
  sortProblems,
} from '../../../../src/core/config/problems.ts'

const problem = (parts: Partial<Problem>): Problem => ({
  severity: 'error',
  file: 'nerve.yaml',
  path: ['a'],
  message: 'wrong',
  ...parts,
})

describe('formatProblem()', () => {
  it('formatProblem() prints file:line:column, the key path, the message and the suggestion', () => {
    const text = formatProblem(
      problem({
        position: { line: 12, column: 7 },
        path: ['services', 'web', 'checks', 0, 'timout'],
        message: 'unknown key',
        suggestion: 'timeout',
      }),
    )
    assert.equal(text, 'nerve.yaml:12:7 services.web.checks[0].timout: unknown key. Did you mean "timeout"?')
  })

  it('formatProblem() prints only the file where the file as a whole is meant', () => {
    assert.equal(formatProblem(problem({ path: [] })), 'nerve.yaml: wrong')
  })
})

describe('formatPath()', () => {
  it('formatPath() quotes keys that are not plain words', () => {
    assert.equal(formatPath(['services', 'my.web', 'a b', 'x-y']), 'services["my.web"]["a b"].x-y')
  })
})

describe('sortProblems()', () => {
  it('sortProblems() orders by file, then line as a number, then column', () => {
    const at = (file: string, line: number, column: number) =>
      problem({ file, position: { line, column }, message: `${file}${line}:${column}` })
    const sorted = sortProblems([at('b', 1, 1), at('a', 10, 1), at('a', 9, 5), at('a', 9, 2)])
    assert.deepEqual(
      sorted.map(({ message }) => message),
      ['a9:2', 'a9:5', 'a10:1', 'b1:1'],
    )
  })

  it('sortProblems() keeps the first of one mistake that an alias shows twice', () => {
    const position = { line: 1, column: 1 }
    const sorted = sortProblems([problem({ position, path: ['web', 'x'] }), problem({ position, path: ['two', 'x'] })])
    assert.deepEqual(
      sorted.map(({ path }) => path),
      [['web', 'x']],
    )
  })

  it('sortProblems() keeps different keys that are missing at one place', () => {
    const position = { line: 1, column: 1 }
    assert.equal(sortProblems([problem({ position, path: ['x'] }), problem({ position, path: ['y'] })]).length, 2)
  })
})

describe('describeValue()', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    ['eighty', '"eighty"'],
    ['', '""'],
    [70000, '70000'],
    [true, 'true'],
    [null, 'nothing'],
    [[1], 'a list'],
    [{}, 'a map'],
    ['x'.repeat(100), `"${'x'.repeat(60)}…"`],
    ['a\nb', '"a\\nb"'],
  ]
  for (const [value, expected] of cases) {
    it(`describeValue() says ${expected.slice(0, 20)}`, () => assert.equal(describeValue(value), expected))
  }
})

describe('isSecret()', () => {
  it('isSecret() knows secrets by their key, and that the path of a file is none', () => {
    for (const key of ['password', 'zk_digest', 'api_token', 'aws_secret_access_key'])
      assert.ok(isSecret(['a', key]), key)
    for (const key of ['password_file', 'host', 'author']) assert.ok(!isSecret(['password', key]), key)
  })
})

describe('ConfigError', () => {
  it('ConfigError has one sorted line per error and leaves warnings out', () => {
    const error = new ConfigError(
      [
        problem({ file: 'b', message: 'second' }),
        problem({ file: 'c', severity: 'warning' }),
        problem({ file: 'a', message: 'first' }),
      ],
      ['a', 'b'],
    )
    assert.equal(error.message, 'a a: first\nb a: second')
    assert.equal(error.code, 'CONFIG_INVALID')
    assert.deepEqual(error.inputs, ['a', 'b'])
  })
})
