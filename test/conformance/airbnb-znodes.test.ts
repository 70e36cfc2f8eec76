import assert from 'node:assert/strict'
import { type AirbnbRegistry, type Found, startAirbnbRegistry } from '../harness/airbnb-registry.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'

type Keys = Readonly<Record<string, unknown>>

/** What a service's keys make of its znode, byte for byte. */
interface Case {
  readonly name: string
  readonly keys: Keys
  /** Of the znode, when it is not i-abc_0000000000. */
  readonly znode?: string
  /** Of the payload, after host, port and name; undefined: the payload is as `payload` says. */
  readonly adds?: string
  readonly payload?: string
}

const encoded = (payload: string) =>
  Buffer.from(payload)
    .toString('base64url')
    .padEnd(Math.ceil(payload.length / 3) * 4, '=')
const plain = '{"host":"10.0.0.1","port":3000,"name":"i-abc"}'

const cases: readonly Case[] = [
  { name: 'host, port and name, and no other key of the service (2.8)', keys: { check_mocked: true }, payload: plain },
  { name: 'port: a number stays a number (2.4)', keys: { port: 8080 }, payload: plain.replace('3000', '8080') },
  { name: 'port: text stays text (2.4)', keys: { port: '3000' }, payload: plain.replace('3000', '"3000"') },
  {
    name: 'host: a name is published as it is (2.4)',
    keys: { host: 'db.example.com' },
    payload: plain.replace('10.0.0.1', 'db.example.com'),
  },
  { name: 'weight: a whole number (2.8)', keys: { weight: 3 }, adds: '"weight":3' },
  { name: 'weight: digits become a number (2.4)', keys: { weight: '3' }, adds: '"weight":3' },
  { name: 'weight: leading zeros are dropped (2.4)', keys: { weight: '007' }, adds: '"weight":7' },
  { name: 'weight: 0 is published (2.4)', keys: { weight: 0 }, adds: '"weight":0' },
  {
    name: 'haproxy_server_options: text (2.8)',
    ...{
      keys: { haproxy_server_options: 'backup check inter 2s' },
      adds: '"haproxy_server_options":"backup check inter 2s"',
    },
  },
  {
    name: 'haproxy_server_options: anything else is published as it is (2.4)',
    ...{ keys: { haproxy_server_options: ['backup'] }, adds: '"haproxy_server_options":["backup"]' },
  },
  {
    name: 'haproxy_server_options: a key without a value is published as null (2.4)',
    ...{ keys: { haproxy_server_options: null }, adds: '"haproxy_server_options":null' },
  },
  { name: 'labels: a map (2.8)', keys: { labels: { az: 'us-east-1a' } }, adds: '"labels":{"az":"us-east-1a"}' },
  {
    name: 'labels: in the order of the file, with their types (2.8)',
    ...{ keys: { labels: { z: 'a', a: 1, m: true } }, adds: '"labels":{"z":"a","a":1,"m":true}' },
  },
  { name: 'labels: an empty map is published (2.4)', keys: { labels: {} }, adds: '"labels":{}' },
  {
    name: 'labels: characters beyond ASCII are written as they are (2.8)',
    keys: { labels: { city: 'Zürich' } },
    adds: '"labels":{"city":"Zürich"}',
  },
  {
    name: 'labels: no value is none (2.4, deviation: null is published there)',
    keys: { labels: null },
    payload: plain,
  },
  { name: 'weight: no value is none (2.4, deviation: an error there)', keys: { weight: null }, payload: plain },
  {
    name: 'weight, haproxy_server_options and labels come in this order, whatever that of the file (2.8)',
    keys: { labels: { az: 'a' }, haproxy_server_options: 'backup', weight: 3 },
    adds: '"weight":3,"haproxy_server_options":"backup","labels":{"az":"a"}',
  },
  {
    name: 'node_type: ephemeral_sequential is the default (2.8)',
    keys: { node_type: 'ephemeral_sequential' },
    payload: plain,
  },
  {
    name: 'node_type: persistent_sequential has a number too (2.8)',
    keys: { node_type: 'persistent_sequential' },
    payload: plain,
  },
  {
    name: 'node_type: ephemeral ends with the underscore (2.8)',
    keys: { node_type: 'ephemeral' },
    znode: 'i-abc_',
    payload: plain,
  },
  {
    name: 'node_type: persistent ends with the underscore (2.8)',
    keys: { node_type: 'persistent' },
    znode: 'i-abc_',
    payload: plain,
  },
  {
    name: 'use_path_encoding: the payload is in the name too (2.8)',
    keys: { use_path_encoding: true, weight: 3, labels: { az: 'x?>y' } },
    znode:
      'base64_108_eyJob3N0IjoiMTAuMC4wLjEiLCJwb3J0IjozMDAwLCJuYW1lIjoiaS1hYmMiLCJ3ZWlnaHQiOjMsImxhYmVscyI6eyJheiI6Ing_PnkifX0=_0000000000',
    adds: '"weight":3,"labels":{"az":"x?>y"}',
  },
  {
    name: 'use_path_encoding: with padding, and without a number where the node_type has none (2.8)',
    keys: { use_path_encoding: true, node_type: 'ephemeral' },
    znode: `base64_64_${encoded(plain)}_`,
    payload: plain,
  },
  {
    name: 'use_path_encoding: a payload of more than 65536 characters gives the plain name (2.8)',
    keys: { use_path_encoding: true, labels: { long: 'x'.repeat(49_200) } },
    adds: `"labels":{"long":"${'x'.repeat(49_200)}"}`,
  },
  { name: 'reporter_type is lower-cased (2.4)', keys: { reporter_type: 'ZOOKEEPER' }, payload: plain },
  {
    name: 'name and instance_id of a service do not count (2.3)',
    keys: { name: 'x', instance_id: 'y' },
    payload: plain,
  },
]

