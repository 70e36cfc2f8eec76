import type { Metrics } from '../core/metrics.ts'
import type { OperationName, OperationResult } from './operations.ts'
import type { SessionStatus } from './zookeeper.ts'

/** Why a session was given up. */
export type LossCause = 'expired' | 'refused' | 'auth_failed'

/** Records what happens to the session of one ensemble. */
export interface SessionMetrics {
  stateChanged(status: SessionStatus): void
  connected(): void
  lost(cause: LossCause): void
  operation(name: OperationName, result: OperationResult, ms: number): void
  /** Takes the gauges of a session that nobody uses any more out of the page. */
  remove(): void
}

const STATUSES = ['connecting', 'connected', 'suspended', 'lost', 'closed'] as const satisfies readonly SessionStatus[]
const CAUSES = ['expired', 'refused', 'auth_failed'] as const satisfies readonly LossCause[]
const OPERATIONS = [
  'exists',
  'getData',
  'getChildren',
  'create',
  'setData',
  'delete',
] as const satisfies readonly OperationName[]
/** A read takes about 1 ms, a write as long as the disks of a quorum. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The metrics of all sessions; each ensemble's own start at zero. */
export function createSessionMetrics(metrics: Metrics, ensemble: string): SessionMetrics {
  const state = metrics.gauge('smartstack_zookeeper_session_state', '1 for the state that the session is in', [
    'ensemble',
    'state',
  ])
  const connects = metrics
    .counter('smartstack_zookeeper_connects_total', 'Connections that came to a session, new or resumed', ['ensemble'])
    .labels(ensemble)
  const losses = metrics.counter(
    'smartstack_zookeeper_sessions_lost_total',
    'Sessions that ended against our will, by cause',
    ['ensemble', 'cause'],
  )
  const operations = metrics.counter('smartstack_zookeeper_operations_total', 'Operations, by how they ended', [
    'ensemble',
    'operation',
    'result',
  ])
  const seconds = metrics.histogram('smartstack_zookeeper_operation_seconds', 'How long operations took', BUCKETS, [
    'ensemble',
    'operation',
  ])
  connects.inc(0)
  for (const cause of CAUSES) losses.labels(ensemble, cause).inc(0)
  const durations = Object.fromEntries(
    OPERATIONS.map((operation) => [operation, seconds.labels(ensemble, operation)]),
  ) as Readonly<Record<OperationName, ReturnType<typeof seconds.labels>>>
  const byResult = new Map<string, ReturnType<typeof operations.labels>>()
  const counter = (name: OperationName, result: OperationResult) => {
    const key = `${name} ${result}`
    const known = byResult.get(key) ?? operations.labels(ensemble, name, result)
    byResult.set(key, known)
    return known
  }
  for (const operation of OPERATIONS) counter(operation, 'OK').inc(0)
  return {
    stateChanged(status) {
      for (const each of STATUSES) state.labels(ensemble, each).set(each === status ? 1 : 0)
    },
    connected: () => connects.inc(),
    lost: (cause) => losses.labels(ensemble, cause).inc(),
    operation(name, result, ms) {
      counter(name, result).inc()
      durations[name].observe(ms / 1000)
    },
    remove() {
      for (const each of STATUSES) state.remove(ensemble, each)
    },
  }
}
