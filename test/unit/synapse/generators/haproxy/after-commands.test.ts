import assert from 'node:assert/strict'
import type { ServiceInstance } from '../../../../../src/core/service-instance.ts'
import { afterCommands } from '../../../../../src/synapse/generators/haproxy/after-commands.ts'
import { planHaproxy } from '../../../../../src/synapse/generators/haproxy/plan.ts'
import { applyToModel, desired, haproxyService, instance, startedWith } from '../../../../harness/haproxy-model.ts'

const web = (...instances: ServiceInstance[]) =>
  desired([haproxyService('web', { port: 80, server_options: 'check', use_nerve_weights: true }, instances)]).state
const a = instance('10.0.0.1', 80)
const b = instance('10.0.0.2', 80)

describe('afterCommands()', () => {
  const cases = [
    { name: 'a join', before: web(a), after: web(a, b) },
    { name: 'a leave', before: web(a, b), after: web(b) },
    { name: 'another weight', before: web(a, b), after: web(a, { ...b, weight: 7 }) },
    { name: 'maintenance', before: web(a, b), after: web(a, { ...b, haproxyServerOptions: 'disabled' }) },
    { name: 'one for another', before: web(a), after: web(b) },
    { name: 'nothing', before: web(a), after: web(a) },
  ]
  for (const { name, before, after } of cases) {
    it(`afterCommands() is what HAProxy is after ${name}`, () => {
      const model = startedWith(before)
      const plan = planHaproxy(after, model.observed, { known: model.known })
      assert.deepEqual(plan.reloadReasons, [])
      assert.equal(plan.commands.length > 0, name !== 'nothing')
      const expected = applyToModel(model, plan, after).observed.backends.get('web')
      assert.deepEqual(afterCommands(model.observed.backends.get('web') ?? [], plan.commands), expected)
    })
  }

  it('afterCommands() knows a move, a deletion, and a server that comes back under its name', () => {
    const [first] = startedWith(web(a)).observed.backends.get('web') ?? []
    const [server] = web(b).backends.get('web')?.servers ?? []
    assert.ok(first !== undefined && server !== undefined, 'the model has servers')
    const backend = 'web'
    const { name } = first
    const moved = afterCommands([first], [{ kind: 'set-address', backend, name, host: '10.0.0.9', port: 81 }])
    assert.deepEqual(moved, [{ ...first, address: '10.0.0.9', port: 81 }])
    assert.deepEqual(afterCommands([first], [{ kind: 'del-server', backend, name }]), [])
    const again = { ...server, name }
    const commands = [
      { kind: 'del-server', backend, name },
      { kind: 'add-server', backend, server: again },
    ] as const
    const [now] = afterCommands([first], commands)
    assert.deepEqual(now, {
      name,
      address: again.host,
      port: again.port,
      id: again.id,
      weight: again.weight,
      adminState: 'maint',
      checking: false,
    })
  })
})