describe("Airbnb's nerve: znodes, byte for byte", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let nerve: Daemon

  before(async () => {
    registry = await startAirbnbRegistry()
    // Two paths that exist before nerve does: one with an empty parent, one with data that synapse reads.
    await registry.create('/services', 'above')
    await registry.create('/services/configured', '{"haproxy":{}}')
    const services = Object.fromEntries(
      cases.map(({ keys }, index) => [`s${index}`, registry.service(`s${index}`, keys)]),
    )
    nerve = await startNerve({
      instance_id: 'i-abc',
      services: {
        ...services,
        one: registry.service('one', { zk_hosts: twoNames(registry.zookeeper.port) }),
        other: registry.service('other', { zk_hosts: twoNames(registry.zookeeper.port).reverse() }),
        deep: registry.service('deep', { zk_path: '/services/a/b/c/deep' }),
        configured: registry.service('configured'),
        fleet: registry.service('fleet', { load_test_concurrency: 3 }),
        chroot: registry.service('chroot', {
          zk_hosts: [`${registry.zookeeper.hosts}/services/root`],
          zk_path: '/inside',
        }),
      },
    })
  })
  after(async () => {
    await nerve?.close()
    await registry?.close()
  })

  for (const [index, { name, znode = 'i-abc_0000000000', adds, payload }] of cases.entries()) {
    it(name, async () => {
      const found = await registry.one(`s${index}`)
      assert.equal(found.data, payload ?? `${plain.slice(0, -1)},${adds}}`)
      assert.equal(found.name, znode)
    })
  }

  const byType = (type: string) => cases.findIndex(({ keys }) => keys['node_type'] === type)
  for (const type of ['ephemeral_sequential', 'ephemeral'] as const) {
    it(`node_type: ${type} ends with the session of nerve (2.8)`, async () => {
      const { owner } = await registry.one(`s${byType(type)}`)
      const { sessions } = await nerve.state<{ sessions: { session: { sessionId: string } }[] }>()
      assert.ok(
        sessions.some(({ session }) => session.sessionId === owner),
        `${owner} is a session of nerve`,
      )
    })
  }
  for (const type of ['persistent_sequential', 'persistent'] as const) {
    it(`node_type: ${type} ends with no session (2.8)`, async () => {
      assert.equal((await registry.one(`s${byType(type)}`)).owner, undefined)
    })
  }

  it('the name is instance_id, an underscore and ten digits (2.8)', async () => {
    assert.match((await registry.one('s0')).name, /^i-abc_\d{10}$/)
  })

  it('missing parents are created, all the way, persistent and without data (2.8)', async () => {
    await eventually(async () => assert.ok(await registry.at('/services/a/b/c/deep'), 'the path is there'))
    for (const path of ['/services/a', '/services/a/b', '/services/a/b/c', '/services/a/b/c/deep']) {
      const parent = (await registry.at(path)) as Found
      assert.deepEqual([parent.data, parent.owner], ['', undefined], path)
    }
  })

  it('a parent that exists keeps its data (2.8 defect D6: a race empties it there)', async () => {
    await registry.one('configured')
    assert.equal((await registry.at('/services/configured'))?.data, '{"haproxy":{}}')
    assert.equal((await registry.at('/services'))?.data, 'above')
  })

  it('load_test_concurrency: as many services, named with a number from 0 (2.4)', async () => {
    await eventually(async () => assert.equal((await registry.registrations('fleet')).length, 3))
    const { services } = await nerve.state<{ services: { name: string }[] }>()
    const names = services.map(({ name }) => name).filter((name) => name.startsWith('fleet'))
    assert.deepEqual(names, ['fleet_0', 'fleet_1', 'fleet_2'])
  })

  it('a chroot after the hosts is supported, and created when missing (1)', async () => {
    await eventually(async () =>
      assert.ok(await registry.at('/services/root/inside/i-abc_0000000000'), 'inside the chroot'),
    )
  })

  it('znodes are open to all: another client, which is nobody, may change and remove one (1)', async () => {
    const { name } = await registry.one('s0')
    await registry.remove(`/services/s0/${name}`)
  })

  it('services of the same hosts share one session, in whichever order they name them (2.8)', async () => {
    const { sessions } = await nerve.state<{ sessions: { ensemble: string; users: number }[] }>()
    const hosts = registry.zookeeper.hosts
    assert.deepEqual(sessions.map(({ ensemble, users }) => [ensemble, users]).sort(), [
      [hosts, cases.length + 5],
      [`${hosts},localhost:${registry.zookeeper.port}`, 2],
      [`${hosts}/services/root`, 1],
    ])
  })

  it('an orderly stop removes them all, the persistent ones too, and leaves the parents (2.8, 2.9)', async () => {
    assert.equal(await nerve.stop(), 0)
    for (const service of [...cases.map((_, index) => `s${index}`), 'configured', 'fleet']) {
      assert.deepEqual(await registry.registrations(service), [], service)
      assert.ok(await registry.at(`/services/${service}`), `/services/${service} stays`)
    }
  })
})

