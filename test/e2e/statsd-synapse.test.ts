import assert from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../harness/eventually.ts'
import { type MainJob, startMainJob } from '../harness/main-job.ts'
import { type StatsdServer, startStatsd } from '../harness/statsd-server.ts'

/** The names and tags are those of Airbnb's synapse 0.18.9, which dashboards know. */
describe('synapse: StatsD', function () {
  this.timeout(60_000)
  let job: MainJob
  let statsd: StatsdServer

  before(async () => {
    job = await startMainJob()
    statsd = await startStatsd()
  })
  after(async () => {
    await job.close()
    await statsd.close()
  })

  const sees = (datagram: string) =>
    eventually(
      () => assert.ok(statsd.of('synapse').includes(datagram), `${datagram}\n${statsd.of('synapse').join('\n')}`),
      10_000,
    )

  it('tells the start, discoveries, pings with their sample rate, and an orderly stop', async () => {
    const ping = 'synapse.watcher.ping.count'
    const synapse = await job.synapse({
      ...job.synapseConfig(),
      statsd: { host: '127.0.0.1', port: statsd.port, sample_rate: { [ping]: 0.9 } },
    })
    const cluster = `zk_cluster:${job.zookeeper.hosts.split(',')[0]}`
    await sees('synapse.start:1|c')
    await sees('synapse.watchers.start.time:*|ms')
    await sees('synapse.config.update:1|c')
    await sees('synapse.watcher.start:1|c|#start_result:success,watcher_name:web')
    const { version } = await synapse.state<{ version: string }>()
    await sees(`${ping}:1|c|@0.9|#watcher_name:web,ping_result:success,synapse_version:${version}`)
    await sees(`synapse.watcher.zk.client.created:1|c|#${cluster},service_name:web`)
    await sees(`synapse.watcher.zk.create_path.elapsed_time:*|ms|#${cluster},service_name:web`)
    await sees(`synapse.watcher.zk.children.elapsed_time:*|ms|#${cluster},service_name:web`)
    await sees(`synapse.watcher.zk.discovery:1|c|#${cluster},zk_path:/services/web,service_name:web`)

    const instance = await job.instance('one')
    await job.nerve('host-1', { web: job.service(instance) })
    await sees(`synapse.watcher.zk.get.elapsed_time:*|ms|#${cluster},service_name:web`)

    await sees('synapse.haproxy.check_config:1|c|#status:true')

    assert.equal(await synapse.stop(), 0)
    await sees('synapse.watcher.stop:1|c|#stop_avenue:clean,stop_location:main_loop,watcher_name:web')
    await sees('synapse.main_loop.elapsed_time:*|ms')
    await sees('synapse.stop:1|c|#stop_avenue:clean,stop_location:main_loop')
  })

  it("tells what became of HAProxy's configuration: a check that fails, and a reload that does", async () => {
    statsd.datagrams.length = 0
    const config = job.synapseConfig() as { readonly services: { readonly web: Readonly<Record<string, unknown>> } }
    const haproxy = (more: Readonly<Record<string, unknown>>) => ({
      ...{ config_file_path: join(job.directory, 'external.cfg'), do_writes: true, do_reloads: true, do_socket: false },
      ...{ global: [], defaults: ['mode http'], restart_interval: 0.1, ...more },
    })
    const start = (more: Readonly<Record<string, unknown>>) =>
      job.synapse(
        {
          services: { web: { ...config.services.web, haproxy: { port: job.port } } },
          haproxy: haproxy(more),
          statsd: { host: '127.0.0.1', port: statsd.port },
        },
        { awaitReady: false },
      )
    const refused = await start({ do_checks: true, check_command: 'false', reload_command: 'true' })
    await sees('synapse.haproxy.check_config:1|c|#status:false')
    assert.ok(!statsd.of('synapse').includes('synapse.haproxy.reload_failed:1|c'), 'what was refused is not reloaded')
    await refused.stop()

    await start({ reload_command: 'exit 3' })
    await sees('synapse.haproxy.reload_failed:1|c')
  })
})
