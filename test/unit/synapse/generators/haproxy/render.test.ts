import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { compileTemplate } from '../../../../../src/synapse/generators/haproxy/render.ts'
import { desired, haproxyService, instance } from '../../../../harness/haproxy-model.ts'
import { haproxyScenarios } from '../../../../harness/haproxy-scenarios.ts'

describe('buildDesired() in golden files', () => {
  for (const scenario of haproxyScenarios()) {
    it(`writes ${scenario.name}.cfg byte for byte`, () => {
      const { state, warnings } = scenario.build()
      const reasons = [...state.backends.values()].flatMap(({ name, reloadOnly }) =>
        reloadOnly === undefined ? [] : [`# backend ${name} only by reload: ${reloadOnly}`],
      )
      const notes = warnings.map(({ service, kind, message }) => `# ${kind} of ${service}: ${message}`)
      const text = [...notes, ...reasons, state.configText].join('\n')
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(scenario.goldenFile, text)
      assert.equal(text, readFileSync(scenario.goldenFile, 'utf8'))
    })
  }
})

describe('compileTemplate()', () => {
  const view = { global: [], defaults: [], sections: [], services: [], sharedFrontend: null }

  it('ends the file with a line feed, which HAProxy insists on', () => {
    assert.equal(compileTemplate('global', 'mine')(view), 'global\n')
    assert.equal(compileTemplate('global\n', 'mine')(view), 'global\n')
  })

  it('names the template in the error of one that cannot be read', () => {
    assert.throws(() => compileTemplate('{{#each}', 'mine.hbs'), {
      code: 'HAPROXY_CONFIG',
      message: /^template mine\.hbs: /,
    })
  })

  it('fails on a name that the view does not have instead of leaving it out', () => {
    assert.throws(() => compileTemplate('{{nothing}}', 'mine.hbs')(view), {
      code: 'HAPROXY_CONFIG',
      message: /"nothing" not defined/,
    })
  })

  it('hands every server to a template of the user', () => {
    const template = compileTemplate(
      '{{#each services}}{{#each backend.servers}}{{name}} {{host}} {{port}} {{weight}}\n{{/each}}{{/each}}',
      'mine.hbs',
    )
    const web = haproxyService('web', {}, [instance('10.0.0.1', 80, { name: 'a&b' })])
    assert.equal(desired([web], { template }).state.configText, 'a_b_10.0.0.1:80 10.0.0.1 80 1\n')
  })

  it('does not escape: quotes in lines reach HAProxy as they are', () => {
    const web = haproxyService(
      'web',
      { port: 1, frontend: [`http-request deny if { path "/a&b" } !{ src '::1' }`] },
      [],
    )
    assert.match(desired([web]).state.configText, /^\thttp-request deny if \{ path "\/a&b" \} !\{ src '::1' \}$/m)
  })
})
