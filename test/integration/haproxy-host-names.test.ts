import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import type { Lookup } from '../../src/synapse/generators/haproxy/host-names.ts'
import { eventually } from '../harness/eventually.ts'
import { Backend, HaproxyDirectory, request, showServers, startLoad, workerPid } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { freePort } from '../harness/ports.ts'

describeOnEachHaproxy('haproxy generator, host names', (binary) => {
  let directory: HaproxyDirectory
  let backend: Backend
  let port: number
  let driver: Driver
  let addresses: Record<string, string>

  before(async () => {
    backend = await Backend.start('named')
  })
  after(() => backend.stop())

  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    port = await freePort()
    addresses = { 'web-1.example': '127.0.0.1' }
    driver = drive()
  })
  afterEach(async () => {
    await driver.stop()
    await directory.remove()
  })

  function drive(more: Readonly<Record<string, unknown>> = {}): Driver {
    const lookup: Lookup = (host) => {
      const address = addresses[host]
      return address === undefined ? new Promise(() => {}) : Promise.resolve([address]) // or never answered
    }
    return new Driver(directory.options(more), { lookup })
  }

  const instance = (host: string): ServiceInstance => ({ name: '', host, port: backend.port })
  const web = (...hosts: string[]) => ({ web: { options: { port }, instances: hosts.map(instance) } })
  const stats = () => directory.file('haproxy.sock')
  const shows = (...servers: string[]) =>
    eventually(async () => assert.deepEqual(await showServers(stats(), 'web'), [...servers].sort()))
  const line = (host: string, address: string, state = 0) =>
    `${host}:${backend.port} ${address}:${backend.port} 1 ${state}`

  it('haproxy generator gives HAProxy the address of a name, at run time', async () => {
    driver.configure(web('127.0.0.1'))
    await shows(line('127.0.0.1', '127.0.0.1'))
    const pid = await workerPid(stats())
    driver.discover('web', ['127.0.0.1', 'web-1.example', 'slow.example'].map(instance))
    await shows(line('127.0.0.1', '127.0.0.1'), line('web-1.example', '127.0.0.1'))
    assert.equal(await workerPid(stats()), pid)
    assert.equal(await driver.reloads(), 0)
    driver.discover('web', [instance('web-1.example')])
    await eventually(async () => assert.equal(await request(port), 'named'))
    await eventually(async () =>
      assert.match(await readFile(directory.file('haproxy.cfg'), 'utf8'), /server web-1.example/),
    )
  })

  it('haproxy generator takes over what an earlier synapse had resolved while there is no answer yet', async () => {
    driver = drive({ on_stop: 'leave' })
    driver.configure(web('web-1.example'))
    await shows(line('web-1.example', '127.0.0.1'))
    await eventually(async () => assert.equal(await request(port), 'named'))
    await eventually(() => assert.notEqual(driver.passes, 0))
    await driver.stop()
    const pid = await workerPid(stats())
    addresses = {}
    const load = startLoad(port)
    driver = drive()
    driver.configure(web('web-1.example'))
    await eventually(() => assert.notEqual(driver.passes, 0))
    await shows(line('web-1.example', '127.0.0.1'))
    assert.deepEqual((await load.stop()).failures, {})
    assert.equal(await workerPid(stats()), pid)
  })

  describe('when an address changes', () => {
    const other = createServer((_request, response) => response.end('moved'))
    beforeEach(async () => {
      other.listen(backend.port, '127.0.0.2')
      await once(other, 'listening')
    })
    afterEach(async () => {
      other.closeAllConnections()
      await new Promise((resolve) => other.close(resolve))
    })

    const at = (name: string, address: string): ServiceInstance => ({
      name,
      host: '127.0.0.1',
      port: backend.port,
      address,
    })
    const server = (name: string, address: string) => `${name}_${line('127.0.0.1', address)}`

    it('haproxy generator changes it at run time where another server takes the requests of that moment', async () => {
      driver.configure({ web: { options: { port }, instances: [at('a', '127.0.0.1'), at('b', '127.0.0.1')] } })
      await eventually(async () => assert.equal(await request(port), 'named'))
      await shows(server('a', '127.0.0.1'), server('b', '127.0.0.1'))
      const pid = await workerPid(stats())
      const load = startLoad(port)
      for (let change = 0; change < 20; change++) {
        const address = change % 2 === 0 ? '127.0.0.2' : '127.0.0.1'
        driver.discover('web', [at('a', address), at('b', '127.0.0.1')])
        await shows(server('a', address), server('b', '127.0.0.1'))
      }
      driver.discover('web', [at('a', '127.0.0.1'), at('b', '127.0.0.2')])
      await shows(server('a', '127.0.0.1'), server('b', '127.0.0.2'))
      driver.discover('web', [at('a', '127.0.0.2'), at('b', '127.0.0.2')])
      await shows(server('a', '127.0.0.2'), server('b', '127.0.0.2'))
      assert.equal(await request(port), 'moved')
      assert.deepEqual((await load.stop()).failures, {})
      assert.equal(await workerPid(stats()), pid)
      assert.equal(await driver.reloads(), 0)
      assert.deepEqual(driver.logged('servers changed')[0]?.fields['addresses'], [
        `a_127.0.0.1:${backend.port}=127.0.0.2`,
      ])
    })

    it('haproxy generator reloads for the address of the only server, and loses no request', async () => {
      driver.configure({ web: { options: { port }, instances: [at('a', '127.0.0.1')] } })
      await eventually(async () => assert.equal(await request(port), 'named'))
      const load = startLoad(port)
      driver.discover('web', [at('a', '127.0.0.2')])
      await eventually(async () => assert.equal(await request(port), 'moved'))
      assert.deepEqual((await load.stop()).failures, {})
      await eventually(async () => assert.equal(await driver.reloads(), 1))
    })
  })
})
