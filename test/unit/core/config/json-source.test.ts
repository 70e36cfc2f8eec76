import assert from 'node:assert/strict'
import { mock } from 'node:test'
import fc from 'fast-check'
import { parseConfigText } from '../../../../src/core/config/json-source.ts'
import type { ConfigPath } from '../../../../src/core/config/problems.ts'
import { parseSourceFile } from '../../../../src/core/config/source-file.ts'

const environment = { A: 'x' }

/** What a file says, in every respect. */
function all(source: ReturnType<typeof parseSourceFile>, paths: readonly ConfigPath[]) {
  const { file, value, problems, locate, keys } = source
  return { file, value, problems, places: paths.map(locate), keys: paths.map(keys) }
}

function assertSame(text: string, paths: readonly ConfigPath[] = [[], ['a'], ['a', 'b'], ['services']]): void {
  const both = [parseConfigText, parseSourceFile].map((parse) => all(parse('f.json', text, environment), paths))
  assert.deepEqual(both[0], both[1])
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions are what is tested
describe('parseConfigText()', () => {
  const cases: readonly { name: string; text: string }[] = [
    { name: 'JSON', text: '{"a": {"b": [1, -2.5e3, true, null, "x\\n\\"y\\\\"]}}' },
    { name: 'JSON over several lines', text: ' {\n  "services": {\n    "web": {}\n  },\n  "a": {}\n}\n' },
    { name: 'keys that are numbers', text: '{"services": {"web": 1, "8080": 2}, "a": 1}' },
    { name: 'a key that is given twice', text: '{"a": {"b": 1, "b": 2}}' },
    { name: 'a key that is given twice in another spelling', text: '{"a": {"b": 1, "\\u0062": 2}}' },
    { name: 'a colon in text', text: '{"a": ["b\\":", ":", "x"]}' },
    { name: 'a value from the environment', text: '{"a": "${A}", "b": "<%= ENV[\'A\'] %>"}' },
    { name: 'a merge', text: '{"a": {"<<": {"b": 1}}}' },
    { name: 'a key that is not allowed', text: '{"__proto__": {"b": 1}}' },
    { name: 'a list', text: '[1]' },
    { name: 'broken JSON', text: '{"a": 1' },
    { name: 'YAML in brackets', text: '{a: 1, b: [x, y]} # comment' },
    { name: 'YAML', text: 'a:\n  b: 1' },
    { name: 'nothing', text: '' },
    { name: 'a character that text never holds', text: '{"a": "\uFDD0"}' },
  ]
  for (const { name, text } of cases) {
    it(`parseConfigText() reads ${name} as YAML's parser does, with every place`, () => assertSame(text))
  }

  describe('with plain JSON', () => {
    afterEach(() => mock.restoreAll())

    const plain = [
      { name: 'one key', text: '{"a": 1}' },
      { name: 'an empty map', text: ' {}' },
      { name: 'maps in lists in maps', text: '{"a": [{"b": 1}, [{"b": null}], "x"], "c": {"b": {}}}' },
      { name: 'text with colons, quotes and backslashes', text: '{"a": "x: y", "b": "\\"c\\": \\\\", "d" : [":"]}' },
    ]
    for (const { name, text } of plain) {
      it(`parseConfigText() takes what JSON's own parser made of ${name}`, () => {
        const { mock: parse } = mock.method(JSON, 'parse')
        assert.equal(parseConfigText('f.json', text, environment).value, parse.calls[0]?.result)
        assertSame(text)
      })
    }

    it('parseConfigText() knows the keys of what it parsed without reading the text again', () => {
      mock.method(JSON, 'parse', () => ({ z: { y: 1, x: 2 }, list: [{ w: 1 }] }))
      const { keys } = parseConfigText('f.json', '{"a": {"b": 1, "c": 2}, "list": [{"d": 1}]}', environment)
      assert.deepEqual([keys([]), keys(['z']), keys(['list', 0])], [['z', 'list'], ['y', 'x'], ['w']])
    })
  })

  it('parseConfigText() reads any JSON as YAML does (property)', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), (value, indent) => {
        const text = JSON.stringify(value, null, indent ? 2 : 0)
        assertSame(text, [[], ...Object.keys(value).map((key) => [key])])
      }),
      { numRuns: 300 },
    )
  })
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions are what is tested
