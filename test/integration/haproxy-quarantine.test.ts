import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { Backend, HaproxyDirectory, request, startLoad, workerPid } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { freePorts } from '../harness/ports.ts'

interface Quarantined {
  readonly service: string
  readonly reason: string
  readonly meanwhile: string
}

describeOnEachHaproxy('haproxy quarantine', (binary) => {
  let directory: HaproxyDirectory
  let one: Backend
  let two: Backend
  let ports: number[]
  let drivers: Driver[]

  before(async () => {
    one = await Backend.start('one')
    two = await Backend.start('two')
  })
  after(() => Promise.all([one, two].map((backend) => backend.stop())))
  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    ports = await freePorts(4)
    drivers = []
  })
  afterEach(async () => {
    await Promise.all(drivers.map((driver) => driver.stop()))
    await directory.remove()
  })

  function drive(options: Readonly<Record<string, unknown>> = {}): Driver {
    const driver = new Driver(directory.options(options))
    drivers.push(driver)
    return driver
  }

  const instance = (backend: Backend, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
    name: backend.name,
    host: '127.0.0.1',
    port: backend.port,
    ...more,
  })
  const service = (index: number, options: object = {}, ...instances: ServiceInstance[]) => ({
    options: { port: ports[index], ...options },
    instances: instances.length > 0 ? instances : [instance(one)],
  })
  const serves = (index: number, name = 'one') =>
    eventually(async () => assert.equal(await request(ports[index] ?? 0), name))
  const quarantined = (driver: Driver) => driver.generator.state()['quarantined'] as readonly Quarantined[]
  const config = () => readFile(directory.file('haproxy.cfg'), 'utf8')

  async function started(options: Readonly<Record<string, unknown>> = {}): Promise<Driver> {
    const driver = drive(options)
    driver.configure({ web: service(0), api: service(1) })
    await serves(0)
    await serves(1)
    await eventually(() => assert.notEqual(driver.passes, 0))
    return driver
  }

  it('haproxy quarantine keeps a service as it was when its new options are refused, and applies those of the others', async () => {
    const driver = await started()
    const load = startLoad(ports[0] ?? 0)
    driver.configure({
      web: service(0, { backend: ['timeout server never'] }),
      api: service(1, { backend: ['timeout server 7s'] }),
      more: service(2),
    })
    await serves(2)
    await eventually(async () => assert.match(await config(), /timeout server 7s/))
    assert.doesNotMatch(await config(), /never/)
    const [found, ...others] = quarantined(driver)
    assert.deepEqual(others, [])
    assert.equal(found?.service, 'web')
    assert.equal(found.meanwhile, 'as before')
    assert.match(found.reason, /unexpected character 'n' in 'timeout server'/)
    assert.equal(await driver.metric('synapse_haproxy_quarantined_services'), 1)
    assert.equal(driver.generator.state()['file_error'], null)
    driver.configure({
      web: service(0, { backend: ['timeout server never'] }, instance(two)),
      api: service(1, { backend: ['timeout server 7s'] }),
      more: service(2),
    })
    await serves(0, 'two')
    assert.deepEqual((await load.stop()).failures, {})
    assert.equal(driver.logged('in quarantine: haproxy does not take it, the others go on').length, 1)

    driver.configure({ web: service(0, { backend: ['timeout server 8s'] }), api: service(1), more: service(2) })
    await eventually(async () => assert.match(await config(), /timeout server 8s/))
    await eventually(() => assert.deepEqual(quarantined(driver), []))
    await eventually(async () => assert.equal(await driver.metric('synapse_haproxy_quarantined_services'), 0))
  })

  it('haproxy quarantine leaves a service out that was never taken', async () => {
    const driver = await started()
    driver.configure({ web: service(0), api: service(1), more: service(2, { frontend: ['acl a nonsense'] }) })
    await eventually(() => assert.equal(quarantined(driver)[0]?.service, 'more'))
    assert.equal(quarantined(driver)[0]?.meanwhile, 'left out')
    await serves(0)
    await consistently(async () => assert.equal(await driver.reloads(), 0), 300)
    driver.configure({ web: service(0), api: service(1), more: service(2) })
    await serves(2)
  })

  it('haproxy quarantine finds a service that HAProxy does not name, by leaving out halves', async () => {
    const shared = { shared_frontend: [`bind 127.0.0.1:${ports[3]}`] }
    const driver = await started(shared)
    driver.configure({
      web: service(0, { shared_frontend: ['acl nobody nonsense'] }),
      api: service(1, { backend: ['timeout server 7s'] }),
      more: service(2),
    })
    await serves(2)
    await eventually(() =>
      assert.deepEqual(
        quarantined(driver).map((each) => each.service),
        ['web'],
      ),
    )
    await eventually(async () => assert.match(await config(), /timeout server 7s/))
    await serves(0)
  })

  it('haproxy quarantine finds several at once', async () => {
    const driver = await started()
    driver.configure({
      web: service(0, { backend: ['timeout server never'] }),
      api: service(1, { backend: ['stick on src table nowhere'] }),
      more: service(2),
    })
    await serves(2)
    await eventually(() =>
      assert.deepEqual(
        quarantined(driver)
          .map((each) => each.service)
          .sort(),
        ['api', 'web'],
      ),
    )
    await serves(0)
    await serves(1)
  })

  it('haproxy quarantine does not blame a service for the top level', async () => {
    const driver = await started()
    driver.generator.configure({ ...driver.options, defaults: ['mode http', 'timeout connect never'] })
    driver.configure({ web: service(0), api: service(1) })
    await eventually(() => assert.match(String(driver.generator.state()['file_error']), /timeout connect/))
    assert.deepEqual(quarantined(driver), [])
    await serves(0)
  })

  it('haproxy quarantine ends by itself when what was missing is there', async () => {
    const page = directory.file('503.http')
    const driver = await started()
    driver.configure({ web: service(0, { frontend: [`errorfile 503 ${page}`] }), api: service(1) })
    await eventually(() => assert.equal(quarantined(driver)[0]?.service, 'web'))
    await writeFile(page, 'HTTP/1.0 503 No\r\ncontent-length: 0\r\n\r\n')
    await eventually(() => assert.deepEqual(quarantined(driver), []), 40_000) // it is tried again after 5 s, 10 s ...
    await eventually(async () => assert.match(await config(), /errorfile 503/))
    await eventually(() => assert.equal(driver.logged('quarantine ended: haproxy takes it now').length, 1))
  })

  it('haproxy quarantine does not take down a service that runs and would be refused now', async () => {
    const page = directory.file('503.http')
    await writeFile(page, 'HTTP/1.0 503 No\r\ncontent-length: 0\r\n\r\n')
    const driver = drive()
    const web = service(0, { frontend: [`errorfile 503 ${page}`] })
    driver.configure({ web, api: service(1) })
    await serves(0)
    await eventually(() => assert.notEqual(driver.passes, 0))
    const pid = await workerPid(directory.file('haproxy.sock'))
    await rm(page)
    driver.configure({ web, api: service(1), more: service(2) })
    await eventually(() => assert.match(String(driver.generator.state()['file_error']), /503.http/))
    await serves(0)
    assert.equal(await workerPid(directory.file('haproxy.sock')), pid)
  })

  it('haproxy quarantine starts HAProxy with the others when one service is refused, or its port is taken', async () => {
    const driver = drive()
    driver.configure({
      web: service(0),
      api: service(1, { backend: ['timeout server never'] }),
      more: { options: { port: two.port }, instances: [instance(one)] },
    })
    await serves(0)
    await eventually(() =>
      assert.deepEqual(
        quarantined(driver)
          .map((each) => each.service)
          .sort(),
        ['api', 'more'],
      ),
    )
  })

  it('haproxy quarantine falls back to what an earlier synapse knew to be good', async () => {
    const first = await started()
    await first.stop()
    const second = drive()
    second.configure({ web: service(0, { backend: ['timeout server never'] }), api: service(1), more: service(2) })
    await serves(2)
    await serves(0)
    await eventually(() => assert.equal(quarantined(second)[0]?.meanwhile, 'as before'))
  })
})
