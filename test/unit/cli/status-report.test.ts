import assert from 'node:assert/strict'
import type { NerveState, SynapseState } from '../../../src/cli/daemon-state.ts'
import { nerveState, synapseState } from '../../../src/cli/daemon-state.ts'
import {
  type DaemonReport,
  formatHint,
  formatVerdict,
  reportNerve,
  reportSynapse,
} from '../../../src/cli/status-report.ts'
import { createStyle } from '../../../src/cli/style.ts'

const options = { width: 80, style: createStyle(false) }
const connected = { ensemble: 'zk1:2181,zk2:2181', session: { status: 'connected' } }
const suspended = { ensemble: 'zk1:2181', session: { status: 'suspended', reason: 'zk1:2181: cut' } }

const web = {
  name: 'web',
  host: '10.0.0.1',
  port: 80,
  status: 'up',
  reason: null,
  registered: true,
  error: null,
  availability: { manual: 'enabled' },
  reporters: [{ type: 'zookeeper', path: '/services/web/host-1_0000000001' }],
}
const down = {
  ...web,
  name: 'db',
  port: 3306,
  status: 'down',
  reason: 'http-db: refused',
  registered: false,
  reporters: [],
}

const nerve = (more: object): NerveState =>
  nerveState.parse({
    instanceId: 'host-1',
    version: '1.0',
    config: '/n.yaml',
    services: [web],
    sessions: [connected],
    ...more,
  })

const haproxy = { mode: 'managed', pid: 7, version: '2.6.12', connected: true, reloads: 1, error: null }
const instance = { name: 'host-1', host: '10.0.0.1', port: 80 }
const found = { name: 'web', source: 'discovered', discovered: true, held: 0, instances: [instance] }

const synapse = (more: object): SynapseState =>
  synapseState.parse({
    version: '1.0',
    config: '/s.yaml',
    services: [found],
    generators: { haproxy },
    sessions: [connected],
    ...more,
  })

const ofNerve = (more: object, notReady: readonly string[] = []) =>
  reportNerve({ answers: true, url: 'http://n', ready: notReady.length === 0, notReady, state: nerve(more) }, options)
const ofSynapse = (more: object, notReady: readonly string[] = []) =>
  reportSynapse(
    { answers: true, url: 'http://s', ready: notReady.length === 0, notReady, state: synapse(more) },
    options,
  )
const withHaproxy = (more: object) => ofSynapse({ generators: { haproxy: { ...haproxy, ...more } } })

describe('reportNerve()', () => {
  it('shows services and sessions, and finds nothing to do when all is well', () => {
    const { lines, problems } = ofNerve({})
    assert.deepEqual(lines, [
      'nerve host-1  http://n  ready',
      '  version   1.0',
      '  config    /n.yaml',
      '',
      '  SERVICE  ADDRESS      HEALTH  REGISTRATION',
      '  web      10.0.0.1:80  up      /services/web/host-1_0000000001',
      '',
      '  ZOOKEEPER  SESSION',
      '  zk1:2181   connected',
      '  zk2:2181',
    ])
    assert.deepEqual(problems, [])
  })

  it('says why a service is down, beside it and among the problems', () => {
    const { lines, problems } = ofNerve({ services: [web, down] })
    assert.deepEqual(lines.slice(4, 8), [
      '  SERVICE  ADDRESS        HEALTH  REGISTRATION',
      '  web      10.0.0.1:80    up      /services/web/host-1_0000000001',
      '  db       10.0.0.1:3306  down    not registered',
      '    http-db: refused',
    ])
    assert.deepEqual(problems, ['service db is down: http-db: refused'])
  })

  it('a service that somebody disabled needs no hand', () => {
    const { lines, problems } = ofNerve({ services: [{ ...down, availability: { manual: 'disabled' } }] })
    assert.match(lines.join('\n'), /db +10\.0\.0\.1:3306 +disabled/)
    assert.deepEqual(problems, [])
  })

  it('shows what is said by hand, also of services that are gone, and a drain', () => {
    const since = '2030-01-01T00:00:00.000Z'
    const entries = [
      { target: 'db', says: 'disabled', reason: 'disk', by: 'alice', since, expires_at: '2030-01-02T00:00:00.000Z' },
      { target: 'gone', says: 'weight', weight: 3, reason: '', since },
    ]
    const manual = { kept: false, entries, problem: 'cannot write /s/manual.json' }
    const draining = { since: 1, leastMs: 1, mostMs: 1 }
    const services = [
      { ...down, reason: 'Service is disabled: disk', availability: { manual: 'disabled', draining } },
      { ...web, availability: { manual: 'forced', draining: null } },
    ]
    const { lines, problems } = ofNerve({ services, manual })
    assert.deepEqual(lines.slice(5, 13), [
      '  db       10.0.0.1:3306  disabled, draining  not registered',
      '    Service is disabled: disk',
      '  web      10.0.0.1:80    forced              /services/web/host-1_0000000001',
      '',
      '  Said by hand, forgotten at a restart',
      '  TARGET  SAYS      SINCE                 UNTIL                 BY     REASON',
      '  db      disabled  2030-01-01T00:00:00Z  2030-01-02T00:00:00Z  alice  disk',
      '  gone    weight 3  2030-01-01T00:00:00Z  further notice',
    ])
    assert.deepEqual(problems, ['manual state: cannot write /s/manual.json'])
  })

  it('names sessions, refused edits and failing registrations once, though readiness says them too', () => {
    const state = { sessions: [suspended], configError: 'n.yaml:1:1 x', services: [{ ...web, error: 'no auth' }] }
    const notReady = ['service web: no auth', 'ZooKeeper zk1:2181 is suspended: zk1:2181: cut']
    assert.deepEqual(ofNerve(state, notReady).problems, [
      'the last edit of the configuration is refused:\nn.yaml:1:1 x',
      'ZooKeeper zk1:2181 is suspended: zk1:2181: cut',
      'service web: no auth',
    ])
  })

  it('says that it does not answer, and why', () => {
    const { lines, problems } = reportNerve(
      { answers: false, url: 'http://n', reason: 'nobody listens there' },
      options,
    )
    assert.deepEqual(lines, ['nerve  http://n  does not answer'])
    assert.deepEqual(problems, ['nerve does not answer at http://n: nobody listens there'])
  })
})

