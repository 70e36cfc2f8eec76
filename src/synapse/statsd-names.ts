import { messageOf } from '../core/errors.ts'
import { clusterName, counted, type StatsdMetric, timed } from '../core/statsd-format.ts'
import type { StopCause } from '../core/telemetry.ts'
import type { ObservedOperation, ZooKeeperEvent } from '../zookeeper/observed-pool.ts'
import type { SynapseEvent } from './events.ts'

/** The metrics of Airbnb's synapse, names and tags, that an event counts for (reference airbnb.md 3.12). */
export function synapseMetrics(event: SynapseEvent, version: string): readonly StatsdMetric[] {
  switch (event.kind) {
    case 'started':
      return [counted('synapse.start')]
    case 'watchers-started':
      return [timed('synapse.watchers.start.time', event.ms)]
    case 'stopped': {
      const tags = [avenue(event.cause, 'abort'), 'stop_location:main_loop', ...exception(event.cause)]
      return [timed('synapse.main_loop.elapsed_time', event.ranMs), counted('synapse.stop', ...tags)]
    }
    case 'generator-pass':
      return [counted('synapse.config.update')]
    case 'generator-failed':
      return [counted('synapse.config.update_failed', `config_name:${event.generator}`)]
    case 'config-checked':
      return [counted('synapse.haproxy.check_config', `status:${event.ok}`)]
    case 'reload-failed':
      return [counted('synapse.haproxy.reload_failed')]
    case 'watcher-started':
      return [counted('synapse.watcher.start', 'start_result:success', `watcher_name:${event.service}`)]
    case 'watcher-stopped': {
      const tags = [avenue(event.cause, 'exception'), 'stop_location:main_loop', `watcher_name:${event.service}`]
      return [counted('synapse.watcher.stop', ...tags, ...exception(event.cause))]
    }
    case 'ping': {
      const result = `ping_result:${event.ok ? 'success' : 'failure'}`
      return [
        counted('synapse.watcher.ping.count', `watcher_name:${event.service}`, result, `synapse_version:${version}`),
      ]
    }
    case 'registration-unreadable':
      return [counted('synapse.watcher.zk.parse_child_failed')]
    case 'generator-options-unreadable':
      return [counted('synapse.watcher.zk.get_config_failed')]
    case 'zookeeper':
      return zookeeperMetrics(event.operation, event.service)
  }
}

const TIMERS: Readonly<Partial<Record<ObservedOperation, string>>> = {
  connected: 'synapse.watcher.zk.connect.elapsed_time',
  ensurePath: 'synapse.watcher.zk.create_path.elapsed_time',
  getChildren: 'synapse.watcher.zk.children.elapsed_time',
  getData: 'synapse.watcher.zk.get.elapsed_time',
}

function zookeeperMetrics(event: ZooKeeperEvent, service: string): readonly StatsdMetric[] {
  const tags = [`zk_cluster:${clusterName(event.hosts)}`, `service_name:${service}`]
  if (event.kind === 'session-lost') return [counted('synapse.watcher.zk.session.expired', ...tags)]
  if (event.kind === 'session')
    return [counted(`synapse.watcher.zk.client.${event.reused ? 'reused' : 'created'}`, ...tags)]
  const { operation, path, ms, ok } = event
  const timer = TIMERS[operation]
  if (timer === undefined) return []
  const time = timed(timer, ms, ...tags)
  if (operation !== 'getChildren') return [time]
  const discovery = counted('synapse.watcher.zk.discovery', tags[0] ?? '', `zk_path:${path}`, tags[1] ?? '')
  return [discovery, time, ...(ok ? [] : [counted('synapse.watcher.zk.children.failed', ...tags)])]
}

const avenue = ({ kind }: StopCause, failure: string) => `stop_avenue:${kind === 'orderly' ? 'clean' : failure}`

function exception(cause: StopCause): readonly string[] {
  if (cause.kind === 'orderly') return []
  const { error } = cause
  return [
    `exception_name:${error instanceof Error ? error.name : typeof error}`,
    `exception_message:${messageOf(error)}`,
  ]
}