describe("Airbnb's nerve: labels as YAML has them", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let nerve: Daemon

  const cases: readonly { readonly name: string; readonly labels: string; readonly published: string }[] = [
    {
      name: 'yes, no, on and off are flags, in any case (1)',
      ...{ labels: '{a: yes, b: No, c: ON, d: off}', published: '{"a":true,"b":false,"c":true,"d":false}' },
    },
    {
      name: 'in quotes they are text (1)',
      ...{ labels: '{a: "yes", b: \'off\'}', published: '{"a":"yes","b":"off"}' },
    },
    { name: 'a number is a number (1)', ...{ labels: '{version: 1.10}', published: '{"version":1.1}' } },
  ]

  before(async () => {
    registry = await startAirbnbRegistry()
    const services = cases.map(
      ({ labels }, index) =>
        `  s${index}: {host: 10.0.0.1, port: 1, zk_hosts: ["${registry.zookeeper.hosts}"], zk_path: /services/s${index}, labels: ${labels}}`,
    )
    nerve = await startNerve(['instance_id: i-abc', 'services:', ...services].join('\n'))
  })
  after(async () => {
    await nerve?.close()
    await registry?.close()
  })

  for (const [index, { name, published }] of cases.entries()) {
    it(name, async () => {
      const { data } = await registry.one(`s${index}`)
      assert.equal(data, `{"host":"10.0.0.1","port":1,"name":"i-abc","labels":${published}}`)
    })
  }
})

const twoNames = (port: number) => [`localhost:${port}`, `127.0.0.1:${port}`]
