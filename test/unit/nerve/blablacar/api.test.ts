import assert from 'node:assert/strict'
import { matchRoute } from '../../../../src/core/admin-routes.ts'
import { type ApiService, apiRoutes } from '../../../../src/nerve/blablacar/api.ts'
import type { ManualState } from '../../../../src/nerve/service.ts'

/** A service that remembers what was asked of it; healthy or not. */
class FakeService implements ApiService {
  readonly host = '10.0.0.1'
  readonly port = 80
  readonly name: string
  readonly excludeFromGlobalDisable: boolean
  readonly asked: string[] = []
  readonly availability: ApiService['availability']

  constructor(name: string, { healthy = true, exclude = false } = {}) {
    this.name = name
    this.excludeFromGlobalDisable = exclude
    const state: { manual: ManualState; maxWeight: number; currentWeight: number } = {
      manual: { kind: 'enabled' },
      maxWeight: 255,
      currentWeight: healthy ? 255 : 0,
    }
    this.availability = Object.assign(state, {
      enable: async (force: boolean) => {
        this.asked.push(`enable ${force}`)
        state.manual = { kind: force ? 'forced' : 'enabled' }
        state.currentWeight = healthy || force ? 1 : 0
      },
      disable: async (shutdown: boolean) => {
        this.asked.push(`disable ${shutdown}`)
        state.manual = { kind: 'disabled' }
        state.currentWeight = 0
      },
      setWeight: async (weight: number) => {
        await Promise.resolve() // until it is kept
        this.asked.push(`weight ${weight}`)
        state.maxWeight = weight
      },
    })
  }
}

describe('apiRoutes()', () => {
  let web: FakeService
  let sick: FakeService
  let all: FakeService[]
  beforeEach(() => {
    web = new FakeService('web')
    sick = new FakeService('sick', { healthy: false, exclude: true })
    all = [web]
  })

  const ask = async (method: string, url: string) => {
    const [path = '', query] = url.split('?')
    const match = matchRoute(
      apiRoutes('1.2.3', () => all),
      method,
      path,
    )
    assert.equal(match.kind, 'found')
    if (match.kind !== 'found') throw new Error('unreachable')
    const { parameters, route } = match
    const { status, body, type } = await route.answer({ parameters, query: new URLSearchParams(query), body: '' })
    return {
      status,
      type,
      body: type === 'application/json' ? (JSON.parse(body) as unknown) : body,
      changes: route.changes,
    }
  }
  const status = (change: object) => ({
    ...{
      Name: 'web',
      Host: '10.0.0.1',
      Port: 80,
      Status: 'enabled',
      MaxWeight: 255,
      CurrentWeight: 255,
      Available: true,
    },
    ...change,
  })

  it('GET /version is two lines', async () => {
    const { status, body } = await ask('GET', '/version')
    assert.deepEqual([status, body], [200, 'nerve\n1.2.3\n'])
  })

  it('GET /status lists the services, and is 503 as soon as one is not available', async () => {
    const good = await ask('GET', '/status')
    assert.deepEqual([good.status, good.body, good.type, good.changes], [200, [status({})], 'application/json', false])
    all = [web, sick]
    assert.equal((await ask('GET', '/status')).status, 503)
  })

  it('the keys of a status are in the order of go-nerve', async () => {
    const { body } = await ask('GET', '/services/web/status')
    assert.equal(Object.keys(body as object).join(), 'Name,Host,Port,Status,MaxWeight,CurrentWeight,Available')
  })

  it('GET /services/:s/status is 200, 503 when not available, 404 when unknown', async () => {
    all = [web, sick]
    const statuses = await Promise.all(
      ['web', 'sick', 'none'].map(async (name) => (await ask('GET', `/services/${name}/status`)).status),
    )
    assert.deepEqual(statuses, [200, 503, 404])
  })

  it('what cannot be done says what could be', async () => {
    all = [web, sick]
    assert.equal((await ask('PUT', '/services/wbe/disable')).body, 'no service wbe; known are web, sick\n')
    assert.equal((await ask('PUT', '/weight/300')).body, 'found 300, expected a weight from 1 to 255\n')
  })

  it('PUT enable is 200 when it made the service available, else 503', async () => {
    all = [web, sick]
    assert.equal((await ask('PUT', '/services/web/enable')).status, 200)
    assert.equal((await ask('PUT', '/services/sick/enable')).status, 503)
    const forced = await ask('PUT', '/services/sick/enable?force=True')
    assert.deepEqual([forced.status, (forced.body as { Status: string }).Status], [200, 'forced'])
    assert.deepEqual(sick.asked, ['enable false', 'enable true'])
  })

  it('PUT disable that worked is 200', async () => {
    const { status: code, body } = await ask('PUT', '/services/web/disable')
    assert.equal(code, 200)
    assert.deepEqual(body, status({ Status: 'disabled', CurrentWeight: 0, Available: false }))
    assert.deepEqual(web.asked, ['disable false'])
  })

  it('PUT that names one service is a change, by the token or from here only', async () => {
    for (const action of ['enable', 'disable', 'weight/9'])
      assert.equal((await ask('PUT', `/services/web/${action}`)).changes, true, action)
  })

  it('PUT weight tells of the weight that is kept', async () => {
    assert.deepEqual((await ask('PUT', '/services/web/weight/9')).body, status({ MaxWeight: 9 }))
    assert.deepEqual((await ask('PUT', '/weight/8')).body, [status({ MaxWeight: 8 })])
  })

  for (const [word, force] of [
    ['1', true],
    ['true', true],
    ['Yes', true],
    ['0', false],
    ['no', false],
    ['', false],
  ] as const) {
    it(`PUT /enable?force=${word} ${force ? 'forces' : 'enables'} all`, async () => {
      all = [web, sick]
      assert.equal((await ask('PUT', `/enable?force=${word}`)).status, force ? 200 : 503)
      assert.deepEqual([web.asked, sick.asked], [[`enable ${force}`], [`enable ${force}`]])
    })
  }

  for (const [weight, code] of [
    ['1', 200],
    ['255', 200],
    ['0', 400],
    ['256', 400],
    ['300', 400],
    ['-1', 400],
    ['many', 400],
    ['1e2', 400],
  ] as const) {
    it(`PUT weight ${weight} is ${code}`, async () => {
      assert.equal((await ask('PUT', `/services/web/weight/${weight}`)).status, code)
      assert.equal((await ask('PUT', `/weight/${weight}`)).status, code)
      assert.equal(web.asked.length, code === 200 ? 2 : 0)
    })
  }

  for (const method of ['PUT', 'GET']) {
    it(`${method} /disable leaves out who is excluded, and tells all`, async () => {
      all = [web, sick]
      const { status: code, body, changes } = await ask(method, '/disable?shutdown=yes')
      assert.deepEqual([code, changes, (body as unknown[]).length], [200, true, 2])
      assert.deepEqual([web.asked, sick.asked], [['disable true'], []])
    })
    it(`${method} /enable and /weight leave nobody out`, async () => {
      all = [web, sick]
      assert.equal((await ask(method, '/enable')).status, 503)
      assert.equal((await ask(method, '/weight/9')).status, 200)
      assert.deepEqual(sick.asked, ['enable false', 'weight 9'])
    })
  }

  it('what names one service cannot be changed by GET', () => {
    const match = matchRoute(
      apiRoutes('1', () => all),
      'GET',
      '/services/web/disable',
    )
    assert.equal(match.kind, 'other-method')
  })
})
