import assert from 'node:assert/strict'
import { formatMetric } from '../../../src/core/statsd-format.ts'
import type { NerveEvent } from '../../../src/nerve/events.ts'
import { nerveMetrics } from '../../../src/nerve/statsd-names.ts'

const hosts = ['zk-main1.example.com:2181']
const service = 'web'
const failure = { kind: 'failure', error: new TypeError('a, b | c') } as const
const operation = { kind: 'operation', hosts, ms: 2.6, ok: true } as const

const cases: readonly { readonly event: NerveEvent; readonly expected: readonly string[] }[] = [
  { event: { kind: 'started' }, expected: ['nerve.start:1|c'] },
  { event: { kind: 'configured' }, expected: ['nerve.config.update:1|c'] },
  {
    event: { kind: 'stopped', cause: { kind: 'orderly' }, ranMs: 1234.5 },
    expected: ['nerve.main_loop.elapsed_time:1235|ms', 'nerve.stop:1|c|#stop_avenue:clean,stop_location:main_loop'],
  },
  {
    event: { kind: 'stopped', cause: failure, ranMs: 1 },
    expected: [
      'nerve.main_loop.elapsed_time:1|ms',
      'nerve.stop:1|c|#stop_avenue:abort,stop_location:main_loop,exception_name:TypeError,exception_message:a b  c',
    ],
  },
  {
    event: { kind: 'service-launched', service, reason: 'update' },
    expected: ['nerve.watcher.launch:1|c|#launch_reason:update,watcher_name:web'],
  },
  {
    event: { kind: 'service-reaped', service, reason: 'old' },
    expected: ['nerve.watcher.reap:1|c|#reap_reason:old,watcher_name:web'],
  },
  { event: { kind: 'service-started', service }, expected: ['nerve.watcher.start:1|c|#service_name:web'] },
  {
    event: { kind: 'service-stopped', service, cause: { kind: 'orderly' } },
    expected: ['nerve.watcher.stop:1|c|#stop_avenue:clean,stop_location:main_loop,service_name:web'],
  },
  {
    event: { kind: 'service-stopped', service, cause: { kind: 'failure', error: 'odd' } },
    expected: [
      'nerve.watcher.stop:1|c|#stop_avenue:abort,stop_location:main_loop,service_name:web,exception_name:string,exception_message:odd',
    ],
  },
  {
    event: { kind: 'ping', service, ok: false },
    expected: ['nerve.watcher.status.ping.count:1|c|#ping_result:fail,service_name:web,nerve_version:1.2.3'],
  },
  {
    event: { kind: 'check', service, check: 'http-10.0.0.1:80/health', status: 'down' },
    expected: [
      'nerve.watcher.status.service_check:1|c|#check_result:down,service_name:web,check_name:http-10.0.0.1:80/health',
    ],
  },
  {
    event: { kind: 'report', service, ok: true },
    expected: ['nerve.watcher.status.report.count:1|c|#report_result:success,service_name:web'],
  },
  {
    event: { kind: 'transition', service, status: 'up' },
    expected: ['nerve.watcher.status.transition:1|c|#new_status:up,service_name:web'],
  },
  {
    event: { kind: 'throttled', service, shadowMode: true },
    expected: ['nerve.watcher.throttled:1|c|#service_name:web,shadow_mode:true'],
  },
  {
    event: { kind: 'renewal', hosts, ok: true },
    expected: ['nerve.reporter.zk.ttl.renew:1|c|#zk_cluster:zk-main,result:success'],
  },
  {
    event: { kind: 'renewal', hosts, ok: false, reason: 'no_node' },
    expected: ['nerve.reporter.zk.ttl.renew:1|c|#zk_cluster:zk-main,result:fail,reason:no_node'],
  },
  {
    event: { kind: 'zookeeper', operation: { kind: 'session', hosts, reused: false } },
    expected: ['nerve.reporter.zk.client.created:1|c|#zk_cluster:zk-main'],
  },
  {
    event: { kind: 'zookeeper', operation: { kind: 'session', hosts, reused: true } },
    expected: ['nerve.reporter.zk.client.reused:1|c|#zk_cluster:zk-main'],
  },
  {
    event: { kind: 'zookeeper', operation: { ...operation, operation: 'create', path: '/services/web/i-1_' } },
    expected: ['nerve.reporter.zk.create.elapsed_time:3|ms|#zk_cluster:zk-main,zk_path:/services/web'],
  },
  {
    event: { kind: 'zookeeper', operation: { ...operation, operation: 'create', path: '/web/base64_108_eyJ=_' } },
    expected: [
      'nerve.reporter.zk.child.bytes:108|g|#zk_cluster:zk-main,zk_path:/web',
      'nerve.reporter.zk.create.elapsed_time:3|ms|#zk_cluster:zk-main,zk_path:/web',
    ],
  },
  {
    event: {
      kind: 'zookeeper',
      operation: { ...operation, operation: 'create', path: '/missing/i-1_', ok: false, error: 'NO_NODE' },
    },
    expected: [],
  },
  {
    event: {
      kind: 'zookeeper',
      operation: { ...operation, operation: 'create', path: '/cut/i-1_', ok: false, error: 'CONNECTION_LOSS' },
    },
    expected: ['nerve.reporter.zk.create.elapsed_time:3|ms|#zk_cluster:zk-main,zk_path:/cut'],
  },
  {
    event: { kind: 'zookeeper', operation: { ...operation, operation: 'setData', path: '/web/i-1_' } },
    expected: ['nerve.reporter.zk.save.elapsed_time:3|ms|#zk_cluster:zk-main'],
  },
  {
    event: { kind: 'zookeeper', operation: { ...operation, operation: 'delete', path: '/web/i-1_' } },
    expected: ['nerve.reporter.zk.delete.elapsed_time:3|ms|#zk_cluster:zk-main'],
  },
  { event: { kind: 'zookeeper', operation: { ...operation, operation: 'exists', path: '/web' } }, expected: [] },
]

describe('nerveMetrics() gives the names and tags of Airbnb', () => {
  for (const { event, expected } of cases) {
    it(expected[0] ?? JSON.stringify(event), () => {
      assert.deepEqual(
        nerveMetrics(event, '1.2.3').map((metric) => formatMetric(metric, 1)),
        expected,
      )
    })
  }
})
