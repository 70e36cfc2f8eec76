import assert from 'node:assert/strict'
import { type AirbnbRegistry, startAirbnbRegistry } from '../harness/airbnb-registry.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { type StatsdServer, startStatsd } from '../harness/statsd-server.ts'

type Keys = Readonly<Record<string, unknown>>

/** A metric of the reference's table, and every different datagram that the story below sends of it. */
interface Case {
  readonly metric: string
  readonly says: string
  readonly datagrams: (told: Told) => readonly string[]
}

/** What the datagrams of one run have in them. */
interface Told {
  /** ZooKeeper's address, which is its cluster's name where it has no other character than digits before the first dot. */
  readonly zk: string
  readonly version: string
  /** The port that is checked. */
  readonly port: number
}

const counter = (name: string, ...tags: readonly string[]) =>
  `${name}:1|c${tags.length === 0 ? '' : `|#${tags.join(',')}`}`
const timer = (name: string, ...tags: readonly string[]) => counter(name, ...tags).replace(':1|c', ':*|ms')

const cases: readonly Case[] = [
  { metric: 'nerve.start', says: 'once', datagrams: () => [counter('nerve.start')] },
  {
    metric: 'nerve.config.update',
    says: 'at the start and for an edit',
    datagrams: () => [counter('nerve.config.update')],
  },
  {
    metric: 'nerve.stop',
    says: 'a clean one of the main loop (deviation: none after SIGTERM there)',
    datagrams: () => [counter('nerve.stop', 'stop_avenue:clean', 'stop_location:main_loop')],
  },
  {
    metric: 'nerve.main_loop.elapsed_time',
    says: 'at the end',
    datagrams: () => [timer('nerve.main_loop.elapsed_time')],
  },
  {
    metric: 'nerve.watcher.launch',
    says: 'new services and edited ones',
    datagrams: () => [
      ...['web', 'named', 'old', 'encoded', 'kept', 'limited', 'local', 'away', 'sxy'].map((name) =>
        counter('nerve.watcher.launch', 'launch_reason:new', `watcher_name:${name}`),
      ),
      counter('nerve.watcher.launch', 'launch_reason:update', 'watcher_name:web'),
      counter('nerve.watcher.launch', 'launch_reason:new', 'watcher_name:added'),
    ],
  },
  {
    metric: 'nerve.watcher.reap',
    says: 'removed services and edited ones',
    datagrams: () => [
      counter('nerve.watcher.reap', 'reap_reason:old', 'watcher_name:old'),
      counter('nerve.watcher.reap', 'reap_reason:update', 'watcher_name:web'),
    ],
  },
  {
    metric: 'nerve.watcher.start',
    says: 'each service',
    datagrams: () =>
      ['web', 'named', 'old', 'encoded', 'kept', 'limited', 'local', 'away', 'sxy', 'added'].map((name) =>
        counter('nerve.watcher.start', `service_name:${name}`),
      ),
  },
  {
    metric: 'nerve.watcher.stop',
    says: 'each service, clean',
    datagrams: () =>
      ['web', 'named', 'old', 'encoded', 'kept', 'limited', 'local', 'away', 'sxy', 'added'].map((name) =>
        counter('nerve.watcher.stop', 'stop_avenue:clean', 'stop_location:main_loop', `service_name:${name}`),
      ),
  },
  {
    metric: 'nerve.watcher.status.ping.count',
    says: 'success of a registry that can be asked, fail of one that cannot, with the version',
    datagrams: ({ version }) => [
      ...['web', 'named', 'old', 'encoded', 'kept', 'limited', 'local', 'sxy', 'added'].map((name) =>
        ping('success', name, version),
      ),
      ping('fail', 'away', version),
    ],
  },
  {
    metric: 'nerve.watcher.status.service_check',
    says: 'each run with the verdict that rise and fall make, and the name of the check',
    datagrams: ({ port }) => [
      verdict('up', 'web', `http-127.0.0.1:${port}/health`),
      verdict('down', 'web', `http-127.0.0.1:${port}/health`),
      verdict('up', 'web', `web tcp-127.0.0.1:${port}`),
      verdict('up', 'named', 'my check'),
    ],
  },
  {
    metric: 'nerve.watcher.status.transition',
    says: 'what the registry was told',
    datagrams: () => [
      ...['web', 'named', 'old', 'encoded', 'kept', 'limited', 'local', 'sxy', 'added'].map((name) =>
        transition('up', name),
      ),
      transition('down', 'web'),
    ],
  },
  {
    metric: 'nerve.watcher.status.report.count',
    says: 'success, and fail where no connection is (deviation: that is a failed ping only there)',
    datagrams: () => [
      ...['web', 'named', 'old', 'encoded', 'kept', 'limited', 'local', 'sxy', 'added'].map((name) =>
        report('success', name),
      ),
      report('fail', 'away'),
    ],
  },
  {
    metric: 'nerve.watcher.throttled',
    says: 'a change beyond the limit, and whether it was let through',
    datagrams: () => [counter('nerve.watcher.throttled', 'service_name:limited', 'shadow_mode:true')],
  },
  {
    metric: 'nerve.reporter.zk.client.created',
    says: 'the first service of each cluster',
    datagrams: ({ zk }) => [
      counter('nerve.reporter.zk.client.created', `zk_cluster:${zk}`),
      counter('nerve.reporter.zk.client.created', 'zk_cluster:localhost:'),
      counter('nerve.reporter.zk.client.created', 'zk_cluster:127.0.0.1:1'),
    ],
  },
  {
    metric: 'nerve.reporter.zk.client.reused',
    says: 'the further ones',
    datagrams: ({ zk }) => [counter('nerve.reporter.zk.client.reused', `zk_cluster:${zk}`)],
  },
  {
    metric: 'nerve.reporter.zk.child.bytes',
    says: 'a gauge of the length of the encoded payload',
    datagrams: ({ zk }) => [`nerve.reporter.zk.child.bytes:56|g|#zk_cluster:${zk},zk_path:/services/encoded`],
  },
  {
    metric: 'nerve.reporter.zk.create.elapsed_time',
    says: 'whole milliseconds, with cluster and path',
    datagrams: ({ zk }) => [
      ...['web', 'named', 'old', 'encoded', 'kept', 'limited', 'sxy', 'added'].map((name) => created(zk, name)),
      created('localhost:', 'local'),
    ],
  },
  {
    metric: 'nerve.reporter.zk.save.elapsed_time',
    says: 'whole milliseconds, with the cluster',
    datagrams: ({ zk }) => [timer('nerve.reporter.zk.save.elapsed_time', `zk_cluster:${zk}`)],
  },
  {
    metric: 'nerve.reporter.zk.delete.elapsed_time',
    says: 'whole milliseconds, with the cluster',
    datagrams: ({ zk }) => [
      timer('nerve.reporter.zk.delete.elapsed_time', `zk_cluster:${zk}`),
      timer('nerve.reporter.zk.delete.elapsed_time', 'zk_cluster:localhost:'),
    ],
  },
  {
    metric: 'nerve.reporter.zk.ttl.renew',
    says: 'a renewal that worked',
    datagrams: ({ zk }) => [counter('nerve.reporter.zk.ttl.renew', `zk_cluster:${zk}`, 'result:success')],
  },
]

