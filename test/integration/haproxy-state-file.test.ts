import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { eventually } from '../harness/eventually.ts'
import { Backend, HaproxyDirectory, request, show, showServers } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { freePort } from '../harness/ports.ts'

/** Maintenance, and said so by the file. */
const DISABLED_IN_FILE = 5

interface StateFile {
  readonly web?: Readonly<Record<string, { readonly timestamp: number; readonly haproxy_server_id: number }>>
}

describeOnEachHaproxy('haproxy generator, state file', (binary) => {
  let directory: HaproxyDirectory
  let one: Backend
  let two: Backend
  let port: number
  let drivers: Driver[]

  before(async () => {
    one = await Backend.start('one')
    two = await Backend.start('two')
  })
  after(() => Promise.all([one.stop(), two.stop()]))
  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    port = await freePort()
    drivers = []
  })
  afterEach(async () => {
    await Promise.all(drivers.map((driver) => driver.stop()))
    await directory.remove()
  })

  function drive(): Driver {
    const driver = new Driver(directory.options({ tombstone_delete_delay: 1, state_file_path: path() }))
    drivers.push(driver)
    return driver
  }

  const path = () => directory.file('state.json')
  const stats = () => directory.file('haproxy.sock')
  const instance = (backend: Backend): ServiceInstance => ({
    name: backend.name,
    host: '127.0.0.1',
    port: backend.port,
  })
  const web = (...backends: Backend[]) => ({ web: { options: { port }, instances: backends.map(instance) } })
  const nameOf = (backend: Backend) => `${backend.name}_127.0.0.1:${backend.port}`
  const server = (backend: Backend, state = 0) => `${nameOf(backend)} 127.0.0.1:${backend.port} 1 ${state}`
  const shows = (...servers: string[]) =>
    eventually(async () => assert.deepEqual(await showServers(stats(), 'web'), [...servers].sort()))
  const file = async () => JSON.parse(await readFile(path(), 'utf8')) as StateFile
  const idOf = async (backend: Backend) =>
    new RegExp(`^\\d+ web (\\d+) ${nameOf(backend)} `, 'm').exec(await show(stats(), 'show servers state web'))?.[1]
  const entry = (backend: Backend, id: number, timestamp: number) => ({
    [nameOf(backend)]: { timestamp, haproxy_server_id: id, ...instance(backend) },
  })

  it('haproxy generator keeps a server that is gone, disabled, and only says ready when it returns', async () => {
    const driver = drive()
    driver.configure(web(one, two))
    await shows(server(one), server(two))
    driver.discover('web', [instance(one)])
    await shows(server(one), server(two, 1))
    await eventually(async () =>
      assert.match(
        await readFile(directory.file('haproxy.cfg'), 'utf8'),
        new RegExp(`server ${nameOf(two)} .* disabled`),
      ),
    )
    assert.equal(await driver.metric('synapse_haproxy_tombstones'), 0)
    driver.discover('web', [instance(one), instance(two)])
    await shows(server(one), server(two))
    assert.equal(await driver.metric('synapse_haproxy_commands_total{kind="add-server",result="ok"}'), 0)
    assert.equal(await driver.reloads(), 0)
  })

  it("haproxy generator writes Airbnb's state file after a change", async () => {
    const driver = drive()
    driver.configure(web(one))
    await eventually(async () => {
      const found = (await file()).web?.[nameOf(one)]
      assert.ok(Math.abs((found?.timestamp ?? 0) - Date.now() / 1000) < 20, 'a fresh timestamp')
      assert.equal(String(found?.haproxy_server_id), await idOf(one))
    })
    const options = (await file()).web?.['watcher_config_for_generator'] as { port?: number } | undefined
    assert.equal(options?.port, port)
    driver.discover('web', [instance(one), instance(two)])
    await eventually(async () =>
      assert.equal(String((await file()).web?.[nameOf(two)]?.haproxy_server_id), await idOf(two)),
    )
  })

  it('haproxy generator takes the ids of the state file, its servers, and forgets those that are too old', async () => {
    const now = Math.floor(Date.now() / 1000)
    const old = { 'old_127.0.0.1:1': { timestamp: now - 86_500, name: 'old', host: '127.0.0.1', port: 1 } }
    await writeFile(path(), JSON.stringify({ web: { ...entry(one, 7, now), ...entry(two, 9, now - 100), ...old } }))
    const driver = drive()
    driver.configure(web(one))
    await eventually(async () => assert.equal(await request(port), 'one'))
    await shows(server(one), server(two, DISABLED_IN_FILE))
    assert.deepEqual([await idOf(one), await idOf(two)], ['7', '9'])
    driver.discover('web', [instance(two)])
    await eventually(async () => assert.equal(await request(port), 'two'))
    assert.deepEqual([await idOf(one), await idOf(two)], ['7', '9'])
    await eventually(async () => assert.equal((await file()).web?.['old_127.0.0.1:1'], undefined))
    assert.equal(await driver.reloads(), 0)
  })

  for (const [what, text] of [
    ['is missing', undefined],
    ['is cut off', '{"web": {'],
  ] as const) {
    it(`haproxy generator starts without a state file that ${what}, with one warning`, async () => {
      if (text !== undefined) await writeFile(path(), text)
      const driver = drive()
      driver.configure(web(one))
      await eventually(async () => assert.equal(await request(port), 'one'))
      await eventually(async () => assert.ok((await file()).web, 'it is written'))
      assert.equal(driver.logged('starting without a state file').length, 1)
    })
  }
})
