import assert from 'node:assert/strict'
import fc from 'fast-check'
import { evaluate, mask, unmask } from '../../../../src/core/config/environment.ts'

/** What a text becomes, with `?` for each expression without a value. */
function render(text: string, environment: Readonly<Record<string, string>>): string {
  const masked = mask(text)
  return unmask(masked.text, masked.expressions, (expression) => {
    const result = evaluate(expression, environment)
    return result.ok ? result.value : `?${result.reason}`
  })
}

describe('environment expressions', () => {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: that is what is tested
  const cases = [
    { name: 'a variable', text: 'a${A}b', expected: 'axb' },
    { name: 'a default that is not needed', text: '${A:-d}', expected: 'x' },
    { name: 'a default for a missing variable', text: '${NO:-d e}', expected: 'd e' },
    { name: 'a default for an empty variable, as in a shell', text: '${EMPTY:-d}', expected: 'd' },
    { name: 'an empty default', text: '${NO:-}', expected: '' },
    { name: 'an empty variable', text: '[${EMPTY}]', expected: '[]' },
    { name: 'the escape', text: '$${A} ${A}', expected: '${A} x' },
    { name: 'a dollar alone', text: '$A $', expected: '$A $' },
    { name: 'neighbours', text: '${A}${A}$${', expected: 'xx${' },
    { name: 'ERB with single quotes', text: "<%= ENV['A'] %>", expected: 'x' },
    { name: 'ERB with double quotes and no blanks', text: '<%=ENV["A"]%>', expected: 'x' },
    { name: 'ERB with a trim mark', text: "<%= ENV['A'] -%>", expected: 'x' },
    { name: 'ERB with ||', text: "<%= ENV['NO'] || 'd' %>", expected: 'd' },
    { name: 'ERB fetch', text: "<%= ENV.fetch('A') %>", expected: 'x' },
    { name: 'ERB fetch with a default', text: '<%= ENV.fetch("NO", "d") %>', expected: 'd' },
    {
      name: 'ERB fetch of an empty variable, which Ruby takes',
      text: "[<%= ENV.fetch('EMPTY', 'd') %>]",
      expected: '[]',
    },
    { name: 'an ERB comment', text: 'a<%# note %>b', expected: 'ab' },
  ]
  for (const { name, text, expected } of cases) {
    it(`mask() and evaluate() read ${name}`, () => assert.equal(render(text, { A: 'x', EMPTY: '' }), expected))
  }

  const mistakes = [
    { text: '${NO}', expected: /the environment variable NO is not set/ },
    { text: "<%= ENV['NO'] %>", expected: /the environment variable NO is not set/ },
    { text: '${A B}', expected: /cannot read \$\{A B\}/ },
    { text: '${}', expected: /cannot read \$\{\}/ },
    { text: '<%= `rm -rf /` %>', expected: /cannot run the Ruby/ },
    { text: "<%= ENV['A'].to_i %>", expected: /cannot run the Ruby/ },
    { text: '<% if true %>', expected: /cannot run the Ruby/ },
    { text: '<%= ENV["#{x}"] %>', expected: /cannot run the Ruby/ },
  ]
  for (const { text, expected } of mistakes) {
    it(`evaluate() refuses ${text}`, () => assert.match(render(text, { A: 'x' }), expected))
  }
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: that is what is tested

  it('mask() keeps every offset, and unmask() gives back the text', () => {
    const piece = fc.constantFrom('${', '$${', '}', 'A', ':-', '<%=', "ENV['A']", '%>', '"', '\n', ' ', '[', '#')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join('')
        const masked = mask(text)
        assert.equal(masked.text.length, text.length)
        assert.equal(masked.text.split('\n').length, text.split('\n').length)
        assert.equal(unmask(masked.text, masked.expressions), text)
      }),
    )
  })

  it('mask() tells ten thousand expressions apart', () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `V${index}`)
    const text = names.map((name) => `\${${name}:-${name}}`).join(' ')
    assert.equal(render(text, {}), names.join(' '))
  })
})
