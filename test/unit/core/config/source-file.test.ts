import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Environment } from '../../../../src/core/config/environment.ts'
import { formatProblem } from '../../../../src/core/config/problems.ts'
import { parseSourceFile } from '../../../../src/core/config/source-file.ts'

const parse = (text: string, environment: Environment = {}) => parseSourceFile('f.yaml', text, environment)

const problemsOf = (text: string, environment: Environment = {}) => parse(text, environment).problems.map(formatProblem)

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions are what is tested
describe('parseSourceFile() values', () => {
  const cases: readonly { name: string; text: string; environment?: Environment; expected: unknown }[] = [
    { name: 'YAML 1.2, where no is text', text: 'a: no\nb: 1.5\nc: null', expected: { a: 'no', b: 1.5, c: null } },
    { name: 'JSON', text: '{"a": [1, "x"]}', expected: { a: [1, 'x'] } },
    {
      name: 'merge keys',
      text: 'x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3',
      expected: { x: { a: 1, b: 2 }, y: { a: 1, b: 3 } },
    },
    { name: 'a plain variable as a number', text: 'a: ${A}', environment: { A: '8080' }, expected: { a: 8080 } },
    { name: 'a plain variable as a flag', text: 'a: ${A}', environment: { A: 'true' }, expected: { a: true } },
    { name: 'a quoted variable as text', text: 'a: "${A}"', environment: { A: '8080' }, expected: { a: '8080' } },
    { name: 'a block as text', text: 'a: |-\n  ${A}', environment: { A: '8080' }, expected: { a: '8080' } },
    {
      name: 'a plain variable with a list in brackets',
      text: 'a: ${A}',
      environment: { A: '["x:1", y]' },
      expected: { a: ['x:1', 'y'] },
    },
    {
      name: 'a variable inside brackets',
      text: 'a: [${A}, ${B}]',
      environment: { A: '1', B: 'b' },
      expected: { a: [1, 'b'] },
    },
    {
      name: 'a variable whose value only looks like YAML',
      text: 'a: ${A}',
      environment: { A: 'x: y # z' },
      expected: { a: 'x: y # z' },
    },
    { name: 'a value that breaks YAML as text', text: 'a: ${A}', environment: { A: '[x' }, expected: { a: '[x' } },
    { name: 'an empty variable as nothing', text: 'a: ${A}', environment: { A: '' }, expected: { a: null } },
    { name: 'a variable within text', text: 'a: /x/${A}/y', environment: { A: '1' }, expected: { a: '/x/1/y' } },
    { name: 'a variable in a key', text: '${A}_x: 1', environment: { A: '1' }, expected: { '1_x': 1 } },
    { name: 'a default with a colon', text: 'a: ${A:-zk:2181}', expected: { a: 'zk:2181' } },
    {
      name: 'ERB within double quotes, as Ruby sees it',
      text: 'a: "<%= ENV["A"] %>"',
      environment: { A: 'x' },
      expected: { a: 'x' },
    },
    { name: 'ERB within brackets', text: "a: [<%= ENV['A'] %>]", environment: { A: 'x' }, expected: { a: ['x'] } },
    { name: 'expressions in comments, unread', text: 'a: 1 # ${ <% ${NO}', expected: { a: 1 } },
    { name: 'the escape', text: 'a: log $${X} local0', expected: { a: 'log ${X} local0' } },
    { name: 'an empty file as nothing', text: '', expected: null },
    { name: 'a byte order mark', text: '\uFEFFa: 1', expected: { a: 1 } },
  ]
  for (const { name, text, environment, expected } of cases) {
    it(`parseSourceFile() reads ${name}`, () => {
      const source = parse(text, environment)
      assert.deepEqual(source.problems, [])
      assert.deepEqual(source.value, expected)
    })
  }
})

