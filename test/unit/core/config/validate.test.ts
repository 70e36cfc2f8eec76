import assert from 'node:assert/strict'
import fc from 'fast-check'
import * as z from 'zod'
import type { Environment } from '../../../../src/core/config/environment.ts'
import { formatProblem } from '../../../../src/core/config/problems.ts'
import { count, durationMs, ignoredKey, port, text } from '../../../../src/core/config/schema.ts'
import { parseSourceFile } from '../../../../src/core/config/source-file.ts'
import { combineSources } from '../../../../src/core/config/sources.ts'
import { validate } from '../../../../src/core/config/validate.ts'

const schema = z.strictObject({
  host: text.optional(),
  port: port.optional(),
  wait: durationMs.optional(),
  rise: count(1).optional(),
  flag: z.boolean().optional(),
  needs: z.strictObject({ must: text, may: text.optional() }).optional(),
  one: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('tcp'), send: text.optional() }),
      z.strictObject({ kind: z.literal('http'), uri: text }),
    ])
    .optional(),
  either: z.union([z.strictObject({ path: text, mode: z.enum(['r', 'w']) }), z.array(text), text]).optional(),
  levels: z.enum(['debug', 'info']).optional(),
  shape: z
    .union([
      z.strictObject({ mode: z.literal('a') }),
      z.strictObject({ mode: z.literal('b'), p: z.number(), q: z.number() }),
    ])
    .optional(),
  password: z
    .string()
    .regex(/^.{8,}$/, 'expected eight characters')
    .optional(),
  bounded: z.array(z.number().max(5)).min(1).max(2).optional(),
  labels: z.record(text, z.number()).optional(),
  nothing: z.null().optional(),
  gone: ignoredKey('nothing reads it'),
})

function run(
  content: string,
  { environment = {}, lenient = false }: { environment?: Environment; lenient?: boolean } = {},
) {
  const main = parseSourceFile('f', content, environment)
  return validate(schema, combineSources(main, [], main.problems, []), { lenient })
}

function problemsOf(content: string, environment: Environment = {}): readonly string[] {
  const result = run(content, { environment })
  return result.ok ? [] : result.problems.map(formatProblem)
}