describe("Airbnb's nerve: StatsD datagrams", function () {
  this.timeout(120_000)
  let registry: AirbnbRegistry
  let instance: Instance
  let statsd: StatsdServer
  let nerve: Daemon
  let told: Told

  /** The whole story: start, a service that goes down and comes up, an edit, a stop. */
  before(async () => {
    ;[registry, instance, statsd] = await Promise.all([startAirbnbRegistry(), startInstance('web'), startStatsd()])
    const target = { host: '127.0.0.1', port: instance.port }
    const health = { type: 'http', uri: '/health', timeout: 5 }
    const checks = [health, { type: 'tcp', timeout: 5 }]
    const web = registry.service('web', { ...target, checks })
    // Rarely pinged: what the receiver has no room for is lost.
    const calm = (name: string, keys: Keys = {}) => registry.service(name, { check_interval: 0.5, ...keys })
    const { old, ...kept } = {
      web,
      named: calm('named', { ...target, checks: [{ type: 'tcp', timeout: 5, name: 'my |check' }] }),
      old: calm('old', { node_type: 'persistent_sequential' }),
      encoded: calm('encoded', { use_path_encoding: true }),
      kept: calm('kept', { node_type: 'persistent', ttl_seconds: 1 }),
      limited: calm('limited', { rate_limiting: { average_rate: 0 } }),
      local: calm('local', { zk_hosts: [`localhost:${registry.zookeeper.port}`] }),
      away: calm('away', { zk_hosts: ['127.0.0.1:1'] }),
      's|x,y': calm('sxy'),
    }
    await registry.create('/services', '') // of the others the parents are missing
    nerve = await startNerve(config({ ...kept, old }), { awaitReady: false })
    await sees(transition('up', 'web'))
    const { version } = await eventually(() => nerve.state<{ version: string }>(), 20_000) // it need not listen yet
    told = { zk: registry.zookeeper.hosts, version, port: instance.port }
    instance.healthy = false
    await sees(transition('down', 'web'))
    instance.healthy = true
    await registry.one('web')
    await sees(counter('nerve.reporter.zk.ttl.renew', `zk_cluster:${told.zk}`, 'result:success'))
    for (const name of ['named', 'old', 'encoded', 'kept', 'limited', 'local', 'sxy'])
      await sees(ping('success', name, version))
    await nerve.configure(config({ ...kept, web: { ...web, weight: 3 }, added: calm('added') }))
    nerve.hup()
    await sees(transition('up', 'added'))
    await sees(ping('success', 'added', version))
    await sees(ping('fail', 'away', version))
    await sees(timer('nerve.reporter.zk.save.elapsed_time', `zk_cluster:${told.zk}`))
    assert.equal(await nerve.stop(), 0)
    await sees(counter('nerve.stop', 'stop_avenue:clean', 'stop_location:main_loop'))
  })
  after(async () => {
    await nerve?.close()
    await Promise.all([statsd?.close(), instance?.stop(), registry?.close()])
  })

  const config = (services: Keys) => ({ instance_id: 'i', statsd: { host: '127.0.0.1', port: statsd.port }, services })
  const sees = (datagram: string) =>
    eventually(
      () => assert.ok(statsd.of('nerve').includes(datagram), `${datagram}\n${statsd.of('nerve').join('\n')}`),
      30_000,
    )

  for (const { metric, says, datagrams } of cases) {
    it(`${metric}: ${says} (2.10)`, () => {
      const sent = statsd.of(metric).filter((datagram) => datagram.startsWith(`${metric}:`))
      assert.deepEqual([...sent].sort(), [...datagrams(told)].sort())
    })
  }

  it('no metric beside those of the table is sent (2.10)', () => {
    const known = new Set(cases.map(({ metric }) => metric))
    const unknown = statsd.datagrams.filter((datagram) => !known.has(datagram.slice(0, datagram.indexOf(':'))))
    assert.deepEqual(unknown, [])
  })

  it('each is a datagram of its own, without a line break (1)', () => {
    assert.deepEqual(
      statsd.datagrams.filter((datagram) => /\n/.test(datagram)),
      [],
    )
  })

  it('counters are told once each: one start, one stop, one removal (2.10)', () => {
    const count = (start: string) => statsd.datagrams.filter((datagram) => datagram.startsWith(start)).length
    assert.deepEqual(
      [count('nerve.start'), count('nerve.stop'), count('nerve.config.update'), count('nerve.watcher.reap')],
      [1, 1, 2, 2],
    )
  })

  it('a registration is one create, also where its path has to be made (2.10)', () => {
    const creates = (name: string) => {
      const tags = created(told.zk, name).split('|ms')[1]
      return statsd.datagrams.filter((one) => one.startsWith('nerve.reporter.zk.create.') && one.endsWith(`|ms${tags}`))
        .length
    }
    const names = ['named', 'old', 'encoded', 'kept', 'limited', 'sxy', 'added']
    assert.deepEqual(
      names.map((name) => [name, creates(name)]),
      names.map((name) => [name, 1]),
    )
    assert.equal(creates('web'), 2, 'it went down and came back')
  })
})