describe('parseSourceFile() problems', () => {
  const cases = [
    {
      name: 'a missing variable',
      text: 'x:\n  a: ${NO}',
      expected: 'f.yaml:2:6 x.a: the environment variable NO is not set; set it, or write ${NO:-default}',
    },
    {
      name: 'a duplicate key',
      text: 'x:\n  a: 1\n  b: 2\n  a: 3',
      expected: 'f.yaml:4:3: the key "a" is given twice; it is already on line 2',
    },
    {
      name: 'a tab',
      text: 'x:\n\ta: 1',
      expected: 'f.yaml:2:1: broken YAML: a tab in the indentation; YAML takes blanks only',
    },
    {
      name: 'a quote that is not closed, where it starts',
      text: 'a: 1\nb: "x\nc: 2\nd: 3',
      expected: 'f.yaml:2:4: broken YAML: what starts here is not closed; a " is missing',
    },
    {
      name: 'a bracket that is not closed, where it starts',
      text: 'a: [1, 2\nb: 3\n',
      expected: 'f.yaml:1:4: broken YAML: what starts here is not closed; a ] is missing',
    },
    {
      name: 'a brace that is not closed, where it starts',
      text: '{"a": {"b": 1}',
      expected: 'f.yaml:1:1: broken YAML: what starts here is not closed; a } is missing',
    },
    {
      name: 'a second colon',
      text: 'a: b: c',
      expected:
        'f.yaml:1:4: broken YAML: a second ": " on one line; put the text in quotes, or the nested keys on lines of their own',
    },
    {
      name: 'a second document',
      text: 'a: 1\n---\nb: 2',
      expected: 'f.yaml:2:1: broken YAML: a second document starts here ("---"); a configuration is one document',
    },
    { name: 'an unknown alias', text: 'a: *x', expected: 'f.yaml:1:4: there is no anchor &x above this alias' },
    { name: 'an alias of itself', text: 'a: &x\n  b: *x', expected: 'f.yaml:2:6: *x contains itself' },
    {
      name: 'a merge of no map',
      text: 'a:\n  <<: 3',
      expected: 'f.yaml:2:3: << takes an alias of a map, e.g. <<: *defaults',
    },
    {
      name: 'a key that is a list',
      text: '? [a]\n: 1',
      expected: 'f.yaml:1:3: a key must be a word, not a list or map',
    },
    { name: '__proto__', text: 'a: 1\n__proto__: {b: 1}', expected: 'f.yaml:2:1: this key is not allowed' },
    {
      name: 'an expression that is not closed',
      text: 'a: x${A',
      expected: 'f.yaml:1:4 a: a ${ that is not closed on its line',
    },
    { name: 'ERB that is not closed', text: 'a: <%= x', expected: 'f.yaml:1:4 a: a <% that is not closed on its line' },
    {
      name: 'a binary file',
      text: 'a: \uFDD0',
      expected: 'f.yaml:1:4: a character that text never holds; is this a text file?',
    },
    {
      name: 'brackets without end',
      text: 'a: 1\nb:\n  '.concat('['.repeat(20_000)),
      expected: /^f\.yaml:3:2\d\d: broken YAML: maps and lists are nested too deeply$/,
    },
    {
      name: 'lists in one line without end',
      text: '- '.repeat(20_000),
      expected: /^f\.yaml:1:4\d\d: broken YAML: maps and lists are nested too deeply$/,
    },
    {
      name: 'maps that are indented without end',
      text: Array.from({ length: 1_000 }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
      expected: /^f\.yaml:2\d\d:\d+: broken YAML: maps and lists are nested too deeply$/,
    },
  ]
  for (const { name, text, expected } of cases) {
    it(`parseSourceFile() tells ${name}, once and at its place`, () => {
      const [first, ...others] = problemsOf(text)
      if (typeof expected === 'string') assert.equal(first, expected)
      else assert.match(first ?? '', expected)
      assert.deepEqual(others, [])
    })
  }

  it('parseSourceFile() takes maps and lists that are nested as deeply as anyone could mean', () => {
    const source = parse(`a: ${'[{b: '.repeat(50)}1${'}]'.repeat(50)}`)
    assert.deepEqual(source.problems, [])
  })

  it('parseSourceFile() tells brackets without end that come from the environment', () => {
    const { problems } = parse('a:\n  b: ${DEEP}', { DEEP: '['.repeat(20_000) })
    assert.deepEqual(problems.map(formatProblem), ['f.yaml:2:6: broken YAML: maps and lists are nested too deeply'])
  })

  it('parseSourceFile() stops a bomb of aliases', () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) => `a${level + 1}: &a${level + 1} [${`*a${level},`.repeat(9)}]`,
    )
    const source = parse(['a0: &a0 [x]', ...levels].join('\n'))
    assert.equal(source.value, undefined)
    assert.match(source.problems.map(formatProblem).join(), /Excessive alias count/)
  })

  it('parseSourceFile() warns of an unknown tag and goes on', () => {
    const source = parse('a: !foo 1')
    assert.deepEqual(
      source.problems.map(({ severity }) => severity),
      ['warning'],
    )
    assert.notEqual(source.value, undefined)
  })

  it('parseSourceFile() tells every duplicate key and every missing variable', () => {
    assert.equal(problemsOf('a: 1\na: ${X}\nb: ${Y}\nb: 2').length, 4)
  })
})

