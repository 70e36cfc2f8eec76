import assert from 'node:assert/strict'
import { expandGoTemplate, onlyVariable } from '../../../../src/core/config/go-template.ts'

const environment = { HOST: 'db1', EMPTY: '', REGION: 'eu' }
const expand = (template: string) => {
  const { text, problems } = expandGoTemplate(template, environment)
  return problems.length === 0 ? text : problems.map(({ offset, message }) => `${offset}: ${message}`).join('\n')
}

describe('expandGoTemplate()', () => {
  const cases = [
    { template: 'no action', expected: 'no action' },
    { template: 'a {{ .HOST }} b {{.HOST}}', expected: 'a db1 b db1' },
    { template: '{{ .EMPTY }}', expected: '' },
    { template: 'a\n  {{- .HOST -}}  \nb', expected: 'adb1b' },
    { template: '{{/* a }} comment */}}x', expected: 'x' },
    { template: '{{ "{{ .HOST }}" }} {{ `a"b` }}', expected: '{{ .HOST }} a"b' },
    { template: '{{ if .EMPTY }}a{{ else }}b{{ end }}', expected: 'b' },
    { template: '{{ if .HOST }}a{{ if .NONE }}b{{ end }}{{ else }}{{ .NONE }}{{ end }}', expected: 'a' },
    { template: '{{ if eq .REGION "us" }}1{{ else if eq .REGION "fr" "eu" }}2{{ else }}3{{ end }}', expected: '2' },
    { template: '{{ or .NONE .EMPTY "c" }} {{ and .HOST .REGION }}', expected: 'c eu' },
    { template: '{{ if and (not .NONE) (ne .HOST "x") }}yes{{ end }}', expected: 'yes' },
    {
      template: '{{ index . "HOST" }} {{ .HOST | printf "%s-%s" .REGION }} {{ print .HOST "/1" }}',
      expected: 'db1 eu-db1 db1/1',
    },
    { template: 'a: {{ .NONE }}', expected: '3: the environment variable NONE is not set' },
    { template: '{{ printf "%s" .NONE }}', expected: '0: the environment variable NONE is not set' },
    {
      template: '{{ range .HOST }}',
      expected: '0: cannot run range; known are .NAME, if, else, end, or, and, not, eq, ne, index, print and printf',
    },
    { template: '{{ .HOST .REGION }}', expected: '0: cannot read {{ .HOST .REGION }}; allowed is {{ .NAME }}' },
    { template: '{{ $x }}', expected: '0: cannot read {{ $x }}; allowed is {{ .NAME }}' },
    { template: 'x {{ .HOST', expected: '2: a {{ that is not closed' },
    { template: '{{ if .HOST }}', expected: '0: this {{ if }} has no {{ end }}' },
    { template: '{{ end }}', expected: '0: {{ end }} without an {{ if }}' },
    { template: '{{ if .HOST }}{{ else }}{{ else }}{{ end }}', expected: '24: a second {{ else }} of one {{ if }}' },
  ]
  for (const { template, expected } of cases) {
    it(`makes ${JSON.stringify(expected)} of ${JSON.stringify(template)}`, () =>
      assert.equal(expand(template), expected))
  }

  it('leaves what is kept for a later reader, unless there is such a variable', () => {
    const { text, problems } = expandGoTemplate('{{ .User }} {{ .HOST }}', environment, ['User', 'HOST'])
    assert.deepEqual([text, problems.length], ['{{.User}} db1', 0])
  })

  it('tells every mistake of a template', () => {
    assert.equal(expandGoTemplate('{{ .A }} {{ .B }}', {}).problems.length, 2)
  })

  it('knows where each character comes from', () => {
    const { text, originOf } = expandGoTemplate('ab{{ .HOST }}cd', environment)
    assert.equal(text, 'abdb1cd')
    assert.deepEqual(
      [...text].map((_, offset) => originOf(offset)),
      [0, 1, 2, 2, 2, 13, 14],
    )
  })
})

describe('onlyVariable()', () => {
  it('names the variable that is the whole template', () => {
    assert.equal(onlyVariable('\n{{ .NERVE_CONF }}\n'), 'NERVE_CONF')
    assert.equal(onlyVariable('a: {{ .NERVE_CONF }}'), undefined)
    assert.equal(onlyVariable('{{ .A }}{{ .B }}'), undefined)
  })
})
