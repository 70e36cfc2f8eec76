import assert from 'node:assert/strict'
import type { Daemon } from '../harness/daemon.ts'
import { startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'
import { type StatsdServer, startStatsd } from '../harness/statsd-server.ts'
import { readHistory } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

/** The names and tags are those of Airbnb's nerve 0.9.7, which dashboards know. */
describe('nerve: StatsD', function () {
  this.timeout(60_000)
  let zookeeper: ZooKeeperServer
  let instance: Instance
  let statsd: StatsdServer
  let nerve: Daemon | undefined

  before(async () => {
    zookeeper = await startZooKeeper()
    instance = await startInstance('web')
  })
  after(async () => {
    await instance.stop()
    await zookeeper.close()
  })
  beforeEach(async () => {
    instance.healthy = true
    statsd = await startStatsd()
  })
  afterEach(async () => {
    await nerve?.close()
    nerve = undefined
    await statsd.close()
  })

  const service = (more: Readonly<Record<string, unknown>> = {}) => ({
    host: '127.0.0.1',
    port: instance.port,
    zk_hosts: [zookeeper.hosts],
    zk_path: '/services/web',
    check_interval: 0.1,
    checks: [{ type: 'http', uri: '/health', timeout: 5 }],
    ...more,
  })
  const config = (services: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}) => ({
    instance_id: 'i-1',
    services,
    statsd: { host: '127.0.0.1', port: statsd.port, ...more },
  })
  const seen = (name: string, expected: readonly string[]) =>
    eventually(() => assert.deepEqual(statsd.of(name), expected), 20_000)
  const sees = (datagram: string) =>
    eventually(
      () => assert.ok(statsd.of('nerve').includes(datagram), `${datagram}\n${statsd.of('nerve').join('\n')}`),
      20_000,
    )

  it('tells the start, a registration, its end and an orderly stop', async () => {
    nerve = await startNerve(config({ web: service() }))
    const cluster = `zk_cluster:${zookeeper.hosts.split(',')[0]}`
    await seen('nerve.start', ['nerve.start:1|c'])
    await seen('nerve.config', ['nerve.config.update:1|c'])
    await seen('nerve.watcher.launch', ['nerve.watcher.launch:1|c|#launch_reason:new,watcher_name:web'])
    await seen('nerve.watcher.start', ['nerve.watcher.start:1|c|#service_name:web'])
    await sees('nerve.watcher.status.report.count:1|c|#report_result:success,service_name:web')
    await seen('nerve.watcher.status.transition', [
      'nerve.watcher.status.transition:1|c|#new_status:up,service_name:web',
    ])
    await seen('nerve.reporter.zk.client', [`nerve.reporter.zk.client.created:1|c|#${cluster}`])
    // The first create finds no parent and fails: Airbnb's nerve sends the time of failed operations too.
    await seen('nerve.reporter.zk.create', [
      `nerve.reporter.zk.create.elapsed_time:*|ms|#${cluster},zk_path:/services/web`,
    ])
    const check = `check_name:http-127.0.0.1:${instance.port}/health`
    await seen('nerve.watcher.status.service_check', [
      `nerve.watcher.status.service_check:1|c|#check_result:up,service_name:web,${check}`,
    ])
    const { version } = await nerve.state<{ version: string }>()
    await sees(`nerve.watcher.status.ping.count:1|c|#ping_result:success,service_name:web,nerve_version:${version}`)

    instance.healthy = false
    await sees(`nerve.watcher.status.service_check:1|c|#check_result:down,service_name:web,${check}`)
    await sees('nerve.watcher.status.transition:1|c|#new_status:down,service_name:web')
    await seen('nerve.reporter.zk.delete', [`nerve.reporter.zk.delete.elapsed_time:*|ms|#${cluster}`])

    assert.equal(await nerve.stop(), 0)
    await seen('nerve.watcher.stop', [
      'nerve.watcher.stop:1|c|#stop_avenue:clean,stop_location:main_loop,service_name:web',
    ])
    await seen('nerve.main_loop', ['nerve.main_loop.elapsed_time:*|ms'])
    await seen('nerve.stop', ['nerve.stop:1|c|#stop_avenue:clean,stop_location:main_loop'])
    assert.deepEqual(statsd.of('nerve.watcher.reap'), [], 'a stop of nerve is no reaping')
    assert.ok(statsd.datagrams.every((datagram) => !datagram.includes('\n')))
  })

  it('tells a live edit: a changed, an added and a removed service', async () => {
    nerve = await startNerve(config({ web: service(), old: service({ checks: [] }) }))
    await sees(`nerve.reporter.zk.client.reused:1|c|#zk_cluster:${zookeeper.hosts.split(',')[0]}`)
    for (const name of ['web', 'old'])
      await sees(`nerve.watcher.status.report.count:1|c|#report_result:success,service_name:${name}`)
    statsd.datagrams.length = 0
    await nerve.configure(config({ web: service({ weight: 7 }), added: service({ checks: [] }) }))
    nerve.hup()
    await seen('nerve.config', ['nerve.config.update:1|c'])
    await sees('nerve.watcher.launch:1|c|#launch_reason:update,watcher_name:web')
    await sees('nerve.watcher.reap:1|c|#reap_reason:update,watcher_name:web')
    await sees('nerve.watcher.launch:1|c|#launch_reason:new,watcher_name:added')
    await sees('nerve.watcher.reap:1|c|#reap_reason:old,watcher_name:old')
    await sees('nerve.watcher.stop:1|c|#stop_avenue:clean,stop_location:main_loop,service_name:old')
    await sees(`nerve.reporter.zk.save.elapsed_time:*|ms|#zk_cluster:${zookeeper.hosts.split(',')[0]}`)
  })

  it('tells reports and pings that fail, the length of an encoded name, and renewals', async () => {
    const away = await freePort()
    nerve = await startNerve(
      config({
        web: service({ zk_hosts: [`127.0.0.1:${away}`] }),
        encoded: service({ use_path_encoding: true, zk_path: '/services/encoded' }),
        kept: service({ node_type: 'persistent', ttl_seconds: 1, zk_path: '/services/kept' }),
      }),
      { awaitReady: false },
    )
    await sees('nerve.watcher.status.report.count:1|c|#report_result:fail,service_name:web')
    const started = nerve
    const { version } = await eventually(() => started.state<{ version: string }>(), 20_000) // it need not listen yet
    await sees(`nerve.watcher.status.ping.count:1|c|#ping_result:fail,service_name:web,nerve_version:${version}`)
    const cluster = `zk_cluster:${zookeeper.hosts.split(',')[0]}`
    await eventually(() =>
      assert.match(
        statsd.of('nerve.reporter.zk.child.bytes').join(),
        new RegExp(`^nerve\\.reporter\\.zk\\.child\\.bytes:\\d+\\|g\\|#${cluster},zk_path:/services/encoded$`),
      ),
    )
    await sees(`nerve.reporter.zk.ttl.renew:1|c|#${cluster},result:success`)
    assert.deepEqual(
      statsd.of('nerve.watcher.status.transition').filter((datagram) => datagram.includes('service_name:web')),
      [],
      'a transition is told when the registry has it',
    )
  })

  it('rate_limiting: shadow mode tells and lets through, enforcement tells and delays', async () => {
    const limits = { average_rate: 0.25, max_burst: 1 } // a change each 4 s
    const paths = (path: string) => zookeeper.ephemeralsUnder(path)
    nerve = await startNerve(
      config({
        shadow: service({ rate_limiting: limits, zk_path: '/services/shadow' }),
        enforced: service({ rate_limiting: { ...limits, shadow_mode: false }, zk_path: '/services/enforced' }),
      }),
    )
    await eventually(async () => assert.equal((await paths('/services/enforced')).length, 1), 20_000)
    instance.healthy = false // takes the next token, as soon as there is one
    await eventually(async () => assert.equal((await paths('/services/enforced')).length, 0), 20_000)
    instance.healthy = true // the next change
    await sees('nerve.watcher.throttled:1|c|#service_name:shadow,shadow_mode:true')
    await sees('nerve.watcher.throttled:1|c|#service_name:enforced,shadow_mode:false')
    await eventually(async () => assert.equal((await paths('/services/shadow')).length, 1), 20_000)
    await eventually(async () => assert.equal((await paths('/services/enforced')).length, 1), 20_000)
    const [, removed, back] = (await readHistory(zookeeper)).changes.filter(({ path }) =>
      path.startsWith('/services/enforced/'),
    )
    const heldBackMs = Number(back?.at) - Number(removed?.at)
    assert.ok(heldBackMs > 2_000, `held back for ${heldBackMs} ms`)
    assert.ok((await nerve.metric('nerve_throttled_changes_total', 'mode="enforced"')) >= 1)
  })

  it('sample_rate sends a share and says so; an edit that takes statsd out ends the sending', async () => {
    const name = 'nerve.watcher.status.service_check'
    nerve = await startNerve(config({ web: service() }, { sample_rate: { [name]: 0.5 } }))
    await eventually(() =>
      assert.match(statsd.of(name).join(), /^nerve\.watcher\.status\.service_check:1\|c\|@0\.5\|#/),
    )
    const { statsd: _, ...without } = config({ web: service() })
    await nerve.configure(without)
    nerve.hup()
    await eventually(async () => assert.equal(await nerve?.metric('smartstack_config_reloads_total', 'applied'), 1))
    await eventually(async () => {
      const before = statsd.datagrams.length
      await consistently(() => assert.equal(statsd.datagrams.length, before), 300)
    })
  })
})