describe("Airbnb's nerve: StatsD datagrams of a service that is down from the start", function () {
  this.timeout(60_000)
  let registry: AirbnbRegistry
  let statsd: StatsdServer
  let nerve: Daemon

  before(async () => {
    ;[registry, statsd] = await Promise.all([startAirbnbRegistry(), startStatsd()])
    // Nobody listens at port 1.
    const checks = [{ type: 'tcp', host: '127.0.0.1', port: 1, timeout: 5 }]
    const services = { web: registry.service('web', { checks }) }
    nerve = await startNerve({ instance_id: 'i', statsd: { host: '127.0.0.1', port: statsd.port }, services })
  })
  after(async () => {
    await nerve?.close()
    await Promise.all([statsd?.close(), registry?.close()])
  })

  it('the first result is reported, though there is nothing to remove: a report and a transition, once (2.6, 2.10)', async () => {
    const told = () =>
      statsd.datagrams.filter((datagram) => /watcher\.status\.(?:transition|report)/.test(datagram)).toSorted()
    const expected = [report('success', 'web'), transition('down', 'web')]
    await eventually(() => assert.deepEqual(told(), expected))
    const runs = () => statsd.datagrams.filter((datagram) => datagram.includes('service_check')).length
    const before = runs()
    await eventually(() => assert.ok(runs() >= before + 5, 'five further runs, which fail as the first'))
    assert.deepEqual(told(), expected)
  })

  it('nothing is done to the registry (2.10)', () => {
    assert.deepEqual(
      statsd.datagrams.filter((datagram) => /reporter\.zk\.(?:create|save|delete)/.test(datagram)),
      [],
    )
  })
})

const ping = (result: string, name: string, version: string) =>
  counter(
    'nerve.watcher.status.ping.count',
    `ping_result:${result}`,
    `service_name:${name}`,
    `nerve_version:${version}`,
  )
const verdict = (result: string, name: string, check: string) =>
  counter('nerve.watcher.status.service_check', `check_result:${result}`, `service_name:${name}`, `check_name:${check}`)
const transition = (status: string, name: string) =>
  counter('nerve.watcher.status.transition', `new_status:${status}`, `service_name:${name}`)
const report = (result: string, name: string) =>
  counter('nerve.watcher.status.report.count', `report_result:${result}`, `service_name:${name}`)
const created = (cluster: string, name: string) =>
  timer('nerve.reporter.zk.create.elapsed_time', `zk_cluster:${cluster}`, `zk_path:/services/${name}`)
