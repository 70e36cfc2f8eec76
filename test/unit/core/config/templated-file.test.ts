import assert from 'node:assert/strict'
import { parseTemplatedFile } from '../../../../src/core/config/templated-file.ts'

describe('parseTemplatedFile()', () => {
  const read = (text: string, environment: Readonly<Record<string, string>>) =>
    parseTemplatedFile('n.yaml', text, environment)
  const messages = (text: string, environment: Readonly<Record<string, string>>) =>
    read(text, environment).problems.map(({ file, position, message }) => {
      return `${file}:${position?.line}:${position?.column}: ${message}`
    })

  it('writes variables out twice: what a variable holds may hold a variable, and no more', () => {
    const environment = { ONE: '{{ .TWO }}', TWO: '{{ .THREE }}', THREE: 'end' }
    assert.deepEqual(read('a: {{ .TWO }}', environment).value, { a: 'end' })
    assert.deepEqual(read('a: "{{ .ONE }}"', environment).value, { a: '{{ .THREE }}' })
  })

  it('takes a file that is nothing but one variable for the text of that variable, which is the first time', () => {
    const environment = { ALL: 'a: "{{ .ONE }}"', ONE: '{{ .TWO }}', TWO: 'end' }
    assert.deepEqual(read('{{ .ALL }}', environment).value, { a: '{{ .TWO }}' })
  })

  it('tells the place of a mistake in the template, also behind what grew, and of the second time', () => {
    const environment = { LONG: 'x'.repeat(50), NESTED: '{{ .MISSING }}', ALL: 'a: 1\nb: [' }
    assert.match(messages('a: {{ .LONG }} {{ .MISSING }}', environment).join(), /^n\.yaml:1:16: /)
    assert.match(messages('a: {{ .LONG }}\nb: {{ .LONG }} {{ .NESTED }}', environment).join(), /^n\.yaml:2:16: /)
    assert.match(messages('a: {{ .LONG }}\nb: [', environment).join(), /^n\.yaml:2:/)
    assert.match(messages('{{ .ALL }}', environment).join(), /^n\.yaml \{\{ \.ALL \}\}:2:/)
  })
})
