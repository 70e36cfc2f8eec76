import assert from 'node:assert/strict'
import { manualOverview, manualTarget } from '../../../src/cli/manual-answer.ts'
import { formatChange, formatOverview, formatProgress, formatWaited, spanOf } from '../../../src/cli/manual-report.ts'
import { createStyle } from '../../../src/cli/style.ts'

const options = { width: 100, style: createStyle(false) }
const NOW = Date.UTC(2030, 0, 1)

const entry = {
  ...{ target: 'web', says: 'disabled', weight: null, reason: 'deploy 42', by: 'alice' },
  ...{ since: '2029-12-31T23:59:00.123Z', expires_at: '2030-01-01T00:29:00.000Z' },
}
const disabled = {
  ...{ service: 'web', host: '10.0.0.1', port: 80, state: 'disabled', by_hand: entry, weight_by_hand: null },
  ...{ health: 'down', why: 'Service is disabled: deploy 42', weight: 0, max_weight: 255 },
  ...{ registered: false, error: null, draining: null, done: true },
}
const enabled = {
  ...disabled,
  service: 'db',
  state: 'enabled',
  by_hand: null,
  health: 'up',
  why: null,
  registered: true,
}
const keeping = { kept: true, file: '/s/manual.json', problem: null, hint: null, entries: [] }

const target = (more: object) =>
  manualTarget.parse({ target: 'web', ...keeping, services: [disabled], done: true, ...more })
const draining = (least: number | null, most: number | null) => ({
  ...{ ...disabled, done: false, draining: { since: '2030-01-01T00:00:00Z', seconds_left: { least, most } } },
})

describe('formatOverview()', () => {
  it('says that nothing is said', () => {
    assert.deepEqual(formatOverview(manualOverview.parse({ ...keeping, services: [enabled] }), NOW, options), [
      'Nothing is said by hand: the checks decide.',
    ])
  })

  it('tells who said what, why and until when', () => {
    const entries = [entry, { target: 'all', says: 'weight', weight: 9, since: entry.since, expires_at: null }]
    const overview = manualOverview.parse({ ...keeping, entries, services: [] })
    assert.deepEqual(formatOverview(overview, NOW, options), [
      '  TARGET  SAYS      SINCE                 UNTIL                         BY     REASON',
      '  web     disabled  2029-12-31T23:59:00Z  2030-01-01T00:29:00Z, in 29m  alice  deploy 42',
      '  all     weight 9  2029-12-31T23:59:00Z  further notice',
    ])
  })

  it('names who drains, and what is wrong with the file', () => {
    const overview = manualOverview.parse({ ...keeping, services: [draining(3, 3)], problem: 'cannot write' })
    assert.deepEqual(formatOverview(overview, NOW, options).slice(1), ['', 'web drains, 3 s left', 'cannot write'])
  })
})

describe('formatChange()', () => {
  it('shows the services, and where a word is not kept', () => {
    const hint = 'not kept over a restart: set state_directory'
    assert.deepEqual(formatChange(target({ hint, kept: false, file: null }), 'disabled', options), [
      '  SERVICE  ADDRESS      STATE     WEIGHT  WHY',
      '  web      10.0.0.1:80  disabled     255  Service is disabled: deploy 42',
      "note: not kept over a restart: set state_directory in nerve's configuration",
    ])
  })

  it('names what keeps a service from it also when nobody said why', () => {
    const services = [{ ...disabled, by_hand: { ...entry, reason: '' } }]
    assert.deepEqual(formatChange(target({ services }), 'enabled', options).slice(-1), [
      'web stays disabled, as is said of web; name it to change it',
    ])
  })

  it('names the services that do not follow what is said of all', () => {
    const answer = target({ target: 'all', services: [disabled, enabled] })
    assert.deepEqual(formatChange(answer, 'enabled', options).slice(-1), [
      'web stays disabled, as is said of web: deploy 42; name it to change it',
    ])
    assert.deepEqual(formatChange(answer, 'disabled', options).slice(-1), [
      'db stays enabled: it keeps out of what is said of all; name it to change it',
    ])
  })

  it('names what keeps a service from what was asked of it', () => {
    const said = { ...entry, target: 'all', by: 'hacheck' }
    assert.deepEqual(
      formatChange(target({ services: [{ ...disabled, by_hand: said }] }), 'enabled', options).slice(-1),
      ["web stays disabled, as is said in hacheck's spool: deploy 42; haup all takes that back"],
    )
  })

  it('a target without a service says so', () => {
    assert.deepEqual(formatChange(target({ services: [] }), undefined, options), [
      'web means no service that is configured now.',
    ])
  })
})

