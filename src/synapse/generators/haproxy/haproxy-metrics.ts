import type { Metrics } from '../../../core/metrics.ts'
import type { Answer, CommandKind } from './answers.ts'

const COMMAND_KINDS: readonly CommandKind[] = [
  'add-server',
  'enable-health',
  'set-weight',
  'set-address',
  'set-state',
  'del-server',
]
const ANSWER_RESULTS: readonly Answer['result'][] = ['ok', 'no-change', 'refused', 'unknown']

export const reloadKinds = ['structure', 'servers', 'no_socket'] as const
export type ReloadKind = (typeof reloadKinds)[number]

export const reloadResults = ['ok', 'failed'] as const
export type ReloadResult = (typeof reloadResults)[number]

export const stages = ['applied', 'confirmed'] as const
export type Stage = (typeof stages)[number]

/** The metrics of the haproxy generator; all start at 0. */
export type HaproxyMetrics = ReturnType<typeof createHaproxyMetrics>

export function createHaproxyMetrics(metrics: Metrics) {
  const reloads = metrics.counter(
    'synapse_haproxy_reloads_total',
    'Reloads of HAProxy, by what made them necessary: sections, servers that the Runtime API cannot change, or do_socket being off.',
    ['kind', 'result'],
  )
  for (const kind of reloadKinds) for (const result of reloadResults) reloads.inc({ kind, result }, 0)
  const commands = metrics.counter('synapse_haproxy_commands_total', "Runtime API commands, by HAProxy's answer.", [
    'kind',
    'result',
  ])
  for (const kind of COMMAND_KINDS) for (const result of ANSWER_RESULTS) commands.inc({ kind, result }, 0)
  const propagation = metrics.histogram(
    'synapse_propagation_seconds',
    'From the registry event to the change in HAProxy: its commands answered (applied), and read back (confirmed).',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    ['stage'],
  )
  for (const stage of stages) propagation.zero({ stage })
  return {
    reloads,
    commands,
    propagation,
    driftRepairs: metrics.counter(
      'synapse_haproxy_drift_repairs_total',
      'Servers in HAProxy that were not as they had been left, and were put right.',
    ),
    configFailures: metrics.counter(
      'synapse_haproxy_config_failures_total',
      'Configurations that were not accepted or could not be written; the last good one stayed.',
    ),
    restarts: metrics.counter('synapse_haproxy_restarts_total', 'Times that HAProxy had died and was started again.'),
    tombstones: metrics.gauge(
      'synapse_haproxy_tombstones',
      'Servers in maintenance whose instance is gone, until they are deleted.',
    ),
    oldWorkers: metrics.gauge(
      'synapse_haproxy_old_workers',
      'Workers that a reload has replaced and that still serve what they had.',
    ),
    oldestWorker: metrics.gauge(
      'synapse_haproxy_oldest_worker_seconds',
      'How long the oldest of them has been seen to go on after it was replaced.',
    ),
    quarantined: metrics.gauge(
      'synapse_haproxy_quarantined_services',
      'Services that HAProxy does not take as they are: kept as they were, or left out, with the others going on.',
    ),
    up: metrics.gauge('synapse_haproxy_up', '1 while every stats socket of HAProxy answers.'),
  }
}
