import assert from 'node:assert/strict'
import { capabilitiesOf } from '../../../../../src/synapse/generators/haproxy/capabilities.ts'
import { haproxyOptions } from '../../../../../src/synapse/generators/haproxy/config.ts'
import { DesiredModel } from '../../../../../src/synapse/generators/haproxy/desired-model.ts'
import { compileTemplate } from '../../../../../src/synapse/generators/haproxy/render.ts'
import { builtInTemplate, desired, haproxyService, instance } from '../../../../harness/haproxy-model.ts'
import { haproxyScenarios } from '../../../../harness/haproxy-scenarios.ts'

const NAMELESS = '{{#each services}}\nbackend {{name}}\n'
const services = [
  haproxyService('web', { port: 80 }, [instance('10.0.0.1', 80), instance('10.0.0.2', 80)]),
  haproxyService('empty', { port: 81 }, []),
  haproxyService('off', { port: 82, disabled: true }, [instance('10.0.0.3', 80)]),
  haproxyService('db', { port: 83 }, [instance('10.0.0.4', 80)]),
]

describe('layOut()', () => {
  it('layOut() finds where the built-in template puts the servers', () => {
    const { layout } = desired(services)
    assert.deepEqual(
      layout?.pieces.map(({ service }) => service),
      ['web', 'empty', 'db', undefined],
    )
    assert.doesNotMatch(layout?.frame ?? 'server', /^\s*server /m)
  })

  for (const scenario of haproxyScenarios()) {
    it(`layOut() knows where the servers of the golden file ${scenario.name} are`, () => {
      assert.ok(scenario.build().layout, 'there is a layout')
    })
  }

  const OTHER_TEMPLATES = [
    { does: 'lists the servers itself', text: `${NAMELESS}{{#each backend.servers}}{{line}}\n{{/each}}{{/each}}` },
    { does: 'counts the servers', text: `${NAMELESS}# {{backend.servers.length}}\n{{backend.serverLines}}{{/each}}` },
    {
      does: 'says something else when there are no servers',
      text: `${NAMELESS}{{#if backend.serverLines}}balance first\n{{backend.serverLines}}{{/if}}{{/each}}`,
    },
  ]
  for (const { does, text } of OTHER_TEMPLATES) {
    it(`layOut() leaves a template alone that ${does}`, () => {
      const { layout, state } = desired(services, { template: compileTemplate(text, 'mine') })
      assert.equal(layout, undefined)
      assert.match(state.configText, /^backend web$/m)
    })
  }

  it('layOut() is not deceived by lines that look like its own marks', () => {
    const hostile = haproxyService('web', { port: 80, backend: ['# \uE0000\uE000'] }, [instance('10.0.0.1', 80)])
    assert.match(desired([hostile]).state.configText, /# \uE0000\uE000\n\tserver 10\.0\.0\.1:80 /)
  })
})

describe('DesiredModel', () => {
  const context = (template = builtInTemplate) => ({
    options: haproxyOptions.parse({}),
    capabilities: capabilitiesOf('2.6.12'),
    template,
    orderSeed: 0,
  })

  it('DesiredModel.render() follows the servers, byte for byte as if all was made anew', () => {
    const model = new DesiredModel()
    const same = context()
    const steps = [
      services,
      [haproxyService('web', { port: 80 }, [instance('10.0.0.2', 80)]), ...services.slice(1)],
      [
        haproxyService('web', { port: 80 }, []),
        haproxyService('empty', { port: 81 }, [instance('10.9.9.9', 80)]),
        ...services.slice(2),
      ],
    ]
    for (const step of steps) {
      model.update(step, same, new Map())
      assert.equal(model.render(new Map()).toString(), desired(step).state.configText)
      assert.equal(model.fileState.frame, desired(step).layout?.frame)
    }
  })

  it('DesiredModel.render() lets a template list the servers itself, also when there were none at first', () => {
    const template = compileTemplate(`${NAMELESS}{{#each backend.servers}}{{line}}\n{{/each}}{{/each}}`, 'mine')
    const model = new DesiredModel()
    const same = context(template)
    model.update([haproxyService('web', {}, [])], same, new Map())
    model.update([haproxyService('web', {}, [instance('10.0.0.1', 80)])], same, new Map())
    assert.match(model.render(new Map()).toString(), /^server 10\.0\.0\.1:80 /m)
  })

  it('DesiredModel.fileState has no frame while a service cannot be built, and the file is without it', () => {
    const model = new DesiredModel()
    const tight = { ...context(), options: haproxyOptions.parse({ max_server_id: 1 }) }
    model.update([haproxyService('web', {}, [instance('10.0.0.1', 80)])], tight, new Map())
    assert.ok(model.fileState.frame, 'there is a frame')
    const two = haproxyService('web', {}, [instance('10.0.0.1', 80), instance('10.0.0.2', 80)])
    model.update([two], tight, new Map())
    assert.equal(model.fileState.frame, undefined)
    assert.doesNotMatch(model.render(new Map()).toString(), /backend web/)
  })
})