function accepted(content: string, options: { environment?: Environment; lenient?: boolean } = {}): unknown {
  const result = run(content, options)
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'))
  return result.value
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested
describe('validate() gives exactly one problem per mistake', () => {
  const cases = [
    { name: 'a misspelt key', text: 'hots: a', expected: 'f:1:1 hots: unknown key. Did you mean "host"?' },
    {
      name: 'a strange key',
      text: 'needs: {must: a, colour: b}',
      expected: 'f:1:18 needs.colour: unknown key; known are may, must',
    },
    {
      name: 'a misspelt key that must be there',
      text: 'needs: {mist: a}',
      expected: 'f:1:9 needs.mist: unknown key. Did you mean "must"?',
    },
    { name: 'a key that is not there', text: 'needs: {may: a}', expected: 'f:1:1 needs.must: missing, expected text' },
    {
      name: 'a wrong type',
      text: 'port: eighty',
      expected: 'f:1:7 port: found "eighty", expected a port number, 1 to 65535',
    },
    {
      name: 'a number out of range',
      text: 'port: 70000',
      expected: 'f:1:7 port: found 70000, expected a port number, 1 to 65535',
    },
    {
      name: 'text out of range',
      text: 'port: "0"',
      expected: 'f:1:7 port: found "0", expected a port number, 1 to 65535',
    },
    { name: 'a list for text', text: 'host: [a]', expected: 'f:1:1 host: found a list, expected text' },
    { name: 'a number for text', text: 'host: 8', expected: 'f:1:7 host: found 8, expected text; put it in quotes' },
    {
      name: 'a bad unit',
      text: 'wait: 2 weeks',
      expected: 'f:1:7 wait: found "2 weeks", expected a duration: seconds as a number, or text like 500ms, 2s, 1m',
    },
    {
      name: 'a timer too long for Node',
      text: 'wait: 30d',
      expected: 'f:1:7 wait: found "30d", expected at most 24 days',
    },
    { name: 'a number too small', text: 'rise: 0', expected: 'f:1:7 rise: found 0, expected at least 1' },
    { name: 'a fraction', text: 'rise: 1.5', expected: 'f:1:7 rise: found 1.5, expected a whole number' },
    { name: 'a bad flag', text: 'flag: maybe', expected: 'f:1:7 flag: found "maybe", expected true or false' },
    {
      name: 'an unknown word',
      text: 'levels: inf',
      expected: 'f:1:9 levels: found "inf", expected one of debug, info. Did you mean "info"?',
    },
    {
      name: 'an unknown kind',
      text: 'one: {kind: htp, uri: a}',
      expected: 'f:1:13 one.kind: found "htp", expected one of http, tcp. Did you mean "http"?',
    },
    { name: 'a missing kind', text: 'one: {uri: a}', expected: 'f:1:1 one.kind: missing, expected one of http, tcp' },
    {
      name: 'a misspelt kind key',
      text: 'one: {kidn: http, uri: a}',
      expected: 'f:1:7 one.kidn: unknown key. Did you mean "kind"?',
    },
    {
      name: 'a mistake inside a kind',
      text: 'one: {kind: tcp, sned: a}',
      expected: 'f:1:18 one.sned: unknown key. Did you mean "send"?',
    },
    {
      name: 'a mistake inside one branch of a union',
      text: 'either: {path: a, mode: x}',
      expected: 'f:1:25 either.mode: found "x", expected one of r, w',
    },
    {
      name: 'no branch of a union',
      text: 'either: 5',
      expected: 'f:1:9 either: found 5, expected a map or a list or text',
    },
    { name: 'an item in a list', text: 'bounded: [1, 9]', expected: 'f:1:14 bounded[1]: found 9, expected at most 5' },
    {
      name: 'too many items',
      text: 'bounded: [1, 2, 3]',
      expected: 'f:1:1 bounded: found a list, expected at most 2 entries',
    },
    { name: 'an empty item', text: 'bounded:\n  -\n', expected: 'f:2:4 bounded[0]: found nothing, expected a number' },
    {
      name: 'a secret, which is not shown',
      text: 'password: abc',
      expected: 'f:1:11 password: found a value that is not shown, expected eight characters',
    },
    { name: 'an empty text', text: 'host: ""', expected: 'f:1:7 host: found "", must not be empty' },
    {
      name: 'an empty key of a record',
      text: 'labels: {"": 1}',
      expected: 'f:1:10 labels[""]: bad key: must not be empty',
    },
    {
      name: 'a missing variable, and nothing of what follows',
      text: 'port: ${NO}',
      expected: 'f:1:7 port: the environment variable NO is not set; set it, or write ${NO:-default}',
    },
    {
      name: 'an empty variable that must be given',
      text: 'needs: {must: "", may: a}\nport: 1',
      expected: 'f:1:15 needs.must: found "", must not be empty',
    },
    {
      name: 'a bad value of a variable',
      text: 'port: ${P}',
      expected: 'f:1:7 port: found "http" (from ${P}), expected a port number, 1 to 65535',
    },
    { name: 'no map at all', text: '- a', expected: 'f:1:1: found a list, expected a map' },
    { name: 'nothing at all', text: '', expected: 'f:1:1: found nothing, expected a map' },
  ]
  for (const { name, text: content, expected } of cases) {
    it(`validate() tells ${name}`, () => {
      const main = parseSourceFile('f', content, { P: 'http' }).problems.map(formatProblem)
      assert.deepEqual([...main, ...problemsOf(content, { P: 'http' })], [expected])
    })
  }

  it('validate() takes the branch of a union that its literal names, not the one with the fewest mistakes', () => {
    assert.deepEqual(problemsOf('shape: {mode: b, p: x, q: y}'), [
      'f:1:21 shape.p: found "x", expected a number',
      'f:1:27 shape.q: found "y", expected a number',
    ])
  })

  it('validate() tells several mistakes together', () => {
    assert.equal(problemsOf('port: a\nrise: b\nhots: c\nneeds: {}').length, 4)
  })
})

describe('validate() mends', () => {
  it('validate() takes a key without a value for one that is not given', () => {
    assert.deepEqual(accepted('host:\nport: ~\nneeds: {must: a, may: }'), { needs: { must: 'a' } })
  })

  it('validate() keeps a null that the schema takes', () => {
    assert.deepEqual(accepted('nothing:'), { nothing: null })
  })

  it('validate() takes the text of a plain variable where text is wanted', () => {
    assert.deepEqual(accepted('host: ${H}', { environment: { H: '12e5' } }), { host: '12e5' })
    assert.deepEqual(accepted('either: ${H}', { environment: { H: '007' } }), { either: '007' })
  })

  it('validate() takes the number of a plain variable where a number is wanted', () => {
    assert.deepEqual(accepted('port: ${P}', { environment: { P: '80' } }), { port: 80 })
  })

  it('validate() reads the flags of YAML 1.1', () => {
    for (const word of ['yes', 'On', 'TRUE', '"true"'])
      assert.deepEqual(accepted(`flag: ${word}`), { flag: true }, word)
    for (const word of ['no', 'Off', 'false', '"no"'])
      assert.deepEqual(accepted(`flag: ${word}`), { flag: false }, word)
    assert.deepEqual(accepted('host: no'), { host: 'no' })
  })

  it('validate() leaves an ignored key out and warns, also without lenient', () => {
    const result = run('gone: 1\nhost: a')
    assert.ok(result.ok)
    assert.deepEqual(result.value, { host: 'a' })
    assert.deepEqual(result.warnings.map(formatProblem), ['f:1:1 gone: ignored: nothing reads it'])
  })

  it('validate() leaves unknown keys out and warns when lenient, and still tells other mistakes', () => {
    const result = run('hots: 1\nneeds: {must: a, b: c}', { lenient: true })
    assert.ok(result.ok)
    assert.deepEqual(result.value, { needs: { must: 'a' } })
    assert.deepEqual(result.warnings.map(formatProblem), [
      'f:1:1 hots: unknown key, left out. Did you mean "host"?',
      'f:2:18 needs.b: unknown key, left out',
    ])
    assert.equal(run('hots: 1\nport: x', { lenient: true }).ok, false)
  })

  it('validate() does not change what was read', () => {
    const main = parseSourceFile('f', 'host:\ngone: 1', {})
    validate(schema, combineSources(main, [], [], []), { lenient: true })
    assert.deepEqual(main.value, { host: null, gone: 1 })
  })
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested

describe('validate()', () => {
  it('validate() never throws, and each problem has a place and one line', () => {
    const key = fc.constantFrom(...Object.keys(schema.shape), 'hots', 'kind', 'uri', 'must', 'path', 'mode')
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<unknown>('', 'tcp', 'a\nb', 0, -1, 1.5, 1e300, true, null, '2s'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(value, fc.boolean(), (data, lenient) => {
        const result = run(JSON.stringify(data), { lenient })
        const problems = result.ok ? result.warnings : result.problems
        assert.ok(result.ok || problems.length > 0)
        for (const problem of problems) assert.match(formatProblem(problem), /^f:1:\d+.*: [^\n]+$/)
      }),
      { numRuns: 1000 },
    )
  })
})
