import assert from 'node:assert/strict'
import { type BlablacarSite, callApi, quick, startBlablacarSite } from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'

const never = new AbortController().signal

/** Checks that follow a patient at once. */
const health = {
  checks: [{ type: 'http', path: '/health', rise: 1, fall: 1, checkIntervalInMilli: 20, timeoutInMilli: 10_000 }],
}

/** Reference blablacar-yelp.md 1.7 and 1.8: what stands in ZooKeeper. */
describe('conformance to go-nerve: znodes', function () {
  this.timeout(60_000)
  let site: BlablacarSite
  let nerve: Daemon
  /** Checked by `flips` and `exposed`; the tests make it ill and well. */
  let patient: Instance
  let port: number

  before(async () => {
    site = await startBlablacarSite()
    patient = await startInstance('patient')
    port = site.instance.port
    const closed = await freePort()
    const exposing = (name: string) => ({
      reporters: [site.registry(`/services/${name}`, { exposeOnUnavailable: true })],
    })
    nerve = await site.nerve([
      { port, ...quick, reporters: [site.registry('/services/bare')] },
      site.service('full', {
        ...{ reporterServiceName: 'full-n1', weight: 100, haproxyServerOptions: 'check inter 2s' },
        labels: { zone: 'par', host: 'srv1', '10': 'x', version: 2, canary: true },
      }),
      site.service('escapes', { haproxyServerOptions: '<a> & "b" \\ \u2028', labels: { '<k>': '&' } }),
      site.service('named', {
        host: 'localhost',
        checks: [{ type: 'tcp', host: '127.0.0.1', checkIntervalInMilli: 20 }],
      }),
      site.service('deep', { reporters: [site.registry('/services/a/b/c')] }),
      site.service('slash', { reporters: [site.registry('/services/slash/')] }),
      site.service('twice', { reporters: [site.registry('/services/twice/1'), site.registry('/services/twice/2')] }),
      site.service('flips', { port: patient.port, ...health }),
      site.service('exposed', { port: patient.port, ...health, ...exposing('exposed') }),
      site.service('hidden', { port: closed }),
      site.service('ill', { port: closed, reporterServiceName: 'ill-n1', labels: { a: 'b' }, ...exposing('ill') }),
      site.service('taken-down', exposing('taken-down')),
    ])
    await eventually(async () => assert.equal((await site.znode('/services/full')).payload['weight'], 100), 20_000)
  })
  after(async () => {
    await patient.stop()
    await site.close()
  })

  const whole = (path: string, weight = 255) =>
    eventually(async () => {
      const znode = await site.znode(path)
      assert.equal(znode.payload['weight'], weight)
      return znode
    }, 20_000)
  const gone = (path: string) => eventually(async () => assert.deepEqual(await site.znodes(path), []), 20_000)

  describe('1.7 payload', () => {
    it('has available, host, port, name, weight in this order, and nothing that is empty', async () => {
      const { text } = await whole('/services/bare')
      assert.equal(text, `{"available":true,"host":"127.0.0.1","port":${port},"name":"127.0.0.1:${port}","weight":255}`)
    })
    it('has haproxy_server_options before the weight, and labels last: text, sorted by name', async () => {
      const { text } = await whole('/services/full', 100)
      const start = `{"available":true,"host":"127.0.0.1","port":${port},"name":"full-n1"`
      const end = `"weight":100,"labels":{"10":"x","canary":"true","host":"srv1","version":"2","zone":"par"}}`
      assert.equal(text, `${start},"haproxy_server_options":"check inter 2s",${end}`)
    })
    it('has <, >, & and U+2028 as Go writes them', async () => {
      const { text, payload } = await whole('/services/escapes')
      assert.ok(text.includes(String.raw`"haproxy_server_options":"\u003ca\u003e \u0026 \"b\" \\ \u2028"`), text)
      assert.ok(text.includes(String.raw`"labels":{"\u003ck\u003e":"\u0026"}`), text)
      assert.equal(payload['haproxy_server_options'], '<a> & "b" \\ \u2028')
    })
    it('of a service that is down has available false, the reason second, and weight 0', async () => {
      const { text, payload } = await eventually(() => site.znode('/services/ill'), 20_000)
      const keys = ['available', 'unavailable_reason', 'host', 'port', 'name', 'weight', 'labels']
      assert.deepEqual(Object.keys(payload), keys)
      assert.match(text, /^\{"available":false,"unavailable_reason":"[^"]*refused[^"]*",.*"weight":0,/)
    })
    it('the reason names each failing check in one line, where theirs is a chain on several', async () => {
      const { payload } = await eventually(() => site.znode('/services/ill'), 20_000)
      assert.match(String(payload['unavailable_reason']), /^ill tcp-127\.0\.0\.1:\d+: .*refused.*$/)
    })
    it('of a service that is disabled has the reason of go-nerve', async () => {
      await whole('/services/taken-down')
      await callApi(nerve, 'PUT', '/services/taken-down/disable')
      const { payload } = await site.znode('/services/taken-down')
      assert.deepEqual([payload['available'], payload['weight']], [false, 0])
      assert.equal(payload['unavailable_reason'], 'Service is disabled')
    })
  })

  describe('1.8 name and kind of the znode', () => {
    it('<name>_<host>_c_<32 hexadecimal digits><sequence>', async () => {
      const { name } = await whole('/services/full', 100)
      assert.match(name, /^full_127\.0\.0\.1_c_[0-9a-f]{32}[0-9]{10}$/)
    })
    it('the name is that of the service, not reporterServiceName; <host>:<port> without one', async () => {
      const { name } = await whole('/services/bare')
      assert.ok(name.startsWith(`127.0.0.1:${port}_127.0.0.1_c_`), name)
    })
    it('host is published and named as it is configured, not resolved', async () => {
      const { name, payload } = await whole('/services/named')
      assert.equal(payload['host'], 'localhost')
      assert.ok(name.startsWith('named_localhost_c_'), name)
    })
    it('it is ephemeral, of the session of nerve', async () => {
      const { path, stat } = await whole('/services/full', 100)
      const owners = [...(await site.zookeeper.ephemerals())].filter(([, paths]) => paths.includes(path))
      assert.equal(owners.length, 1)
      assert.notEqual(stat.ephemeralOwner, undefined)
      assert.notEqual(stat.ephemeralOwner, site.session.state.sessionId)
    })
    it('anybody may change it: its ACL is open', async () => {
      const { path } = await whole('/services/a/b/c')
      await site.session.setData(path, Buffer.from('{}'), never)
      await site.session.delete(path, never)
    })
    it('parents are made, persistent and empty', async () => {
      for (const path of ['/services', '/services/a', '/services/a/b', '/services/a/b/c']) {
        const { data, stat } = await site.session.getData(path, never)
        assert.deepEqual([data.length, stat.ephemeralOwner], [0, undefined], path)
      }
    })
    it('path may end with /', async () => {
      await whole('/services/slash')
    })
    it('every reporter gets the same', async () => {
      const [one, two] = [await whole('/services/twice/1'), await whole('/services/twice/2')]
      assert.equal(one.text, two.text)
    })
  })

  describe('1.8 reporting', () => {
    it('a service that is down has no znode', async () => {
      await eventually(async () => {
        const { status } = await callApi(nerve, 'GET', '/services/hidden/status')
        assert.equal(status, 503)
      })
      assert.deepEqual(await site.znodes('/services/hidden'), [])
    })
    it('the znode is removed when the service goes down, and made anew, with a higher number, when it is back', async () => {
      const before = await whole('/services/flips')
      patient.healthy = false
      await gone('/services/flips')
      patient.healthy = true
      const after = await whole('/services/flips')
      assert.ok(Number(after.name.slice(-10)) > Number(before.name.slice(-10)), `${before.name} ${after.name}`)
    })
    it('exposeOnUnavailable keeps the same znode through down and up', async () => {
      const before = await whole('/services/exposed')
      patient.healthy = false
      const down = await whole('/services/exposed', 0)
      patient.healthy = true
      const after = await whole('/services/exposed')
      assert.deepEqual([down.name, after.name], [before.name, before.name])
      assert.deepEqual([down.payload['available'], after.payload['available']], [false, true])
    })
    it('a znode that somebody removes is there again at once, not after the refresh', async () => {
      const before = await whole('/services/bare')
      await site.session.delete(before.path, never)
      const after = await whole('/services/bare')
      assert.notEqual(after.stat.czxid, before.stat.czxid)
    })
    it('one session serves all services of an ensemble', async () => {
      const others = (await site.zookeeper.connections()).filter(
        ({ sessionId }) => sessionId !== site.session.state.sessionId,
      )
      assert.equal(others.length, 1)
    })
    it('connectionTimeoutInMilli is the timeout of the session, 2000 ms when it is not given', async () => {
      const { stat } = await whole('/services/full', 100)
      const sessions = await site.zookeeper.connections()
      const mine = sessions.find(
        ({ sessionId }) => BigInt(sessionId) === BigInt(`0x${stat.ephemeralOwner?.replace(/^0x/, '')}`),
      )
      assert.equal(mine?.timeoutMs, 2000)
    })
    it('refreshIntervalInMilli is the time after which nerve looks at the znode again', async () => {
      const registry = site.registry('/services/looks', {
        connectionTimeoutInMilli: 30_000,
        refreshIntervalInMilli: 40,
      })
      const looking = await site.nerve([site.service('looks', { reporters: [registry] })])
      await whole('/services/looks')
      const requests = async () => {
        const line = (await site.zookeeper.fourLetter('cons')).split('\n').find((each) => each.includes('to=30000'))
        return Number(/recved=(\d+)/.exec(line ?? '')?.[1])
      }
      const first = await requests()
      await eventually(async () => assert.ok((await requests()) > first + 10, 'it asks'), 20_000)
      await looking.close()
    })
    it('a service that goes down while ZooKeeper does not answer loses its znode, where theirs may keep it', async () => {
      const registry = site.registry('/services/stale', { connectionTimeoutInMilli: 30_000 })
      const ill = site.service('stale', { port: patient.port, ...health, reporters: [registry] })
      const cut = await site.nerve([ill])
      await whole('/services/stale')
      await site.zookeeper.freeze()
      patient.healthy = false
      await eventually(async () => assert.equal((await callApi(cut, 'GET', '/services/stale/status')).status, 503))
      site.zookeeper.thaw()
      await gone('/services/stale')
      patient.healthy = true
      await cut.close()
    })
    it('a lost session costs the znode no longer than the next session takes, where theirs took up to five minutes', async () => {
      const before = await whole('/services/full', 100)
      await site.zookeeper.restart({ empty: true })
      const after = await eventually(async () => {
        const znode = await site.znode('/services/full')
        assert.notEqual(znode.stat.ephemeralOwner, before.stat.ephemeralOwner)
        return znode
      }, 40_000)
      assert.equal(after.text, before.text, 'with the weight that it had: the service was never down')
    })
  })
})
