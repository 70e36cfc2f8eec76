import assert from 'node:assert/strict'
import { type CheckedServices, startChecked } from '../harness/airbnb-checks.ts'
import { type AirbnbRegistry, startAirbnbRegistry } from '../harness/airbnb-registry.ts'
import { eventually } from '../harness/eventually.ts'
import { answer, type HttpServer, startHttpServer } from '../harness/http-server.ts'

describe("Airbnb's nerve: rate_limiting", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let server: HttpServer
  let checked: CheckedServices
  /** Services that are healthy, by the path of their check. */
  const healthy = new Set([
    '/plain',
    '/burst',
    '/shadow',
    '/never',
    '/slow',
    '/prompt',
    '/saved',
    '/capped',
    '/leaving',
  ])

  before(async () => {
    registry = await startAirbnbRegistry()
    server = await startHttpServer((request, response) => {
      answer(healthy.has(request.url ?? '') ? 200 : 503)(request, response)
    })
    const limits: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
      plain: {},
      burst: { max_burst: 1, shadow_mode: false },
      shadow: { average_rate: 0 },
      never: { average_rate: 0, shadow_mode: false },
      slow: { average_rate: 0.5, shadow_mode: false },
      prompt: { average_rate: 1, shadow_mode: false },
      saved: { average_rate: 2, max_burst: 5, shadow_mode: false },
      capped: { average_rate: 0.25, max_burst: 1, shadow_mode: false }, // 4 s, so that the next change comes before
      leaving: { average_rate: 1, max_burst: 1, shadow_mode: false },
    }
    const target = { type: 'http', timeout: 5, host: '127.0.0.1', port: server.port }
    const entries = Object.entries(limits).map(([name, rate_limiting]) => {
      const checks = [{ ...target, uri: `/${name}` }]
      const service = registry.service(name, {
        rate_limiting,
        checks,
        reporter_type: 'zookeeper',
        check_interval: 0.05,
      })
      return [name, service] as const
    })
    checked = await startChecked(Object.fromEntries(entries))
  })
  after(async () => {
    await checked?.close()
    await server?.close()
    await registry?.close()
  })

  const throttled = (service: string) =>
    checked.datagrams('nerve.watcher.throttled').filter((datagram) => datagram.includes(`service_name:${service},`))
  /** Changes the health of a service, and waits until the registry has it. */
  const turn = async (service: string) => {
    const path = `/${service}`
    if (healthy.delete(path)) return registry.none(service)
    healthy.add(path)
    await registry.one(service)
  }

  it('no limit: every change is made at once (2.7)', async () => {
    for (let change = 0; change < 4; change++) await turn('plain')
    assert.deepEqual(throttled('plain'), [])
  })

  it('max_burst without average_rate is no limit (2.7)', async () => {
    for (let change = 0; change < 4; change++) await turn('burst')
    assert.deepEqual(throttled('burst'), [])
  })

  it('shadow_mode is on unless given: the change is made, and only told of (2.7)', async () => {
    await registry.one('shadow')
    await eventually(() =>
      assert.deepEqual(throttled('shadow'), ['nerve.watcher.throttled:1|c|#service_name:shadow,shadow_mode:true']),
    )
  })

  it('average_rate: 0 and shadow_mode: false let nothing through, also not the first registration (2.7)', async () => {
    await eventually(() => assert.equal(throttled('never').length, 1))
    assert.equal(throttled('never')[0], 'nerve.watcher.throttled:1|c|#service_name:never,shadow_mode:false')
    await checked.first('never', 20)
    assert.deepEqual(await registry.registrations('never'), [])
  })

  it('a change that is held back is told once (2.7, deviation: each check_interval there)', async () => {
    await checked.first('never', 30)
    assert.equal(throttled('never').length, 1)
  })

  it('average_rate below 1: the bucket starts with less than a token, so the first registration waits (2.7)', async () => {
    await registry.one('slow')
    assert.equal(throttled('slow').length, 1)
  })

  it('average_rate of 1 or more: the first registration does not wait (2.7)', async () => {
    await registry.one('prompt')
    assert.deepEqual(throttled('prompt'), [])
  })

  it('max_burst: a quiet time saves up as many changes; checks that change nothing take none (2.7)', async () => {
    await registry.one('saved')
    await checked.first('saved', 50) // 2.5 s at least, in which the bucket fills
    for (let change = 0; change < 4; change++) await turn('saved')
    assert.deepEqual(throttled('saved'), [])
  })

  it('max_burst: no more than that is saved up, so the second change in a row waits (2.7)', async () => {
    await registry.one('capped')
    await checked.first('capped', checked.trace('capped').length + 100) // 5 s at least, in which a token comes
    const before = throttled('capped').length
    await turn('capped')
    assert.equal(throttled('capped').length, before, 'one was saved')
    await turn('capped')
    assert.equal(throttled('capped').length, before + 1, 'and no more')
  })

  it('a change that is held back is made as soon as its token is there (2.7)', async () => {
    const before = throttled('capped').length
    await turn('capped') // resolves once the registry has it
    assert.equal(throttled('capped').length, before + 1)
  })

  it('the removal when nerve stops is never held back (2.7)', async () => {
    await registry.one('leaving')
    await checked.nerve.stop()
    assert.deepEqual(await registry.registrations('leaving'), [])
  })
})

describe("Airbnb's nerve: an edit of rate_limiting", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let server: HttpServer
  let checked: CheckedServices
  let status = 200

  before(async () => {
    registry = await startAirbnbRegistry()
    server = await startHttpServer((request, response) => answer(status)(request, response))
    checked = await startChecked(services())
  })
  after(async () => {
    await checked?.close()
    await server?.close()
    await registry?.close()
  })

  const services = (rate_limiting?: Readonly<Record<string, unknown>>) => {
    const checks = [{ type: 'http', uri: '/', timeout: 5, host: '127.0.0.1', port: server.port }]
    return { web: registry.service('web', { checks, rate_limiting, reporter_type: 'zookeeper' }) }
  }
  const throttled = () => checked.datagrams('nerve.watcher.throttled').length
  const applied = (edits: number) =>
    eventually(async () =>
      assert.equal(await checked.nerve.metric('smartstack_config_reloads_total', 'result="applied"'), edits),
    )

  it('a limit that an edit brings holds back what comes from then on, and what was is no news (2.7, 2.9)', async () => {
    const before = await registry.one('web')
    await checked.edit(services({ average_rate: 0, shadow_mode: false }))
    await applied(1)
    status = 503
    await eventually(() => assert.equal(throttled(), 1))
    assert.equal(await checked.status('web'), 'down')
    assert.deepEqual(await registry.one('web'), before)
  })

  it('one that lets more through makes the change that is held back (2.7, 2.9)', async () => {
    await checked.edit(services({ average_rate: 5, max_burst: 5, shadow_mode: false }))
    await registry.none('web')
  })

  it('without it nothing is held back any more (2.7, 2.9)', async () => {
    await checked.edit(services())
    await applied(3)
    for (let change = 0; change < 3; change++) {
      status = 200
      await registry.one('web')
      status = 503
      await registry.none('web')
    }
    assert.equal(throttled(), 1)
  })
})
