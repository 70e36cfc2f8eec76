import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ServiceInstance } from '../../../../../src/core/service-instance.ts'
import { formatCommand } from '../../../../../src/synapse/generators/haproxy/commands.ts'
import { planDeletions, updateTombstones } from '../../../../../src/synapse/generators/haproxy/deletions.ts'
import type { DesiredState, HaproxyPlan } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { planHaproxy } from '../../../../../src/synapse/generators/haproxy/plan.ts'
import {
  applyToModel,
  desired,
  type HaproxyModel,
  haproxyService,
  instance,
  startedWith,
} from '../../../../harness/haproxy-model.ts'

const a = instance('10.0.0.1', 80, { name: 'a' })
const b = instance('10.0.0.2', 80, { name: 'b' })

function web(instances: readonly ServiceInstance[], options: object = {}, version = '2.6.12'): DesiredState {
  return desired([haproxyService('web', { port: 1, ...options }, instances)], { version }).state
}

function plan(state: DesiredState, { observed, known }: HaproxyModel): HaproxyPlan {
  return planHaproxy(state, observed, { known })
}

const commands = ({ commands: list }: HaproxyPlan) =>
  list.map((command) => formatCommand(command).replace(/ id \d+.*/, ' ...'))

describe('planHaproxy()', () => {
  it('is empty when HAProxy is as desired', () => {
    const state = web([a, b], { server_options: 'check' })
    assert.deepEqual(plan(state, startedWith(state)), { commands: [], writeConfig: undefined, reloadReasons: [] })
  })

  it('adds a server, without a reload', () => {
    const state = web([a, b])
    const next = plan(state, startedWith(web([a])))
    assert.deepEqual(commands(next), [
      'add server web/b_10.0.0.2:80 10.0.0.2:80 ...',
      'set server web/b_10.0.0.2:80 state ready',
    ])
    assert.deepEqual(next.reloadReasons, [])
    assert.equal(next.writeConfig, state.configText)
  })

  it('adds the first server of a backend that HAProxy does not report, because it is empty', () => {
    const model = startedWith(web([]))
    const empty = { ...model, observed: { ...model.observed, backends: new Map() } }
    assert.equal(commands(plan(web([a]), empty)).length, 2)
  })

  it('enables the checks of an added server before it gets traffic', () => {
    const next = plan(web([a], { server_options: 'check' }), startedWith(web([], { server_options: 'check' })))
    assert.deepEqual(commands(next), [
      'add server web/a_10.0.0.1:80 10.0.0.1:80 ...',
      'enable health web/a_10.0.0.1:80',
      'set server web/a_10.0.0.1:80 state ready',
    ])
  })

  it('leaves an added server that asks for it in maintenance', () => {
    const next = plan(web([{ ...a, haproxyServerOptions: 'disabled' }]), startedWith(web([])))
    assert.deepEqual(commands(next), ['add server web/a_10.0.0.1:80 10.0.0.1:80 ...'])
  })

  it('takes a server out without deleting it, after others came in', () => {
    const next = plan(web([b]), startedWith(web([a])))
    assert.deepEqual(commands(next), [
      'add server web/b_10.0.0.2:80 10.0.0.2:80 ...',
      'set server web/b_10.0.0.2:80 state ready',
      'set server web/a_10.0.0.1:80 state maint',
    ])
    assert.deepEqual(next.reloadReasons, [])
  })

  it('only makes a returning server ready', () => {
    const gone = web([])
    const model = startedWith(web([a]))
    const tombstone = applyToModel(model, plan(gone, model), gone)
    assert.deepEqual(commands(plan(web([a]), tombstone)), ['set server web/a_10.0.0.1:80 state ready'])
  })

  it('changes a weight without a reload', () => {
    const weighted = (weight: number) => web([{ ...a, weight }], { use_nerve_weights: true })
    const next = plan(weighted(9), startedWith(weighted(1)))
    assert.deepEqual(commands(next), ['set server web/a_10.0.0.1:80 weight 9'])
    assert.deepEqual(next.reloadReasons, [])
  })

  it('drains and un-drains without a reload', () => {
    const state = web([a])
    const backend = state.backends.get('web')
    assert.ok(backend)
    const draining: DesiredState = {
      ...state,
      backends: new Map([
        ['web', { ...backend, servers: backend.servers.map((s) => ({ ...s, adminState: 'drain' as const })) }],
      ]),
    }
    const next = plan(draining, startedWith(state))
    assert.deepEqual(commands(next), ['set server web/a_10.0.0.1:80 state drain'])
    assert.deepEqual(commands(plan(state, applyToModel(startedWith(state), next, draining))), [
      'set server web/a_10.0.0.1:80 state ready',
    ])
  })

  it('drains under a static algorithm without asking for a reload that would change nothing', () => {
    const state = web([a], { backend: 'balance static-rr' })
    const backend = state.backends.get('web')
    assert.ok(backend)
    const servers = backend.servers.map((server) => ({ ...server, adminState: 'drain' as const }))
    const draining: DesiredState = { ...state, backends: new Map([['web', { ...backend, servers }]]) }
    const next = plan(draining, startedWith(draining))
    assert.deepEqual(next.reloadReasons, [])
    assert.deepEqual(commands(next), ['set server web/a_10.0.0.1:80 state drain'])
  })

  it('repairs what somebody else changed', () => {
    const state = web([a], { server_options: 'check' })
    const model = startedWith(state)
    const [server] = model.observed.backends.get('web') ?? []
    assert.ok(server)
    const drifted = { ...server, weight: 3, adminState: 'drain' as const, checking: false }
    const observed = { ...model.observed, backends: new Map([['web', [drifted]]]) }
    assert.deepEqual(commands(plan(state, { ...model, observed })), [
      'set server web/a_10.0.0.1:80 weight 1',
      'enable health web/a_10.0.0.1:80',
      'set server web/a_10.0.0.1:80 state ready',
    ])
  })

  it('leaves weight and state to an agent on the server, but not what synapse itself said', () => {
    const options = { server_options: 'agent-check agent-port 9' }
    const state = web([a], options)
    const model = startedWith(state)
    const [server] = model.observed.backends.get('web') ?? []
    assert.ok(server)
    const byAgent = { ...server, weight: 3, adminState: 'drain' as const }
    const observed = { ...model.observed, backends: new Map([['web', [byAgent]]]) }
    assert.deepEqual(plan(state, { ...model, observed }).commands, [])
    const gone = applyToModel(model, plan(web([], options), model), web([], options))
    assert.deepEqual(commands(plan(state, gone)), ['set server web/a_10.0.0.1:80 state ready'])
  })

  it('never touches servers of the user, nor sections that are not ours', () => {
    const state = web([], { backend: ['server mine 127.0.0.1:9'] })
    const model = startedWith(state)
    const foreign = {
      name: 'mine',
      address: '127.0.0.1',
      port: 9,
      id: 1,
      weight: 1,
      adminState: 'ready' as const,
      checking: false,
    }
    const observed = {
      ...model.observed,
      backends: new Map([
        ['web', [foreign]],
        ['theirs', [{ ...foreign, name: 'x' }]],
      ]),
    }
    assert.deepEqual(plan(state, { ...model, observed }), { commands: [], writeConfig: undefined, reloadReasons: [] })
  })

  const reloads: { name: string; from: DesiredState; to: DesiredState; reasons: RegExp[] }[] = [
    {
      name: 'another port of a service',
      from: web([a]),
      to: web([a], { port: 2 }),
      reasons: [/^service web: bind changed from "localhost:1" to "localhost:2"$/],
    },
    { name: 'a new service', from: desired([]).state, to: web([a]), reasons: [/^service web is new$/] },
    {
      name: 'a service that is gone',
      from: web([a]),
      to: desired([]).state,
      reasons: [/^section "frontend web" is gone$/, /^section "backend web" is gone$/],
    },
    {
      name: 'other options of a server that is there',
      from: web([a]),
      to: web([{ ...a, haproxyServerOptions: 'backup' }]),
      reasons: [/^service web: server a_10\.0\.0\.1:80 with options that changed from ".*" to "backup .*"$/],
    },
    {
      name: 'another id',
      from: web([a]),
      to: web([{ ...a, haproxyServerId: 5 }]),
      reasons: [/^service web: server a_10\.0\.0\.1:80 with the id \d+ instead of 5$/],
    },
    {
      name: 'new servers of a backend with a static algorithm',
      from: web([a], { backend: 'balance static-rr' }),
      to: web([a, b, ...[3, 4, 5].map((n) => instance(`10.0.0.${n}`, 80))], {
        backend: 'balance static-rr',
        backend_order: 'asc',
      }),
      reasons: [
        /^service web: servers 10\.0\.0\.3:80, 10\.0\.0\.4:80, 10\.0\.0\.5:80 and 1 more new: "balance static-rr" cannot take servers at run time$/,
      ],
    },
    {
      name: 'a new server with a cookie on 2.6',
      from: web([a], { backend: 'cookie S insert' }),
      to: web([a, b], { backend: 'cookie S insert' }),
      reasons: [
        /^service web: server b_10\.0\.0\.2:80 new: HAProxy 2\.6\.12 cannot give an added server its cookie; from 3\.0 it can$/,
      ],
    },
    {
      name: 'a new server with a host name',
      from: web([a]),
      to: web([a, instance('db.example.com', 80)]),
      reasons: [
        /^service web: server db\.example\.com:80 new: db\.example\.com is a host name, which HAProxy resolves at a reload$/,
      ],
    },
    {
      name: 'a new weight under a static algorithm',
      from: web([a], { backend: 'balance static-rr' }),
      to: web([{ ...a, haproxyServerOptions: 'weight 4' }], { backend: 'balance static-rr' }),
      reasons: [/^service web: server a_10\.0\.0\.1:80 with the weight 1 instead of 4: "balance static-rr" cannot/],
    },
  ]
  for (const { name, from, to, reasons } of reloads) {
    it(`reloads for ${name}, and says so`, () => {
      const model = startedWith(from)
      const next = plan(to, model)
      assert.equal(next.reloadReasons.length, reasons.length, next.reloadReasons.join('\n'))
      for (const [index, reason] of reasons.entries()) assert.match(next.reloadReasons[index] ?? '', reason)
      assert.deepEqual(plan(to, applyToModel(model, next, to)), {
        commands: [],
        writeConfig: undefined,
        reloadReasons: [],
      })
    })
  }

  it('gives a server with a cookie to HAProxy 3.0 without a reload', () => {
    const options = { backend: 'cookie S insert' }
    const next = plan(web([a, b], options, '3.0.11'), startedWith(web([a], options, '3.0.11')))
    assert.match(
      next.commands.map(formatCommand).join(),
      /^add server web\/b_10\.0\.0\.2:80 .* cookie b_10\.0\.0\.2:80 /,
    )
    assert.deepEqual(next.reloadReasons, [])
  })

  for (const balance of ['balance static-rr', 'balance source', 'cookie S insert']) {
    it(`takes servers out of a backend with "${balance}" without a reload`, () => {
      const next = plan(web([a], { backend: balance }), startedWith(web([a, b], { backend: balance })))
      assert.deepEqual(commands(next), ['set server web/b_10.0.0.2:80 state maint'])
      assert.deepEqual(next.reloadReasons, [])
    })
  }

  it('does at run time what it can, also when a reload is due', () => {
    const next = plan(web([a, b], { port: 2 }), startedWith(web([a])))
    assert.equal(next.commands.length, 2)
    assert.equal(next.reloadReasons.length, 1)
  })

  it('gives a returning server no traffic before it has its new options', () => {
    const model = startedWith(web([a]))
    const gone = web([])
    const tombstone = applyToModel(model, plan(gone, model), gone)
    const next = plan(web([{ ...a, haproxyServerOptions: 'send-proxy' }]), tombstone)
    assert.deepEqual(next.commands, [])
    assert.match(next.reloadReasons.join(), /with options that changed/)
  })

  it('reloads instead of taking an id that is in use', () => {
    const state = web([{ ...a, haproxyServerId: 5 }])
    const model = startedWith(web([]))
    const other = {
      name: 'old',
      address: '1.1.1.1',
      port: 1,
      id: 5,
      weight: 1,
      adminState: 'maint' as const,
      checking: false,
    }
    const next = plan(state, { ...model, observed: { ...model.observed, backends: new Map([['web', [other]]]) } })
    assert.deepEqual(next.commands, [])
    assert.match(next.reloadReasons.join(), /new: its id 5 is still that of old/)
  })

  it('asks for a reload when no HAProxy runs or nobody knows what with', () => {
    const state = web([a])
    const { observed, known } = startedWith(state)
    assert.deepEqual(plan(state, { observed: { ...observed, pid: undefined }, known }).reloadReasons, [
      'no HAProxy is running',
    ])
    assert.deepEqual(plan(state, { observed: { ...observed, structure: undefined }, known }).reloadReasons, [
      'it is not known what the running HAProxy was started with',
    ])
  })

  it('plans nothing for what is done, through any history (property)', () => {
    fc.assert(
      fc.property(fc.array(worlds, { minLength: 1, maxLength: 8 }), (history) => {
        let model = startedWith(desired([]).state)
        let tombstones: ReturnType<typeof updateTombstones> = []
        for (const [now, world] of history.entries()) {
          const { state } = desired(world, { running: model.observed.backends, options: { max_server_id: 60 } })
          model = applyToModel(model, plan(state, model), state)
          assert.deepEqual(plan(state, model), { commands: [], writeConfig: undefined, reloadReasons: [] })
          tombstones = updateTombstones(tombstones, { desired: state, observed: model.observed, now, deleteDelayMs: 2 })
          const deletions = { commands: planDeletions(tombstones, now), writeConfig: undefined, reloadReasons: [] }
          model = applyToModel(model, deletions, state)
          assert.deepEqual(plan(state, model), { commands: [], writeConfig: undefined, reloadReasons: [] })
        }
      }),
      { numRuns: 300 },
    )
  })
})

