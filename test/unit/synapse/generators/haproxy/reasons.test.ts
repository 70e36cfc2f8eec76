import assert from 'node:assert/strict'
import type { Backend } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { structureReasons } from '../../../../../src/synapse/generators/haproxy/reasons.ts'

const backend = (name: string, service: string): Backend => ({ name, service, servers: [], reloadOnly: undefined })
const backends = new Map([
  ['web', backend('web', 'web')],
  ['custom', backend('custom', 'api')],
])

describe('structureReasons()', () => {
  const before = {
    global: 'maxconn 1',
    defaults: 'timeout client 1m',
    'listen stats': 'stats auth admin:hunter2',
    'frontend web': 'bind :1\noption httplog\ndefault_backend web',
    'backend web': 'mode http',
    'backend custom': 'balance first',
  }
  const cases: { name: string; change: Record<string, string | undefined>; reasons: string[] }[] = [
    { name: 'is empty for what is equal', change: {}, reasons: [] },
    {
      name: 'shows from and to',
      change: { 'frontend web': 'bind :2\noption httplog\ndefault_backend web' },
      reasons: ['service web: bind changed from ":1" to ":2"'],
    },
    {
      name: 'shows what was added and removed',
      change: { 'frontend web': 'bind :1\ndefault_backend web\nmaxconn 5' },
      reasons: ['service web: "option httplog" was removed, "maxconn 5" was added'],
    },
    {
      name: 'names the service of a backend that has another name',
      change: { 'backend custom': 'balance random' },
      reasons: ['service api: balance changed from "first" to "random"'],
    },
    {
      name: 'names the top level',
      change: { global: 'maxconn 2' },
      reasons: ['global: maxconn changed from "1" to "2"'],
    },
    { name: 'says once that a service is new', change: { 'backend x': '' }, reasons: ['section "backend x" is new'] },
    {
      name: 'says that a section is gone',
      change: { 'listen stats': undefined },
      reasons: ['section "listen stats" is gone'],
    },
    {
      name: 'notices another order',
      change: { 'frontend web': 'option httplog\nbind :1\ndefault_backend web' },
      reasons: ['service web: the order of its lines changed'],
    },
    {
      name: 'counts equal lines',
      change: { 'backend web': 'mode http\nmode http' },
      reasons: ['service web: "mode http" was added'],
    },
    {
      name: 'never shows a password',
      change: { 'listen stats': 'stats auth admin:hunter3' },
      reasons: ['section "listen stats": stats auth changed'],
    },
    {
      name: 'never shows an added password',
      change: { defaults: 'timeout client 1m\nhttp-request set-header Authorization x' },
      reasons: ['defaults: http-request set-header was added'],
    },
    {
      name: 'does not go on for ever',
      change: { defaults: 'a\nb\nc\nd\ne\nf' },
      reasons: [
        'defaults: "timeout client 1m" was removed, "a" was added, "b" was added, "c" was added, and 3 more changes',
      ],
    },
  ]
  for (const { name, change, reasons } of cases) {
    it(name, () => {
      const after = Object.entries({ ...before, ...change }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      )
      assert.deepEqual(structureReasons(new Map(Object.entries(before)), new Map(after), backends), reasons)
    })
  }

  it('says so when nobody knows what runs', () => {
    assert.deepEqual(structureReasons(undefined, new Map(), backends), [
      'it is not known what the running HAProxy was started with',
    ])
  })

  it('says once that a service with two sections is new', () => {
    const after = new Map([
      ['frontend web', ''],
      ['backend web', ''],
    ])
    assert.deepEqual(structureReasons(new Map(), after, backends), ['service web is new'])
  })

  it('does not mind the order of services, unless other defaults come before them', () => {
    const services = [
      ['backend web', ''],
      ['backend custom', ''],
    ] as const
    const one = (...more: (readonly [string, string])[]) => new Map([['defaults', ''] as const, ...more])
    const swapped = [...services].reverse()
    assert.deepEqual(structureReasons(one(...services), one(...swapped), backends), [])
    const own = ['defaults mine', ''] as const
    assert.deepEqual(structureReasons(one(services[0], own, services[1]), one(own, ...services), backends), [
      'the sections moved to other defaults',
    ])
  })
})
