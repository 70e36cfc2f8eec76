import assert from 'node:assert/strict'
import { matchRoute } from '../../../src/core/admin-routes.ts'
import { type ManualApiService, manualRoutes } from '../../../src/nerve/manual-api.ts'
import type { ManualCommand } from '../../../src/nerve/manual-control.ts'
import type { ManualEntry } from '../../../src/nerve/manual-state.ts'
import type { ServiceState } from '../../../src/nerve/service-runner.ts'
import { settle } from '../../harness/fake-clock.ts'

const NOW = Date.UTC(2030, 0, 1)

/** A service as ServiceRunner tells of it; `change` is about its availability. */
function service(name: string, change: Partial<ServiceState['availability']> = {}, status = 'up'): ManualApiService {
  const availability = {
    ...{ manual: 'enabled', phase: 'warm', currentWeight: 255, maxWeight: 255, draining: null, isSettled: true },
    ...{ byHand: null, weightByHand: null, ...change },
  }
  const state = { name, host: '10.0.0.1', port: 80, status, reason: null, registered: true, error: null, availability }
  return { name, port: 80, excludeFromGlobalDisable: false, state: () => state as unknown as ServiceState }
}

describe('manualRoutes()', () => {
  let said: string[]
  let commands: ManualCommand[]
  let entries: ManualEntry[]
  let services: ManualApiService[]
  let file: string | null
  let directoryKey: string
  /** Resolves when what is said is kept. */
  let kept: Promise<void>
  beforeEach(() => {
    said = []
    commands = []
    entries = []
    services = [service('web'), service('db')]
    file = '/state/manual.json'
    directoryKey = 'state_directory'
    kept = Promise.resolve()
  })

  const ask = async (method: string, url: string, sent: unknown = '') => {
    const control = {
      say: async (command: ManualCommand) => {
        commands.push(command)
        await kept
      },
      forget: async (target: string, aspect?: string, by?: string) => {
        said.push(`forget ${target} ${aspect} ${by}`)
      },
      get status() {
        return { entries, file, kept: file !== null, problem: null }
      },
    }
    const [path = '', query] = url.split('?')
    const routes = manualRoutes({ control, services: () => services, now: () => NOW, directoryKey: () => directoryKey })
    const match = matchRoute(routes, method, path)
    if (match.kind !== 'found') return { status: match.kind, answer: {} as Record<string, unknown>, changes: false }
    const body = typeof sent === 'string' ? sent : JSON.stringify(sent)
    const request = { parameters: match.parameters, query: new URLSearchParams(query), body }
    const { status, body: text } = await match.route.answer(request)
    return { status, answer: JSON.parse(text) as Record<string, unknown>, changes: match.route.changes }
  }

  it('GET /manual tells every service and whether a restart keeps what is said', async () => {
    const { status, answer, changes } = await ask('GET', '/manual')
    assert.deepEqual([status, changes, answer['kept'], answer['hint']], [200, false, true, null])
    assert.deepEqual(
      (answer['services'] as { service: string }[]).map((each) => each.service),
      ['web', 'db'],
    )
    file = null
    const { answer: forgetful } = await ask('GET', '/manual')
    assert.deepEqual([forgetful['kept'], forgetful['hint']], [false, 'not kept over a restart: set state_directory'])
    directoryKey = 'stateDirectory'
    assert.equal((await ask('GET', '/manual')).answer['hint'], 'not kept over a restart: set stateDirectory')
  })

  const good = [
    { sent: { state: 'disabled' }, expected: { says: { kind: 'disabled' }, reason: '' } },
    {
      sent: { state: 'forced', reason: ' disk ', by: 'alice', expires_in: '30m' },
      expected: { says: { kind: 'forced' }, reason: 'disk', by: 'alice', expiresAt: NOW + 1_800_000 },
    },
    {
      sent: { weight: 7, expires_at: '2030-01-01T01:00:00+01:00' },
      error: 'expires_at: that time has passed',
    },
    {
      sent: { weight: 7, expires_at: '2030-01-01T02:00:00+01:00' },
      expected: { says: { kind: 'weight', weight: 7 }, reason: '', expiresAt: NOW + 3_600_000 },
    },
    { url: '?state=disabled&expires_in=90', expected: { says: { kind: 'disabled' }, expiresAt: NOW + 90_000 } },
    { url: '?weight=12', expected: { says: { kind: 'weight', weight: 12 } } },
    { sent: {}, error: 'give a state or a weight' },
    { sent: [], error: 'expected JSON: a map with state or weight' },
    { sent: '{"state"', error: 'expected JSON: a map with state or weight' },
    { sent: { state: 'down' }, error: 'state: expected one of disabled, enabled, forced' },
    {
      sent: { stat: 'disabled' },
      error: 'stat: unknown key, known are state, weight, reason, by, expires_in, expires_at; give a state or a weight',
    },
    {
      sent: { weight: 0 },
      error: 'weight: expected a weight from 1 to 255, or default for what the configuration says',
    },
    { sent: { state: 'disabled', reason: 'a\nb' }, error: 'reason: expected one line of text' },
    { sent: { state: 'disabled', reason: '\u001b[2J' }, error: 'reason: expected one line of text' },
    { sent: { weight: 255 }, expected: { says: { kind: 'weight', weight: 255 } } },
    {
      sent: { weight: 256 },
      error: 'weight: expected a weight from 1 to 255, or default for what the configuration says',
    },
    {
      url: '?state=disabled&reason=url',
      sent: { state: 'forced' },
      expected: { says: { kind: 'forced' }, reason: 'url' },
    },
    { sent: { state: 'disabled', expires_in: 0 }, error: 'expires_in: expected a duration longer than 0' },
    { sent: { state: 'disabled', expires_at: 'soon' }, error: 'expires_at: expected a time like 2030-01-31T18:00:00Z' },
    {
      sent: { state: 'disabled', expires_in: 1, expires_at: '2031-01-01T00:00:00Z' },
      error: 'give expires_in or expires_at, not both',
    },
    {
      sent: { state: 'enabled', expires_in: 1 },
      error: 'enabled takes no expiry: it is what there is when nothing is said',
    },
  ]
  for (const { sent = '', url = '', expected, error } of good) {
    it(`PUT ${url}${JSON.stringify(sent)}: ${error ?? 'taken'}`, async () => {
      const { status, answer, changes } = await ask('PUT', `/manual/web${url}`, sent)
      assert.equal(changes, true)
      if (expected === undefined) {
        assert.deepEqual([status, answer, commands], [400, { error }, []])
        return
      }
      const [command] = commands
      assert.equal(status, 200)
      assert.deepEqual({ ...command, ...{ target: 'web', ...expected } }, command, 'what was sent is in the command')
      assert.equal(command?.expiresAt, (expected as { expiresAt?: number }).expiresAt)
    })
  }

  it('a state and a weight are two commands; weight default forgets the weight', async () => {
    await ask('PUT', '/manual/web:80', { state: 'disabled', weight: 3, reason: 'x' })
    assert.deepEqual(
      commands.map(({ target, says }) => `${target} ${says.kind}`),
      ['web:80 disabled', 'web:80 weight'],
    )
    commands = []
    await ask('PUT', '/manual/web?weight=default&by=bob')
    assert.deepEqual([commands, said], [[], ['forget web weight bob']])
  })

  it('a reason may have 500 characters', async () => {
    assert.equal((await ask('PUT', '/manual/web', { state: 'disabled', reason: 'x'.repeat(500) })).status, 200)
    assert.equal((await ask('PUT', '/manual/web', { state: 'disabled', reason: 'x'.repeat(501) })).status, 400)
  })

  it('an expiry beside enabled is that of the weight', async () => {
    await ask('PUT', '/manual/web', { state: 'enabled', weight: 3, expires_in: 60 })
    assert.deepEqual(
      commands.map(({ says, expiresAt }) => [says.kind, expiresAt]),
      [
        ['enabled', undefined],
        ['weight', NOW + 60_000],
      ],
    )
  })

  it('PUT is answered when what is said is kept', async () => {
    let keep = () => {}
    kept = new Promise((resolve) => {
      keep = resolve
    })
    let answered = false
    const asking = ask('PUT', '/manual/web', { state: 'disabled' }).then(() => {
      answered = true
    })
    await settle()
    assert.deepEqual([commands.length, answered], [1, false])
    keep()
    await asking
  })

  it('GET of a target tells what is said of it and of all that it belongs to, and of no other', async () => {
    entries = ['all', 'web', 'web:80', 'db'].map((target) => ({
      target,
      says: { kind: 'forced' },
      reason: '',
      since: NOW,
    }))
    const targets = async (target: string) =>
      ((await ask('GET', `/manual/${target}`)).answer['entries'] as { target: string }[]).map((entry) => entry.target)
    assert.deepEqual(await targets('web'), ['all', 'web', 'web:80'])
    assert.deepEqual(await targets('all'), ['all', 'web', 'web:80', 'db'])
  })

  it('what is asked of all is done when it is so of each, whatever is said of some', async () => {
    entries = [{ target: 'web', says: { kind: 'disabled' }, reason: '', since: NOW }]
    services = [service('web', { manual: 'disabled' }, 'down'), service('db', { isSettled: false })]
    assert.equal((await ask('PUT', '/manual/all', { state: 'enabled' })).status, 202)
  })

  it('DELETE takes everything back', async () => {
    const { status, changes } = await ask('DELETE', '/manual/web?by=bob')
    assert.deepEqual([status, said, changes], [200, ['forget web undefined bob'], true])
  })

  it('an unknown service is 404 with the nearest and the known names; one that is remembered is not', async () => {
    const { status, answer } = await ask('PUT', '/manual/wed', { state: 'disabled' })
    assert.deepEqual([status, answer], [404, { error: 'no service wed', nearest: 'web', services: ['web', 'db'] }])
    assert.deepEqual(commands, [])
    assert.equal((await ask('GET', '/manual/web:81')).status, 404)
    entries = [{ target: 'gone', says: { kind: 'disabled' }, reason: '', since: NOW }]
    assert.equal((await ask('DELETE', '/manual/gone')).status, 200)
    services = []
    assert.equal((await ask('PUT', '/manual/all', { state: 'disabled' })).status, 200)
  })

  it('202 as long as a service drains or is registered, then 200', async () => {
    const draining = { since: NOW, leastMs: 1_234, mostMs: Number.POSITIVE_INFINITY }
    services = [service('web', { manual: 'disabled', draining })]
    const { status, answer } = await ask('PUT', '/manual/web', { state: 'disabled' })
    assert.deepEqual([status, answer['done']], [202, false])
    const [told] = answer['services'] as { draining: unknown }[]
    assert.deepEqual(told?.draining, { since: '2030-01-01T00:00:00.000Z', seconds_left: { least: 1.3, most: null } })
    services = [service('web', { manual: 'disabled', isSettled: false })]
    assert.equal((await ask('GET', '/manual/web')).answer['done'], false, 'a registry still holds it')
    services = [service('web', { manual: 'disabled' }, 'down')]
    assert.equal((await ask('GET', '/manual/web')).answer['done'], true)
  })

  it('an enabled service is done when it is up and registered', async () => {
    services = [service('web', {}, 'down')]
    assert.equal((await ask('PUT', '/manual/web', { state: 'enabled' })).status, 202)
    services = [service('web', { isSettled: false })]
    assert.equal((await ask('PUT', '/manual/web', { state: 'enabled' })).status, 202)
    services = [service('web')]
    assert.equal((await ask('PUT', '/manual/web', { state: 'enabled' })).status, 200)
  })

  it('disabling all waits for nobody who keeps out of it', async () => {
    entries = [{ target: 'all', says: { kind: 'disabled' }, reason: '', since: NOW }]
    services = [service('web', { manual: 'disabled' }, 'down'), service('kept', { isSettled: false }, 'down')]
    assert.equal((await ask('PUT', '/manual/all', { state: 'disabled' })).status, 200)
  })
})
