import assert from 'node:assert/strict'
import { formatMetric } from '../../../src/core/statsd-format.ts'
import type { SynapseEvent } from '../../../src/synapse/events.ts'
import { synapseMetrics } from '../../../src/synapse/statsd-names.ts'

const service = 'web'
const hosts = ['zk-main1.example.com:2181']
const tags = 'zk_cluster:zk-main,service_name:web'
const operation = { kind: 'operation', hosts, path: '/services/web', ms: 2.6, ok: true } as const
const zookeeper = (event: Extract<SynapseEvent, { kind: 'zookeeper' }>['operation']): SynapseEvent => ({
  kind: 'zookeeper',
  service,
  operation: event,
})

const cases: readonly { readonly event: SynapseEvent; readonly expected: readonly string[] }[] = [
  { event: { kind: 'started' }, expected: ['synapse.start:1|c'] },
  { event: { kind: 'watchers-started', ms: 0.3 }, expected: ['synapse.watchers.start.time:0|ms'] },
  {
    event: { kind: 'stopped', cause: { kind: 'orderly' }, ranMs: 12 },
    expected: ['synapse.main_loop.elapsed_time:12|ms', 'synapse.stop:1|c|#stop_avenue:clean,stop_location:main_loop'],
  },
  {
    event: { kind: 'stopped', cause: { kind: 'failure', error: new RangeError('odd') }, ranMs: 12 },
    expected: [
      'synapse.main_loop.elapsed_time:12|ms',
      'synapse.stop:1|c|#stop_avenue:abort,stop_location:main_loop,exception_name:RangeError,exception_message:odd',
    ],
  },
  { event: { kind: 'generator-pass', generator: 'haproxy' }, expected: ['synapse.config.update:1|c'] },
  {
    event: { kind: 'generator-failed', generator: 'haproxy' },
    expected: ['synapse.config.update_failed:1|c|#config_name:haproxy'],
  },
  {
    event: { kind: 'config-checked', ok: true },
    expected: ['synapse.haproxy.check_config:1|c|#status:true'],
  },
  {
    event: { kind: 'config-checked', ok: false },
    expected: ['synapse.haproxy.check_config:1|c|#status:false'],
  },
  { event: { kind: 'reload-failed' }, expected: ['synapse.haproxy.reload_failed:1|c'] },
  {
    event: { kind: 'watcher-started', service },
    expected: ['synapse.watcher.start:1|c|#start_result:success,watcher_name:web'],
  },
  {
    event: { kind: 'watcher-stopped', service, cause: { kind: 'orderly' } },
    expected: ['synapse.watcher.stop:1|c|#stop_avenue:clean,stop_location:main_loop,watcher_name:web'],
  },
  {
    event: { kind: 'watcher-stopped', service, cause: { kind: 'failure', error: new Error('odd') } },
    expected: [
      'synapse.watcher.stop:1|c|#stop_avenue:exception,stop_location:main_loop,watcher_name:web,exception_name:Error,exception_message:odd',
    ],
  },
  {
    event: { kind: 'ping', service, ok: true },
    expected: ['synapse.watcher.ping.count:1|c|#watcher_name:web,ping_result:success,synapse_version:1.2.3'],
  },
  {
    event: { kind: 'ping', service, ok: false },
    expected: ['synapse.watcher.ping.count:1|c|#watcher_name:web,ping_result:failure,synapse_version:1.2.3'],
  },
  { event: { kind: 'registration-unreadable', service }, expected: ['synapse.watcher.zk.parse_child_failed:1|c'] },
  { event: { kind: 'generator-options-unreadable', service }, expected: ['synapse.watcher.zk.get_config_failed:1|c'] },
  {
    event: zookeeper({ kind: 'session', hosts, reused: false }),
    expected: [`synapse.watcher.zk.client.created:1|c|#${tags}`],
  },
  {
    event: zookeeper({ kind: 'session', hosts, reused: true }),
    expected: [`synapse.watcher.zk.client.reused:1|c|#${tags}`],
  },
  {
    event: zookeeper({ kind: 'session-lost', hosts }),
    expected: [`synapse.watcher.zk.session.expired:1|c|#${tags}`],
  },
  {
    event: zookeeper({ ...operation, operation: 'getChildren' }),
    expected: [
      'synapse.watcher.zk.discovery:1|c|#zk_cluster:zk-main,zk_path:/services/web,service_name:web',
      `synapse.watcher.zk.children.elapsed_time:3|ms|#${tags}`,
    ],
  },
  {
    event: zookeeper({ ...operation, operation: 'getChildren', ok: false }),
    expected: [
      'synapse.watcher.zk.discovery:1|c|#zk_cluster:zk-main,zk_path:/services/web,service_name:web',
      `synapse.watcher.zk.children.elapsed_time:3|ms|#${tags}`,
      `synapse.watcher.zk.children.failed:1|c|#${tags}`,
    ],
  },
  {
    event: zookeeper({ ...operation, operation: 'getData' }),
    expected: [`synapse.watcher.zk.get.elapsed_time:3|ms|#${tags}`],
  },
  {
    event: zookeeper({ ...operation, operation: 'ensurePath' }),
    expected: [`synapse.watcher.zk.create_path.elapsed_time:3|ms|#${tags}`],
  },
  {
    event: zookeeper({ ...operation, operation: 'connected' }),
    expected: [`synapse.watcher.zk.connect.elapsed_time:3|ms|#${tags}`],
  },
  { event: zookeeper({ ...operation, operation: 'delete' }), expected: [] },
]

describe('synapseMetrics() gives the names and tags of Airbnb', () => {
  for (const { event, expected } of cases) {
    it(expected.at(-1) ?? JSON.stringify(event), () => {
      assert.deepEqual(
        synapseMetrics(event, '1.2.3').map((metric) => formatMetric(metric, 1)),
        expected,
      )
    })
  }
})
