import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Session, SessionPool } from '../../src/zookeeper/zookeeper.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'
import { createTestPool } from '../harness/test-pool.ts'
import { readHistory } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

/** The files of BlaBlaCar's nerve, run by ours; what it wrote is read through a client of the test's own. */
describe('nerve with a configuration of BlaBlaCar', function () {
  this.timeout(90_000)
  const never = new AbortController().signal
  let zookeeper: ZooKeeperServer
  let instance: Instance
  let sessions: SessionPool
  let session: Session
  let directory: string
  let nerve: Daemon | undefined

  before(async () => {
    zookeeper = await startZooKeeper()
    instance = await startInstance('web')
    sessions = createTestPool().pool
    session = sessions.acquire({ hosts: [zookeeper.hosts], sessionTimeoutMs: 10_000 })
    await session.connected(never)
    directory = await mkdtemp(join(tmpdir(), 'blablacar-nerve-'))
  })
  after(async () => {
    await sessions.close()
    await instance.stop()
    await zookeeper.close()
    await rm(directory, { recursive: true, force: true })
  })
  afterEach(async () => {
    await nerve?.close()
    nerve = undefined
  })

  const start = async (services: string, options: Parameters<typeof startNerve>[1] = {}) => {
    nerve = await startNerve(`apiHost: 127.0.0.1\napiPort: ${await freePort()}\nservices:\n${services}`, options)
    return nerve
  }
  const nodes = async (path: string) => {
    const exists = await session.exists(path, never)
    const { children } = exists === undefined ? { children: [] } : await session.getChildren(path, never)
    return Promise.all(
      children.map(async (name) => ({
        name,
        data: (await session.getData(`${path}/${name}`, never)).data.toString('utf8'),
      })),
    )
  }
  const onlyNode = async (path: string) => {
    const [node, ...others] = await nodes(path)
    assert.ok(node !== undefined && others.length === 0, `${path} has ${others.length + (node ? 1 : 0)} nodes`)
    return node
  }
  /** A program that leaves a line in a file, and ends with what `status` says. */
  const script = async (name: string, body: string) => {
    const path = join(directory, name)
    await writeFile(path, `#!/bin/sh\n${body}\n`)
    await chmod(path, 0o755)
    return path
  }
  const fileOf = (name: string) => readFile(join(directory, name), 'utf8').catch(() => '')
  const put = (path: string) => fetch(`${nerve?.adminUrl}${path}`, { method: 'PUT' })

  it('a typical file is taken as it is: payload and name of the znode are those of go-nerve', async () => {
    await start(
      `
  - name: "es_site-search"
    host: {{ .SERVICE_HOST }}
    port: ${instance.port}
    preferIpv4: true
    reporterServiceName: 'es-{{ .NODE }}'
    haproxyServerOptions: "check inter 2s & fall 3"
    setServiceAsDownOnShutdown: true
    labels: {zone: <par>, host: r10-srv1}
    enableWarmupIntervalInMilli: 10
    disableMinDurationInMilli: 1
    checks:
      - {type: http, path: /health, timeoutInMilli: 2000, rise: 2, fall: 2, checkIntervalInMilli: 50}
      - {type: tcp, checkIntervalInMilli: 50}
    reporters:
      - {type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /services/es, connectionTimeoutInMilli: 3000}
      - {type: file, path: ${directory}/report}
      - {type: console}
`,
      { env: { SERVICE_HOST: '127.0.0.1', NODE: 'n1' } },
    )
    const expected = `{"available":true,"host":"127.0.0.1","port":${instance.port},"name":"es-n1","haproxy_server_options":"check inter 2s \\u0026 fall 3","weight":255,"labels":{"host":"r10-srv1","zone":"\\u003cpar\\u003e"}}`
    const { name } = await eventually(async () => {
      const node = await onlyNode('/services/es')
      assert.equal(node.data, expected)
      return node
    }, 20_000)
    assert.match(name, /^es_site-search_127\.0\.0\.1_c_[0-9a-f]{32}[0-9]{10}$/)
    await eventually(async () => assert.equal(await fileOf('report'), `${expected}\n`))
    const [{ timeoutMs = 0 } = {}] = await zookeeper
      .connections()
      .then((all) => all.filter(({ sessionId }) => sessionId !== session.state.sessionId))
    assert.equal(timeoutMs, 3000, 'connectionTimeoutInMilli is the session timeout')
    await nerve?.stop()
    assert.equal(await fileOf('report'), '', 'an unavailable service leaves an empty file')
    assert.match(nerve?.output ?? '', /"available":true,.*"weight":1,/, 'the console reporter tells every step')
  })

  it('the weight grows in the steps of go-nerve, each seen in the znode', async () => {
    await start(`
  - name: warm
    port: ${instance.port}
    enableWarmupIntervalInMilli: 150
    enableWarmupMaxDurationInMilli: 60000 # it stands still while a busy registry takes longer than that
    disableMinDurationInMilli: 1
    checks: [{type: tcp, checkIntervalInMilli: 20}]
    reporters: [{type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /services/warm}]
`)
    const seen = await eventually(async () => {
      const { changes } = await readHistory(zookeeper) // a look at the znode may come too late for a step
      const written = changes.filter(({ path, data }) => path.startsWith('/services/warm/') && data !== '')
      const weights = written.map(({ data }) => (JSON.parse(data) as { weight: number }).weight)
      assert.equal(weights.at(-1), 255)
      return weights
    }, 40_000)
    assert.deepEqual(seen, [1, 2, 3, 4, 6, 9, 15, 23, 38, 61, 98, 158, 255])
    assert.match(
      (await nerve?.metrics()) ?? '',
      /^nerve_service_available\{name="warm",ip="127\.0\.0\.1",port="\d+"\} 255$/m,
    )
  })

  it('disable and enable through the API run the commands and wait for the clients', async () => {
    const mark = async (name: string, more = '') => script(name, `echo "$0 $HOME" >> ${directory}/hooks\n${more}`)
    const before = await mark('before')
    const gone = await mark('gone', `[ $(grep -c gone ${directory}/hooks) -ge 3 ]`)
    const end = await mark('end')
    await start(
      `
  - name: api
    port: ${instance.port}
    enableWarmupIntervalInMilli: 10
    preAvailableCommand: [${before}]
    disableGracefullyDoneCommand: [${gone}]
    disableGracefullyDoneIntervalInMilli: 1000 # which is also the time that a run has
    disableShutdownCommand: [${end}]
    disableMinDurationInMilli: 500
    checks: [{type: tcp, checkIntervalInMilli: 20}]
    reporters: [{type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /services/api}]
  - name: other
    port: ${instance.port}
    excludeFromGlobalDisable: true
    disableMinDurationInMilli: 1
    checks: [{type: tcp, checkIntervalInMilli: 20}]
    reporters: [{type: file, path: ${directory}/other}]
`,
      { env: { HOME: '/home/of-nerve' } },
    )
    const hooks = async () => (await fileOf('hooks')).split('\n').map((line) => line.replace(`${directory}/`, ''))
    await eventually(async () => assert.match((await onlyNode('/services/api')).data, /"weight":255/), 20_000)
    assert.deepEqual(await hooks(), ['before /home/of-nerve', ''], 'with the environment of nerve')

    const started = Date.now()
    const disabled = await put('/services/api/disable')
    const took = Date.now() - started
    assert.equal(disabled.status, 200, 'a disable that worked is no error')
    assert.deepEqual(await disabled.json(), {
      Name: 'api',
      Host: '127.0.0.1',
      Port: instance.port,
      Status: 'disabled',
      MaxWeight: 255,
      CurrentWeight: 0,
      Available: false,
    })
    assert.ok(took >= 500, `it takes at least disableMinDurationInMilli, took ${took}`)
    assert.deepEqual(await nodes('/services/api'), [])
    assert.deepEqual(await hooks(), ['before /home/of-nerve', ...Array(3).fill('gone /home/of-nerve'), ''])
    assert.equal((await fetch(`${nerve?.adminUrl}/status`)).status, 503)
    assert.equal((await fetch(`${nerve?.adminUrl}/services/other/status`)).status, 200)

    const enabled = await put('/services/api/enable')
    assert.equal(enabled.status, 200)
    await eventually(async () => assert.match((await onlyNode('/services/api')).data, /"available":true/))
    assert.equal((await put('/services/api/weight/7')).status, 200)
    await eventually(async () => assert.match((await onlyNode('/services/api')).data, /"weight":7[,}]/), 20_000)
    assert.equal((await put('/services/nobody/disable')).status, 404)
    assert.equal((await put('/services/api/weight/256')).status, 400)

    // The old way, by GET.
    const all = (await (await fetch(`${nerve?.adminUrl}/disable`)).json()) as { Name: string; Status: string }[]
    assert.deepEqual(
      all.map(({ Name, Status }) => `${Name} ${Status}`),
      ['api disabled', 'other enabled'],
    )
    await put('/enable')
    await nerve?.stop(20_000)
    assert.ok((await hooks()).includes('end /home/of-nerve'), 'the shutdown command runs when nerve stops')
    assert.deepEqual(await nodes('/services/api'), [])
  })

  it('a service that is down stays visible with exposeOnUnavailable', async () => {
    const closed = await freePort()
    await start(`
  - name: exposed
    port: ${closed}
    disableMinDurationInMilli: 1
    checks: [{type: tcp, checkIntervalInMilli: 20}]
    reporters: [{type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /services/exposed, exposeOnUnavailable: true}]
`)
    const { data } = await eventually(() => onlyNode('/services/exposed'), 20_000)
    const told = JSON.parse(data) as Record<string, unknown>
    assert.deepEqual(Object.keys(told), ['available', 'unavailable_reason', 'host', 'port', 'name', 'weight'])
    assert.deepEqual([told['available'], told['weight']], [false, 0])
    assert.match(String(told['unavailable_reason']), /refused/)
    assert.ok(((await nerve?.metric('nerve_checker_failure_total', 'type="tcp"')) ?? 0) > 0)
  })

  it('a stop takes the service down for at least disableMinDurationInMilli; setServiceAsDownOnShutdown false leaves it', async () => {
    const service = (name: string, more: string) => `
  - name: ${name}
    port: ${instance.port}
    ${more}
    enableWarmupIntervalInMilli: 10
    checks: [{type: tcp, checkIntervalInMilli: 20}]
    reporters: [{type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /services/${name}, connectionTimeoutInMilli: 10000}]
`
    await start(service('down', 'disableMinDurationInMilli: 800'))
    await eventually(() => onlyNode('/services/down'), 20_000)
    const stopping = Date.now()
    const stopped = nerve?.stop()
    await eventually(async () => assert.deepEqual(await nodes('/services/down'), []))
    assert.equal(await stopped, 0)
    assert.ok(Date.now() - stopping >= 800)
    await nerve?.close()

    await start(service('stays', 'setServiceAsDownOnShutdown: false'))
    await eventually(() => onlyNode('/services/stays'), 20_000)
    assert.equal(await nerve?.stop(), 0)
    await onlyNode('/services/stays')
    await eventually(async () => assert.deepEqual(await nodes('/services/stays'), []), 30_000)
  })
})
