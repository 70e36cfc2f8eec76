import assert from 'node:assert/strict'
import type { Session, SessionPool } from '../../src/zookeeper/zookeeper.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { createTestPool } from '../harness/test-pool.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

/** Reads what nerve wrote, through a client of the test's own. */
describe('znodes of nerve are those of Airbnb, byte for byte', function () {
  this.timeout(60_000)
  const never = new AbortController().signal
  let zookeeper: ZooKeeperServer
  let instance: Instance
  let sessions: SessionPool
  let session: Session
  let nerve: Daemon | undefined

  before(async () => {
    zookeeper = await startZooKeeper()
    instance = await startInstance('web')
    sessions = createTestPool().pool
    session = sessions.acquire({ hosts: [zookeeper.hosts], sessionTimeoutMs: 10_000 })
    await session.connected(never)
  })
  after(async () => {
    await sessions.close()
    await instance.stop()
    await zookeeper.close()
  })
  afterEach(async () => {
    await nerve?.close()
  })

  const register = async (path: string, service: Readonly<Record<string, unknown>>) => {
    nerve = await startNerve({
      instance_id: 'i-abc',
      services: { web: { host: '10.0.0.1', port: 3000, zk_hosts: [zookeeper.hosts], zk_path: path, ...service } },
    })
    return eventually(async () => {
      const { children } = await session.getChildren(path, never)
      const [name] = children
      assert.equal(children.length, 1)
      assert.ok(name !== undefined)
      return { name, data: (await session.getData(`${path}/${name}`, never)).data.toString('utf8') }
    })
  }

  it('a registration with weight and labels', async () => {
    const { name, data } = await register('/services/web', { weight: 3, labels: { az: 'us-east-1a' } })
    assert.equal(data, '{"host":"10.0.0.1","port":3000,"name":"i-abc","weight":3,"labels":{"az":"us-east-1a"}}')
    assert.equal(name, 'i-abc_0000000000')
  })

  it('host, port and name alone; a port that is written as text stays text', async () => {
    const { data } = await register('/services/text', { port: '3000' })
    assert.equal(data, '{"host":"10.0.0.1","port":"3000","name":"i-abc"}')
  })

  it('a non-sequential node keeps the underscore at its end', async () => {
    const { name } = await register('/services/plain', { node_type: 'ephemeral' })
    assert.equal(name, 'i-abc_')
  })

  it('use_path_encoding puts the payload into the name', async () => {
    const { name } = await register('/services/encoded', { weight: 3, labels: { az: 'x?>y' }, use_path_encoding: true })
    const encoded =
      'eyJob3N0IjoiMTAuMC4wLjEiLCJwb3J0IjozMDAwLCJuYW1lIjoiaS1hYmMiLCJ3ZWlnaHQiOjMsImxhYmVscyI6eyJheiI6Ing_PnkifX0='
    assert.equal(name, `base64_108_${encoded}_0000000000`)
  })

  it("Airbnb's own example configuration is accepted unchanged", async () => {
    nerve = await startNerve(
      `
instance_id: mymachine
listen_port: 1025
services:
  your_http_service:
    port: ${instance.port}
    host: "127.0.0.1"
    zk_hosts: ["${zookeeper.hosts}"]
    zk_path: "/nerve/services/your_http_service/services"
    reporter_type: "zookeeper"
    check_interval: 2
    checks:
      - type: http
        uri: /health
        timeout: 0.2
        rise: 3
        fall: 2
      - type: tcp
        timeout: 0.2
  your_tcp_service:
    port: ${instance.port}
    host: "127.0.0.1"
    zk_hosts: ["${zookeeper.hosts}"]
    zk_path: "/nerve/services/your_tcp_service/services"
    check_interval: 2
    rate_limiting: {shadow_mode: true, average_rate: 0.1, max_burst: 10}
    checks:
      - type: tcp
        timeout: 0.2
        rise: 3
        fall: 2
`,
      {},
    )
    // A check that took longer than its 0.2 s, or did so twice, is up after three that do not.
    await eventually(async () => assert.equal((await zookeeper.ephemeralsUnder('/nerve')).length, 2), 40_000)
    assert.match(nerve.output, /listen_port/, 'a key that nothing reads is a warning')
  })
})