describe('formatProgress() and formatWaited()', () => {
  const cases = [
    { name: 'drains for a fixed time', service: draining(3, 3), says: 'web drains, 3 s left' },
    { name: 'is about to be drained', service: draining(0, 0), says: 'web drains' },
    { name: 'asks a command', service: draining(1.5, 60), says: 'web drains, 1.5 s left at least, 60 s at most' },
    {
      name: 'asks a command without end',
      service: draining(0, null),
      says: 'web drains, 0 s left at least, as long as its clients take',
    },
    {
      name: 'cannot be taken out',
      service: { ...disabled, done: false, registered: true, error: 'zk1:2181: cut' },
      says: 'web is still registered: zk1:2181: cut',
    },
    {
      name: 'is enabled and sick',
      service: { ...enabled, done: false, health: 'down', why: 'http: refused' },
      says: 'db is down: http: refused',
    },
    {
      name: 'drains and has not left yet',
      service: { ...draining(3, 3), registered: true },
      says: 'web drains, still registered, 3 s left',
    },
    {
      name: 'is out as far as known',
      service: { ...disabled, done: false },
      says: 'web has no answer of its registry yet',
    },
    {
      name: 'is enabled and not well for no known reason',
      service: { ...enabled, done: false, health: 'unknown', why: null },
      says: 'db is unknown',
    },
    { name: 'is on its way', service: { ...enabled, done: false }, says: 'db is up, and about to be registered' },
  ]
  for (const { name, service, says } of cases) {
    it(`a service that ${name}: ${says}`, () => {
      const answer = target({ services: [service], done: false })
      assert.deepEqual(formatProgress(answer), [says])
      assert.equal(formatWaited(answer, 60_000), `not done in 60s: ${says}`)
    })
  }

  it('names only who is not done, and nobody when the target is', () => {
    const services = [enabled, { ...disabled, done: false, registered: true }]
    assert.deepEqual(formatProgress(target({ services, done: false })), ['web is still registered'])
    assert.equal(formatWaited(target({ services, done: false }), 1000), 'not done in 1s: web is still registered')
    const outOfAll = { ...enabled, done: false, health: 'down' }
    assert.deepEqual(formatProgress(target({ target: 'all', services: [disabled, outOfAll] })), [])
  })

  it('what is done says what it has come to', () => {
    assert.deepEqual(formatProgress(target({})), [])
    assert.equal(formatWaited(target({}), 1), 'Done: web is out of every registry, and drained.')
    assert.equal(formatWaited(target({ services: [enabled] }), 1), 'Done: db is up and registered.')
    assert.equal(formatWaited(target({ services: [] }), 1), 'Done.')
    assert.equal(
      formatWaited(target({ services: [enabled, { ...enabled, service: 'web' }] }), 1),
      'Done: db, web are up and registered.',
    )
    assert.equal(
      formatWaited(target({ services: [disabled, enabled] }), 1),
      'Done: web is out of every registry, and drained; db is up and registered.',
    )
  })
})

describe('spanOf()', () => {
  for (const [ms, text] of [
    [-5, '0s'],
    [0.4, '0s'],
    [1, '1ms'],
    [300, '300ms'],
    [999.4, '999ms'],
    [999.6, '1s'],
    [1_500, '1.5s'],
    [9_949, '9.9s'],
    [9_951, '10s'],
    [12_400, '12s'],
    [45_000, '45s'],
    [99_000, '99s'],
    [100_000, '2m'],
    [99 * 60_000, '99m'],
    [100 * 60_000, '1h 40m'],
    [1_740_000, '29m'],
    [11_400_000, '3h 10m'],
    [7_200_000, '2h'],
    [188 * 3_600_000, '7d 20h'],
    [47 * 3_600_000, '47h'],
    [48 * 3_600_000, '2d'],
    [72 * 3_600_000, '3d'],
    [49 * 3_600_000, '2d 1h'],
  ] as const) {
    it(`${ms} ms is ${text}`, () => assert.equal(spanOf(ms), text))
  }
})
