import { messageOf } from '../core/errors.ts'
import { clusterName, counted, gauged, type StatsdMetric, timed } from '../core/statsd-format.ts'
import type { StopCause } from '../core/telemetry.ts'
import type { ZooKeeperEvent } from '../zookeeper/observed-pool.ts'
import type { NerveEvent } from './events.ts'

/** The metrics of Airbnb's nerve, names and tags, that an event counts for (reference airbnb.md 2.10). */
export function nerveMetrics(event: NerveEvent, version: string): readonly StatsdMetric[] {
  switch (event.kind) {
    case 'started':
      return [counted('nerve.start')]
    case 'configured':
      return [counted('nerve.config.update')]
    case 'stopped':
      return [
        timed('nerve.main_loop.elapsed_time', event.ranMs),
        counted('nerve.stop', avenue(event.cause), 'stop_location:main_loop', ...exception(event.cause)),
      ]
    case 'service-launched':
      return [counted('nerve.watcher.launch', `launch_reason:${event.reason}`, `watcher_name:${event.service}`)]
    case 'service-reaped':
      return [counted('nerve.watcher.reap', `reap_reason:${event.reason}`, `watcher_name:${event.service}`)]
    case 'service-started':
      return [counted('nerve.watcher.start', `service_name:${event.service}`)]
    case 'service-stopped': {
      const tags = [avenue(event.cause), 'stop_location:main_loop', `service_name:${event.service}`]
      return [counted('nerve.watcher.stop', ...tags, ...exception(event.cause))]
    }
    case 'ping': {
      const tags = [`ping_result:${result(event.ok)}`, `service_name:${event.service}`, `nerve_version:${version}`]
      return [counted('nerve.watcher.status.ping.count', ...tags)]
    }
    case 'check': {
      const tags = [`check_result:${event.status}`, `service_name:${event.service}`, `check_name:${event.check}`]
      return [counted('nerve.watcher.status.service_check', ...tags)]
    }
    case 'report': {
      const tags = [`report_result:${result(event.ok)}`, `service_name:${event.service}`]
      return [counted('nerve.watcher.status.report.count', ...tags)]
    }
    case 'transition':
      return [counted('nerve.watcher.status.transition', `new_status:${event.status}`, `service_name:${event.service}`)]
    case 'throttled':
      return [counted('nerve.watcher.throttled', `service_name:${event.service}`, `shadow_mode:${event.shadowMode}`)]
    case 'renewal': {
      const outcome = event.ok ? ['result:success'] : ['result:fail', `reason:${event.reason}`]
      return [counted('nerve.reporter.zk.ttl.renew', clusterTag(event.hosts), ...outcome)]
    }
    case 'zookeeper':
      return zookeeperMetrics(event.operation)
  }
}

function zookeeperMetrics(event: ZooKeeperEvent): readonly StatsdMetric[] {
  if (event.kind === 'session-lost') return [] // Airbnb's nerve does not notice it
  const cluster = clusterTag(event.hosts)
  if (event.kind === 'session')
    return [counted(`nerve.reporter.zk.client.${event.reused ? 'reused' : 'created'}`, cluster)]
  switch (event.operation) {
    case 'create':
      // Refused for want of the parent: the create that follows makes both, and counts for both.
      return event.error === 'NO_NODE' ? [] : createMetrics(event.path, event.ms, cluster)
    case 'setData':
      return [timed('nerve.reporter.zk.save.elapsed_time', event.ms, cluster)]
    case 'delete':
      return [timed('nerve.reporter.zk.delete.elapsed_time', event.ms, cluster)]
    default:
      return []
  }
}

/** With use_path_encoding the name of the child says how long its payload is. */
function createMetrics(path: string, ms: number, cluster: string): readonly StatsdMetric[] {
  const slash = path.lastIndexOf('/')
  const tags = [cluster, `zk_path:${path.slice(0, slash)}`]
  const encodedLength = /^base64_(\d+)_/.exec(path.slice(slash + 1))?.[1]
  const size =
    encodedLength === undefined ? [] : [gauged('nerve.reporter.zk.child.bytes', Number(encodedLength), ...tags)]
  return [...size, timed('nerve.reporter.zk.create.elapsed_time', ms, ...tags)]
}

const clusterTag = (hosts: readonly string[]) => `zk_cluster:${clusterName(hosts)}`

const result = (ok: boolean) => (ok ? 'success' : 'fail')

const avenue = ({ kind }: StopCause) => `stop_avenue:${kind === 'orderly' ? 'clean' : 'abort'}`

function exception(cause: StopCause): readonly string[] {
  if (cause.kind === 'orderly') return []
  const { error } = cause
  return [
    `exception_name:${error instanceof Error ? error.name : typeof error}`,
    `exception_message:${messageOf(error)}`,
  ]
}