const instances = fc.array(
  fc.record({
    name: fc.constantFrom('', 'a', 'b'),
    host: fc.constantFrom('10.0.0.1', '10.0.0.2', '::1', 'db.example.com'),
    port: fc.constantFrom(80, 81),
    weight: fc.nat(300),
    haproxyServerOptions: fc.constantFrom('', 'backup', 'check inter 1s', 'disabled', 'id 3', 'weight 4'),
  }),
  { maxLength: 8 },
)

/** A few services with a few instances each; small id ranges make ids collide. */
const worlds = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('web', 'api', 'db'),
      instances,
      options: fc.record({
        use_nerve_weights: fc.boolean(),
        server_options: fc.constantFrom('', 'check', 'check fall 9'),
        backend: fc.constantFrom([], ['balance static-rr'], ['cookie S insert'], ['server mine 127.0.0.1:9 id 3']),
        disabled: fc.boolean(),
      }),
    }),
    { selector: ({ name }) => name, maxLength: 3 },
  )
  .map((services) => services.map(({ name, options, instances: list }) => haproxyService(name, options, list)))

describe('planHaproxy() for a changed address', () => {
  const at = (name: string, address: string) => instance('web.example', 80, { name, address })
  const planFor = (before: ReturnType<typeof at>[], after: ReturnType<typeof at>[]) => {
    const model = startedWith(desired([haproxyService('web', {}, before)]).state)
    const { state } = desired([haproxyService('web', {}, after)])
    return { plan: planHaproxy(state, model.observed, { known: model.known }), model, state }
  }

  it('is done in maintenance while another server is there, and then nothing is left to do', () => {
    const { plan, model, state } = planFor(
      [at('a', '10.0.0.1'), at('b', '10.0.0.2')],
      [at('a', '10.0.0.9'), at('b', '10.0.0.2')],
    )
    assert.deepEqual(plan.commands.map(formatCommand), [
      'set server web/a_web.example:80 state maint',
      'set server web/a_web.example:80 addr 10.0.0.9 port 80',
      'set server web/a_web.example:80 state ready',
    ])
    assert.deepEqual(plan.reloadReasons, [])
    const after = applyToModel(model, plan, state)
    assert.deepEqual(planHaproxy(state, after.observed, { known: after.known }).commands, [])
  })

  it('is a reload when no other server would take the requests of that moment', () => {
    const alone = planFor([at('a', '10.0.0.1')], [at('a', '10.0.0.9')]).plan
    assert.deepEqual(alone.commands, [])
    assert.match(String(alone.reloadReasons), /with the address 10.0.0.1:80 instead of 10.0.0.9:80/)
    const both = planFor([at('a', '10.0.0.1'), at('b', '10.0.0.2')], [at('a', '10.0.0.8'), at('b', '10.0.0.9')]).plan
    assert.deepEqual(both.commands, [])
  })
})
