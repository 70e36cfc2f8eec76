import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type BlablacarSite,
  callApi,
  type ServiceStatus,
  startBlablacarSite,
  statusOf,
} from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'

/** Reference blablacar-yelp.md 1.10. */
describe('conformance to go-nerve: HTTP API', function () {
  this.timeout(60_000)
  let site: BlablacarSite
  let nerve: Daemon
  let closed: number

  before(async () => {
    site = await startBlablacarSite()
    closed = await freePort()
    const onShutdown = await site.script('on-shutdown', `echo run >> "${join(site.directory, 'shutdowns')}"`)
    nerve = await site.nerve([
      site.service('web', { weight: 100, disableShutdownCommand: [onShutdown] }),
      site.service('spared', { excludeFromGlobalDisable: true }),
      site.service('odd name', {}),
    ])
  })
  after(() => site.close())
  afterEach(async () => {
    await call('PUT', '/enable')
    await eventually(async () => assert.equal((await call('GET', '/status')).status, 200))
  })

  const call = (method: string, path: string) => callApi(nerve, method, path)
  const web = () => statusOf(nerve, 'web')
  const warm = () => eventually(async () => assert.equal((await web()).CurrentWeight, (await web()).MaxWeight), 20_000)
  /** A request with headers, as from elsewhere. */
  const request = async (method: string, path: string, headers: Readonly<Record<string, string>>, of = nerve) =>
    (await fetch(`${of.adminUrl}${path}`, { method, headers })).status
  const elsewhere = { 'x-forwarded-for': '10.0.0.1' }

  describe('what only reads', () => {
    it('GET / is the status page, where theirs lists the routes', async () => {
      const { status, type, text } = await call('GET', '/')
      assert.deepEqual([status, type], [200, 'text/html; charset=utf-8'])
      for (const word of ['web', 'spared', 'odd name']) assert.ok(text.includes(word), word)
    })
    it('GET /version is two lines of text', async () => {
      const { status, type, text } = await call('GET', '/version')
      assert.deepEqual([status, type], [200, 'text/plain; charset=utf-8'])
      assert.match(text, /^nerve\n\d+\.\d+\.\d+\n$/)
    })
    it('GET /metrics is for Prometheus', async () => {
      const { status, type, text } = await call('GET', '/metrics')
      assert.deepEqual([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8'])
      assert.match(text, /^# TYPE nerve_service_available gauge$/m)
    })
    it('GET /status is 200 and lists all services in the order of the file', async () => {
      const { status, json } = await call('GET', '/status')
      assert.equal(status, 200)
      assert.deepEqual(
        json<ServiceStatus[]>().map(({ Name }) => Name),
        ['web', 'spared', 'odd name'],
      )
    })
    it('GET /status is 503 when one service is not available', async () => {
      await call('PUT', '/services/web/disable')
      const { status, json } = await call('GET', '/status')
      assert.deepEqual([status, json<ServiceStatus[]>().length], [503, 3])
    })
    it('GET /services/:s/status has the fields of go-nerve in their order', async () => {
      await warm()
      const { status, text } = await call('GET', '/services/web/status')
      const [start, end] = [`{"Name":"web","Host":"127.0.0.1","Port":${site.instance.port}`, '"Available":true}\n']
      assert.equal(status, 200)
      assert.equal(text, `${start},"Status":"enabled","MaxWeight":100,"CurrentWeight":100,${end}`)
    })
    it('GET /services/:s/status is 503 of a service that is not available', async () => {
      await call('PUT', '/services/web/disable')
      const { status, json } = await call('GET', '/services/web/status')
      const { Status, CurrentWeight, MaxWeight, Available } = json<ServiceStatus>()
      assert.deepEqual([status, Status, CurrentWeight, MaxWeight, Available], [503, 'disabled', 0, 100, false])
    })
    it('GET /services/:s/status is 404 of an unknown service, where theirs is 500', async () => {
      assert.equal((await call('GET', '/services/none/status')).status, 404)
    })
    it('a name in a path may be percent-encoded', async () => {
      assert.equal((await statusOf(nerve, 'odd%20name')).Name, 'odd name')
    })
    it('JSON is told as application/json, where theirs is text/plain', async () => {
      for (const path of ['/status', '/services/web/status'])
        assert.equal((await call('GET', path)).type, 'application/json')
    })
    it('no directory called public is served, and there is no icon', async () => {
      await mkdir(join(nerve.directory, 'public'))
      await writeFile(join(nerve.directory, 'public/page'), 'secret')
      for (const path of ['/page', '/public/page', '/favicon.ico', '/nonsense'])
        assert.equal((await call('GET', path)).status, 404)
    })
  })

  describe('one service', () => {
    it('PUT /services/:s/disable is 200 with the status, where theirs is 503 when it worked', async () => {
      const { status, type, json } = await call('PUT', '/services/web/disable')
      assert.deepEqual([status, type], [200, 'application/json'])
      const { Name, Status, Available } = json<ServiceStatus>()
      assert.deepEqual([Name, Status, Available], ['web', 'disabled', false])
    })
    it('PUT /services/:s/disable says that it is no shutdown', async () => {
      const runs = (await site.lines('shutdowns')).length
      await call('PUT', '/services/web/disable')
      assert.equal((await site.lines('shutdowns')).length, runs)
    })
    it('PUT /services/:s/disable takes an excluded service down too', async () => {
      assert.equal((await call('PUT', '/services/spared/disable')).json<ServiceStatus>().Status, 'disabled')
    })
    it('PUT /services/:s/enable is 200 with the status of a service whose checks pass: it is at weight 1', async () => {
      await call('PUT', '/services/web/disable')
      const { status, json } = await call('PUT', '/services/web/enable')
      const { Status, CurrentWeight } = json<ServiceStatus>()
      assert.deepEqual([status, Status, CurrentWeight], [200, 'enabled', 1])
    })
    for (const [flag, expected] of [
      ...['y', 'Yes', 't', 'TRUE', '1', '1x'].map((word) => [word, 'forced']),
      ...['n', 'false', '0', 'on', ''].map((word) => [word, 'enabled']),
    ] as const)
      it(`PUT /services/:s/enable?force=${flag} makes it ${expected}`, async () => {
        assert.equal((await call('PUT', `/services/web/enable?force=${flag}`)).json<ServiceStatus>().Status, expected)
      })
    it('PUT /services/:s/weight/:w is 200 with the new weight, which is published', async () => {
      const { status, json } = await call('PUT', '/services/web/weight/42')
      assert.deepEqual([status, json<ServiceStatus>().MaxWeight], [200, 42])
      await eventually(async () => assert.equal((await site.znode('/services/web')).payload['weight'], 42), 20_000)
    })
    it('PUT /services/:s/weight/:w is 200 of a disabled service too, and counts when it is back', async () => {
      await call('PUT', '/services/web/disable')
      const { status, json } = await call('PUT', '/services/web/weight/43')
      assert.deepEqual([status, json<ServiceStatus>().MaxWeight, json<ServiceStatus>().CurrentWeight], [200, 43, 0])
      await call('PUT', '/services/web/enable')
      await eventually(async () => assert.equal((await web()).CurrentWeight, 43), 20_000)
    })
    for (const weight of ['1', '255'])
      it(`PUT /services/:s/weight/${weight} is taken`, async () => {
        assert.equal((await call('PUT', `/services/web/weight/${weight}`)).status, 200)
        assert.equal((await web()).MaxWeight, Number(weight))
      })
    for (const weight of ['0', '256', '300', '-1', 'abc', '1.5'])
      it(`PUT /services/:s/weight/${weight} is 400 and changes nothing`, async () => {
        const before = (await web()).MaxWeight
        assert.equal((await call('PUT', `/services/web/weight/${weight}`)).status, 400)
        assert.equal((await web()).MaxWeight, before)
      })
    for (const action of ['enable', 'disable', 'weight/9'])
      it(`PUT /services/:s/${action} of an unknown service is 404`, async () => {
        assert.equal((await call('PUT', `/services/none/${action}`)).status, 404)
      })
    for (const action of ['enable', 'disable', 'weight/9'])
      it(`GET /services/:s/${action} changes nothing: 405`, async () => {
        assert.equal((await call('GET', `/services/web/${action}`)).status, 405)
        assert.equal((await web()).Status, 'enabled')
      })
  })

  for (const method of ['PUT', 'GET']) {
    describe(`all services, by ${method}`, () => {
      const states = (text: string) => (JSON.parse(text) as ServiceStatus[]).map(({ Status }) => Status)
      it(`${method} /disable is 200, and leaves excluded services alone`, async () => {
        const { status, text } = await call(method, '/disable')
        assert.deepEqual([status, states(text)], [200, ['disabled', 'enabled', 'disabled']])
      })
      for (const [flag, runs] of [
        ['no', 0],
        ['0', 0],
        ['Y', 1],
        ['true', 1],
        ['1', 1],
      ] as const)
        it(`${method} /disable?shutdown=${flag} ${runs === 1 ? 'runs' : 'does not run'} the commands for it`, async () => {
          const before = (await site.lines('shutdowns')).length
          await call(method, `/disable?shutdown=${flag}`)
          assert.equal((await site.lines('shutdowns')).length, before + runs)
        })
      it(`${method} /enable is 200 once all are available, excluded ones too`, async () => {
        await call('PUT', '/disable')
        await call('PUT', '/services/spared/disable')
        const { status, text } = await call(method, '/enable')
        assert.deepEqual([status, states(text)], [200, ['enabled', 'enabled', 'enabled']])
      })
      it(`${method} /enable?force=true forces all`, async () => {
        assert.deepEqual(states((await call(method, '/enable?force=true')).text), ['forced', 'forced', 'forced'])
      })
      it(`${method} /weight/:w is 200 and counts for all, excluded ones too`, async () => {
        const weight = method === 'PUT' ? 21 : 22
        const { status, text } = await call(method, `/weight/${weight}`)
        const weights = (JSON.parse(text) as ServiceStatus[]).map(({ MaxWeight }) => MaxWeight)
        assert.deepEqual([status, weights], [200, [weight, weight, weight]])
      })
      it(`${method} /weight/0 and /weight/256 are 400`, async () => {
        for (const weight of [0, 256]) assert.equal((await call(method, `/weight/${weight}`)).status, 400)
      })
    })
  }

  for (const path of ['/disable', '/enable', '/weight/9'])
    it(`HEAD ${path} changes nothing: 405`, async () => {
      await warm()
      const before = await web()
      assert.equal((await call('HEAD', path)).status, 405)
      assert.deepEqual(await web(), before)
    })

  describe('who may change something', () => {
    it('nobody from elsewhere without a token, where there anybody may', async () => {
      assert.equal(await request('PUT', '/services/web/disable', elsewhere), 403)
      assert.equal(await request('GET', '/disable', elsewhere), 403)
      assert.equal((await web()).Status, 'enabled')
    })
    it('no web page', async () => {
      assert.equal(await request('PUT', '/services/web/disable', { origin: 'http://localhost' }), 403)
    })
    it('from elsewhere who has the token of apiToken, by PUT only', async () => {
      const service = site.service('tokened', { reporters: [{ type: 'console' }] })
      const other = await site.nerve([service], {}, 'apiToken: sesame')
      const path = '/services/tokened/disable'
      assert.equal(await request('PUT', path, { ...elsewhere, authorization: 'Bearer wrong' }, other), 403)
      assert.equal(await request('PUT', path, { ...elsewhere, authorization: 'Bearer sesame' }, other), 200)
      assert.equal(await request('GET', '/enable', { ...elsewhere, authorization: 'Bearer sesame' }, other), 403)
      await other.close()
    })
    it('anybody may read', async () => {
      assert.equal(await request('GET', '/status', elsewhere), 200)
    })
  })

  it('a service that is called all is taken down alone by its name, and a warning tells what all means by hand', async () => {
    const other = await site.nerve([site.service('all'), site.service('beside')])
    const states = async () =>
      (await callApi(other, 'GET', '/status')).json<ServiceStatus[]>().map(({ Name, Status }) => `${Name} ${Status}`)
    assert.match(
      other.output,
      /services\[0\]\.name: by hand, \\"all\\" means every service .*this one alone is all:\d+/,
    )
    assert.equal((await callApi(other, 'PUT', '/services/all/disable')).status, 200)
    assert.deepEqual(await states(), ['all disabled', 'beside enabled'])
    await callApi(other, 'PUT', '/services/all/enable')
    assert.deepEqual(await states(), ['all enabled', 'beside enabled'])
    await callApi(other, 'PUT', '/disable')
    assert.deepEqual(await states(), ['all disabled', 'beside disabled'])
    await callApi(other, 'PUT', '/enable')
    assert.deepEqual(await states(), ['all enabled', 'beside enabled'])
    await other.close()
  })

  it('a service that is called as the port of another one is taken down alone, and a warning tells what the name means by hand', async () => {
    const web = site.service('web')
    const namesake = `web:${web['port']}`
    const other = await site.nerve([web, site.service(namesake)])
    const states = async () =>
      (await callApi(other, 'GET', '/status')).json<ServiceStatus[]>().map(({ Name, Status }) => `${Name} ${Status}`)
    assert.match(other.output, /services\[1\]\.name: by hand, \\"web:\d+\\" means this service .*not web on port \d+, /)
    assert.equal((await callApi(other, 'PUT', `/services/${namesake}/disable`)).status, 200)
    assert.deepEqual(await states(), ['web enabled', `${namesake} disabled`])
    assert.equal((await callApi(other, 'PUT', '/services/web/disable')).status, 200)
    assert.equal((await callApi(other, 'PUT', `/services/${namesake}/enable`)).status, 200)
    assert.deepEqual(await states(), ['web disabled', `${namesake} enabled`])
    await other.close()
  })

  it('before the checks have a verdict nothing is available: 503, and enable too; force is', async () => {
    const unsure = site.service('unsure', {
      port: closed,
      checks: [{ type: 'tcp', fall: 1000, checkIntervalInMilli: 1000 }],
    })
    const other = await site.nerve([unsure], { awaitReady: false })
    const answers = await eventually(async () => [
      (await callApi(other, 'GET', '/services/unsure/status')).status,
      (await callApi(other, 'PUT', '/services/unsure/enable')).status,
    ])
    assert.deepEqual(answers, [503, 503])
    const forced = (await callApi(other, 'PUT', '/services/unsure/enable?force=1')).json<ServiceStatus>()
    assert.deepEqual([forced.Status, forced.Available], ['forced', true], 'at once, where theirs waits for a verdict')
    await other.close()
  })
})
