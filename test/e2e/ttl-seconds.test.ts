import assert from 'node:assert/strict'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { readZnodes, type ZnodeReader } from '../harness/znode-reader.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const never = new AbortController().signal

/**
 * Airbnb's ttl_seconds writes a persistent registration again and again, and has nothing to do with the TTL znodes of
 * ZooKeeper 3.5: it works on a server that has these and on one that does not.
 */
for (const extended of [false, true]) {
  describe(`nerve with ttl_seconds on a ZooKeeper ${extended ? 'with' : 'without'} extended types`, function () {
    this.timeout(60_000)
    let zookeeper: ZooKeeperServer
    let znodes: ZnodeReader
    let nerve: Daemon

    const start = async (node_type: string) => {
      const web = { host: '127.0.0.1', port: 8080, checks: [{ type: 'noop' }] }
      const registry = { zk_hosts: [zookeeper.hosts], zk_path: '/services/web', node_type, ttl_seconds: 1 }
      nerve = await startNerve({ instance_id: 'i-1', services: { web: { ...web, ...registry } } })
      await eventually(() => znodes.onlyChild('/services/web'), 20_000)
    }
    const stat = async () => {
      const { name } = await znodes.onlyChild('/services/web')
      const found = await znodes.session.exists(`/services/web/${name}`, never)
      assert.ok(found, 'it is there')
      return { name, ...found }
    }

    before(async () => {
      zookeeper = await startZooKeeper({ javaOptions: [`-Dzookeeper.extendedTypesEnabled=${extended}`] })
      znodes = await readZnodes(zookeeper)
    })
    after(async () => {
      await znodes.close()
      await zookeeper.close()
    })
    afterEach(() => nerve.close())

    it('a persistent registration is written again every ttl_seconds, with the same payload', async () => {
      await start('persistent_sequential')
      const { name, version, ephemeralOwner } = await stat()
      assert.equal(ephemeralOwner, undefined)
      assert.match(name, /^i-1_\d{10}$/)
      await eventually(async () => assert.ok((await stat()).version >= version + 3, 'not written again'), 30_000)
      assert.equal((await stat()).name, name)
      assert.equal((await znodes.onlyChild('/services/web')).data, '{"host":"127.0.0.1","port":8080,"name":"i-1"}')
      assert.equal(await nerve.stop(), 0)
      assert.deepEqual(await znodes.children('/services/web'), [], 'an orderly stop removes it')
    })

    it('one that a cleaner took for dead comes back at once', async () => {
      await start('persistent')
      const { name, czxid } = await stat()
      await znodes.session.delete(`/services/web/${name}`, never)
      await eventually(async () => assert.notEqual((await stat()).czxid, czxid), 20_000)
    })

    it('one whose nerve died is no longer written, and is taken over by the next nerve', async () => {
      await start('persistent')
      nerve.kill('SIGKILL')
      await nerve.exit()
      // What it sent last has been written when its connection is gone.
      await eventually(async () => assert.equal((await zookeeper.connections()).length, 1, 'the own one'))
      const { version, czxid } = await stat()
      await consistently(async () => assert.equal((await stat()).version, version), 2_500)
      await start('persistent')
      await eventually(async () => {
        const now = await stat()
        assert.ok(now.version > version || now.czxid !== czxid, 'not written again')
      }, 20_000)
    })
  })
}
