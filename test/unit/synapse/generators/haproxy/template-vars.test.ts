import assert from 'node:assert/strict'
import { expandVars } from '../../../../../src/synapse/generators/haproxy/template-vars.ts'

describe('expandVars()', () => {
  const vars = { name: 'web_h:80', host: 'h', port: 80 }
  const cases = [
    { text: 'check', expanded: 'check' },
    { text: 'cookie %{name} addr %{host} port %{port}', expanded: 'cookie web_h:80 addr h port 80' },
    { text: '100%% %%{host}', expanded: '100% %{host}' },
    { text: '50% %{other} %s %', expanded: '50% %{other} %s %' },
    { text: '%%%{port}%%', expanded: '%80%' },
  ]
  for (const { text, expanded } of cases) {
    it(`makes "${expanded}" of "${text}"`, () => assert.equal(expandVars(text, vars), expanded))
  }

  it('does not expand what a value brings', () => {
    assert.equal(expandVars('%{name}', { ...vars, name: '%{host}$&' }), '%{host}$&')
  })
})