describe('SourceFile.locate()', () => {
  const text = ['x: &x', '  port: 1', 'web:', '  <<: *x', '  list:', '    - name: ${A}', '  empty:', '  self: *x'].join(
    '\n',
  )
  const cases = [
    { path: ['web'], key: '3:1', value: '3:1' },
    { path: ['web', 'port'], key: '2:3', value: '2:9' },
    { path: ['web', 'list'], key: '5:3', value: '5:3' },
    { path: ['web', 'list', 0], key: '6:7', value: '6:7' },
    { path: ['web', 'list', 0, 'name'], key: '6:7', value: '6:13' },
    { path: ['web', 'empty'], key: '7:3', value: '7:3' },
    { path: ['web', 'self', 'port'], key: '2:3', value: '2:9' },
    { path: ['web', 'gone', 'deep'], key: '3:1', value: '3:1' },
    { path: ['gone'], key: '1:1', value: '1:1' },
  ] as const
  for (const { path, key, value } of cases) {
    it(`locate() finds ${path.join('.')}, or what is nearest to it`, () => {
      const place = parse(text, { A: 'n' }).locate(path)
      assert.equal(`${place.key.line}:${place.key.column}`, key)
      assert.equal(`${place.value.line}:${place.value.column}`, value)
    })
  }

  it('locate() says which expression a value came from, and what it gave', () => {
    const { environment } = parse(text, { A: 'n' }).locate(['web', 'list', 0, 'name'])
    assert.deepEqual(environment, { source: '${A}', text: 'n' })
  })

  it('keys() keeps the order of the file where plain data does not, with what is merged in', () => {
    assert.deepEqual(parse('a: &a {z: 1, 5: 2}\nb:\n  80: x\n  <<: *a\n  7: y').keys(['b']), ['80', '7', 'z', '5'])
  })
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions are what is tested

describe('parseSourceFile()', () => {
  it('parseSourceFile() throws for no text at all, and always has either a value or an error', () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        'b: ',
        '- ',
        '[',
        ']',
        '{',
        '}',
        '"',
        "'",
        '\n',
        '\n  ',
        '\t',
        ': ',
        '? ',
        '&a ',
        '*a',
        '<<: ',
        '!!set ',
        '!t ',
      ],
      ...[
        '|\n',
        '>-\n',
        '#',
        '%YAML 1.1\n',
        '---\n',
        '...\n',
        '$'.concat('{A}'),
        '$'.concat('{'),
        '<%= ',
        "ENV['A'] %>",
        '\0',
        '\uFDD0',
        '0x1f',
        '~',
      ],
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
    )
    fc.assert(
      fc.property(text, (content) => {
        const source = parse(content, { A: '[1]' })
        const isBroken = source.problems.some(({ severity }) => severity === 'error')
        assert.ok(source.value !== undefined || isBroken)
        for (const key of source.keys([])) source.locate([key, 0, 'x'])
      }),
      { numRuns: 2000 },
    )
  })
})

describe('SourceFile.locate().written', () => {
  it('is the text of a value as it is written, without quotes, and none of a map or list', () => {
    const { locate } = parse('a: 1.10\nb: "1.10"\nc: ${A}0\nd: [1e3]\ne: &x 0x1f\nf: *x\n', { A: '2.' })
    const written = (...path: (string | number)[]) => locate(path).written
    assert.deepEqual(
      [written('a'), written('b'), written('c'), written('d'), written('d', 0), written('f')],
      ['1.10', '1.10', '2.0', undefined, '1e3', '0x1f'],
    )
  })
})