describe('reportSynapse()', () => {
  it('shows HAProxy, services and sessions', () => {
    const last = { at: '2026-01-02T03:04:05.000Z', reasons: ['service web is new'] }
    assert.deepEqual(withHaproxy({ last_reload: last, tombstones: 2 }).lines, [
      'synapse  http://s  ready',
      '  version   1.0',
      '  config    /s.yaml',
      '  haproxy   connected, 2.6.12, pid 7, managed, 1 reload, 2 servers in maintenance',
      '            last reload 2026-01-02T03:04:05.000Z: service web is new',
      '',
      '  SERVICE  COUNT  FROM        INSTANCES',
      '  web          1  discovered  10.0.0.1:80 host-1',
      '',
      '  ZOOKEEPER  SESSION',
      '  zk1:2181   connected',
      '  zk2:2181',
    ])
  })

  it('counts the instances that are too many to show', () => {
    const instances = Array.from({ length: 10 }, (_, index) => ({ ...instance, port: 80 + index }))
    assert.match(ofSynapse({ services: [{ ...found, instances }] }).lines.join('\n'), /:87 host-1\n +and 2 more/)
  })

  const cases = [
    { name: 'no instances', service: { source: 'none', instances: [] }, says: /web has no instances/ },
    { name: 'previous ones', service: { source: 'previous' }, says: /lists no instance; 1 previous instance kept/ },
    { name: 'a silent registry', service: { source: 'previous', discovered: false }, says: /has not answered yet/ },
    { name: 'a panic hold', service: { held: 3 }, says: /3 instances vanished at once.*panic hold/ },
  ]
  for (const { name, service, says } of cases) {
    it(`has a problem with ${name}`, () => {
      const { problems } = ofSynapse({ services: [{ ...found, ...service }] })
      assert.equal(problems.length, 1)
      assert.match(problems[0] ?? '', says)
    })
  }

  const haproxyCases = [
    { name: 'no connection', state: { connected: false }, says: /does not answer on its stats socket/ },
    { name: 'a refused file', state: { file_error: 'bad line' }, says: /last good haproxy\.cfg stays: bad line/ },
    { name: 'a failing generator', state: { error: 'no luck' }, says: /^generator haproxy: no luck/ },
    { name: 'what a reload did not settle', state: { not_settled_by_reload: ['x'] }, says: /not settled this: x/ },
    {
      name: 'a service in quarantine',
      state: { quarantined: [{ service: 'web', reason: 'unknown keyword', since: 's', meanwhile: 'left out' }] },
      says: /^service web is left out: unknown keyword/,
    },
    {
      name: 'a service left out',
      state: { warnings: [{ service: 'web', message: 'left out of HAProxy: clash' }] },
      says: /^service web is left out of HAProxy: clash/,
    },
  ]
  for (const { name, state, says } of haproxyCases) {
    it(`has a problem with ${name}`, () => {
      const { problems } = withHaproxy(state)
      assert.equal(problems.length, 1)
      assert.match(problems[0] ?? '', says)
    })
  }

  it('shows what is in quarantine, and since when', () => {
    const quarantined = [{ service: 'web', reason: 'bad', since: '2030-01-01', meanwhile: 'left out' }]
    assert.ok(
      withHaproxy({ quarantined }).lines.includes('            in quarantine: web is left out since 2030-01-01: bad'),
    )
  })

  it('shows a lesser warning and needs no hand for it', () => {
    const { lines, problems } = withHaproxy({ warnings: [{ service: 'web', message: '"x" is left out' }] })
    assert.ok(lines.includes('            warning: web: "x" is left out'))
    assert.deepEqual(problems, [])
  })
})

describe('formatVerdict()', () => {
  it('is one good line when nothing needs a hand', () => {
    assert.deepEqual(formatVerdict([ofNerve({}), ofSynapse({})], options), ['All is well.'])
  })

  it('names the daemon of each problem and wraps it', () => {
    const long = { ...down, reason: 'mysql-10.0.0.1:3306: the server at 10.0.0.1:3306 refused the connection' }
    assert.deepEqual(formatVerdict([ofNerve({ services: [long] })], options), [
      '1 thing needs a hand:',
      '  - nerve: service db is down: mysql-10.0.0.1:3306: the server at 10.0.0.1:3306',
      '    refused the connection',
    ])
  })
})

describe('formatHint()', () => {
  const silent = (daemon: 'nerve' | 'synapse'): DaemonReport =>
    ({ ...ofNerve({}), daemon, answers: false, url: 'http://127.0.0.1:3210' }) as const

  it('tells a machine with one daemon how to ask only that one', () => {
    const there = { ...ofNerve({}), url: 'http://127.0.0.1:3211' }
    assert.deepEqual(formatHint([there, silent('synapse')]), [
      'If this machine runs only nerve: smartstack status --nerve 3211',
    ])
  })

  it('is silent when both answer or neither', () => {
    assert.deepEqual(formatHint([ofNerve({}), ofSynapse({})]), [])
    assert.deepEqual(formatHint([silent('nerve'), silent('synapse')]), [])
  })
})
