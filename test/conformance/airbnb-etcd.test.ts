import assert from 'node:assert/strict'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { type EtcdKey, type EtcdServer, startEtcd } from '../harness/etcd-server.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'

type Keys = Readonly<Record<string, unknown>>

/** The keys and the payload are Airbnb's; the API is that of etcd v3 (docs/migrating.md). */
describe("Airbnb's nerve: the etcd reporter", function () {
  this.timeout(60_000)
  let etcd: EtcdServer
  let instance: Instance
  let nerve: Daemon

  before(async () => {
    ;[etcd, instance] = await Promise.all([startEtcd(), startInstance('web')])
    const service = (more: Keys) => ({
      ...{ host: '10.0.0.1', port: 3000, check_interval: 0.1 },
      ...{ reporter_type: 'etcd', etcd_host: '127.0.0.1', etcd_port: etcd.port },
      ...more,
    })
    const health = { type: 'http', host: '127.0.0.1', port: instance.port, uri: '/health', timeout: 5 }
    nerve = await startNerve({
      instance_id: 'i-1',
      services: {
        web: service({ etcd_path: '/nerve/web', checks: [health] }),
        full: service({ etcd_path: '/nerve/full', weight: 3, haproxy_server_options: 'backup', labels: { az: 'a' } }),
        root: service({}),
        blank: service({ etcd_path: 'nerve//blank/' }),
        text: service({ etcd_path: '/nerve/text', etcd_port: String(etcd.port), reporter_type: 'ETCD' }),
      },
    })
  })
  after(async () => {
    await nerve?.close()
    await Promise.all([etcd?.close(), instance?.stop()])
  })

  const one = (prefix: string): Promise<EtcdKey> =>
    eventually(async () => {
      const keys = await etcd.keys(prefix)
      const [only] = keys
      assert.equal(keys.length, 1, `${prefix} has ${keys.length} keys`)
      assert.ok(only !== undefined, 'no key')
      return only
    }, 30_000)
  const none = (prefix: string) => eventually(async () => assert.deepEqual(await etcd.keys(prefix), []), 30_000)
  const plain = '{"host":"10.0.0.1","port":3000,"name":"i-1"}'

  it('the key is under etcd_path and the instance_id, its value the payload (2.8)', async () => {
    const { key, value } = await one('/nerve/web')
    assert.match(key, /^\/nerve\/web\/i-1\/\d+$/)
    assert.equal(value, plain)
  })

  it('the payload is that of a znode, byte for byte (2.8)', async () => {
    const { value } = await one('/nerve/full')
    const added = '"weight":3,"haproxy_server_options":"backup","labels":{"az":"a"}'
    assert.equal(value, `${plain.slice(0, -1)},${added}}`)
  })

  it('etcd_path: / unless given (2.8)', async () => assert.match((await one('/i-1/')).key, /^\/i-1\/\d+$/))

  it('etcd_path: its segments count, not its slashes (2.8)', async () => {
    assert.match((await one('/nerve/blank')).key, /^\/nerve\/blank\/i-1\/\d+$/)
  })

  it('reporter_type in any case, and etcd_port as text (2.4)', async () =>
    assert.equal((await one('/nerve/text')).value, plain))

  it('the key lives on a lease, so that it goes when nerve is silent (2.8, deviation: a time to live of 5 intervals there)', async () => {
    assert.notEqual((await one('/nerve/web')).lease, '0')
  })

  it('a service that goes down is removed, and stays so (2.8 defect D5: the next ping puts it back there)', async () => {
    await one('/nerve/web')
    instance.healthy = false
    await none('/nerve/web')
    await consistently(async () => assert.deepEqual(await etcd.keys('/nerve/web'), []), 500)
  })

  it('a service that comes up again is registered again (2.8)', async () => {
    instance.healthy = true
    assert.equal((await one('/nerve/web')).value, plain)
  })

  it('a stop removes every key (2.8)', async () => {
    assert.equal(await nerve.stop(), 0)
    assert.deepEqual(await etcd.keys('/'), [])
  })
})
