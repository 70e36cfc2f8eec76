import assert from 'node:assert/strict'
import { formatPlan, type PlanFindings, planToJson } from '../../../src/cli/plan-report.ts'
import { createStyle } from '../../../src/cli/style.ts'
import type { HaproxyPlan, RuntimeCommand } from '../../../src/synapse/generators/haproxy/model.ts'

const options = { width: 80, style: createStyle(false), all: false }
const nothing: HaproxyPlan = { commands: [], writeConfig: undefined, reloadReasons: [] }
const maint = (name: string): RuntimeCommand => ({ kind: 'set-state', backend: 'web', name, state: 'maint' })
const file = {
  path: '/run/haproxy.cfg',
  before: 'backend web\n\tmode http\n',
  after: 'backend web\n\tmode http\n',
  refusal: undefined,
}

function findings(
  plan: Partial<HaproxyPlan>,
  more: Partial<PlanFindings['run']> = {},
  rest: Partial<PlanFindings> = {},
): PlanFindings {
  const workers = [{ socket: '/run/haproxy.sock', pid: 7, plan: { ...nothing, ...plan } }]
  return {
    services: [
      {
        name: 'web',
        options: {} as PlanFindings['services'][number]['options'],
        backends: { source: 'previous', instances: [{ name: 'a', host: '10.0.0.1', port: 80 }] },
      },
    ],
    from: 'memory',
    run: { version: '2.6.12', workers, file, warnings: [], ...more },
    warnings: [],
    troubles: [],
    ...rest,
  }
}

describe('formatPlan()', () => {
  it('says that there is nothing to do', () => {
    assert.deepEqual(formatPlan(findings({}), options), [
      'Instances  as remembered on disk',
      '  SERVICE  COUNT  FROM',
      '  web          1  previous',
      '',
      'HAProxy  /run/haproxy.sock, 2.6.12, pid 7',
      '  No command.',
      '',
      'File  /run/haproxy.cfg',
      '  It stays as it is.',
      '',
      'Nothing to do: HAProxy is as it should be.',
    ])
  })

  it('shows commands, reasons, the changed lines and what is wrong', () => {
    const changed = { ...file, after: 'backend web\n\tmode tcp\n', refusal: 'unknown word' }
    const plan = { commands: [maint('a')], reloadReasons: ['service web: mode changed'] }
    const found = findings(
      plan,
      { file: changed, warnings: [{ service: 'web', kind: 'line', message: 'one' }] },
      { warnings: ['two'], troubles: ['three'] },
    )
    assert.deepEqual(formatPlan(found, options).slice(4), [
      'HAProxy  /run/haproxy.sock, 2.6.12, pid 7',
      '  set server web/a state maint',
      '  reload: service web: mode changed',
      '',
      'File  /run/haproxy.cfg',
      '    backend web',
      '  -   mode http',
      '  +   mode tcp',
      '  HAProxy refuses it: unknown word',
      '',
      'Warnings',
      '  - service web: one',
      '  - two',
      '',
      'Needs a hand',
      '  - three',
      '',
      'synapse would do this: 1 command, a changed file, a reload. Nothing was changed now.',
    ])
  })

  it('shows the first of many commands, or with all every one', () => {
    const found = findings({ commands: Array.from({ length: 35 }, (_, index) => maint(`s${index}`)) })
    const few = formatPlan(found, options)
    assert.ok(few.includes('  and 5 more commands; --all shows them'))
    assert.ok(!few.includes('  set server web/s34 state maint'))
    assert.ok(formatPlan(found, { ...options, all: true }).includes('  set server web/s34 state maint'))
  })

  it('says that HAProxy would be started with a new file', () => {
    const workers = [{ socket: '/s', pid: undefined, plan: { ...nothing, reloadReasons: ['no HAProxy is running'] } }]
    const lines = formatPlan(findings({}, { workers, file: { ...file, before: undefined } }), options).join('\n')
    assert.match(lines, /does not run\n {2}It would be started\.\n/)
    assert.ok(!lines.includes('reload'), 'a start is no reload')
    assert.match(lines, /It would be new\.[\s\S]*synapse would do this: a new file, a start of HAProxy\./)
  })

  it('without a stats socket says what would happen', () => {
    const lines = formatPlan(findings({}, { workers: [], file: { ...file, after: 'x\n' } }), options).join('\n')
    assert.match(lines, /do_socket is off, so nobody asks it\. It would be reloaded with the new file\./)
    assert.match(lines, /a changed file, a reload/)
  })

  it('never shows a line that may hold a password', () => {
    const after = 'userlist u\n\tuser admin insecure-password hunter2\n'
    const secret = findings({}, { file: { ...file, before: '', after } })
    for (const text of [formatPlan(secret, options).join('\n'), JSON.stringify(planToJson(secret))]) {
      assert.ok(!text.includes('hunter2'))
      assert.match(text, /user \.\.\. \(not shown: it may hold a password\)/)
    }
  })
})

describe('planToJson()', () => {
  it('has commands, reasons and changed lines without context', () => {
    const changed = { ...file, after: 'backend web\n\tmode tcp\n' }
    const json = planToJson(findings({ commands: [maint('a')], reloadReasons: ['why'] }, { file: changed }))
    assert.deepEqual(json.workers, [
      { socket: '/run/haproxy.sock', pid: 7, commands: ['set server web/a state maint'], reload_reasons: ['why'] },
    ])
    assert.deepEqual(json.file, {
      path: '/run/haproxy.cfg',
      changes: true,
      diff: ['- \tmode http', '+ \tmode tcp'],
      refusal: null,
    })
    assert.deepEqual([json.ok, json.instances_from, json.services[0]?.source], [true, 'memory', 'previous'])
  })

  it('is not ok with troubles', () => {
    assert.equal(planToJson(findings({}, {}, { troubles: ['x'] })).ok, false)
  })
})
