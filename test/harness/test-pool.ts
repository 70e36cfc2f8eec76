import { systemClock } from '../../src/core/clock.ts'
import { createMetrics, type Metrics } from '../../src/core/metrics.ts'
import { createSessionPool } from '../../src/zookeeper/session-pool.ts'
import type { SessionPool } from '../../src/zookeeper/zookeeper.ts'
import { type LogLine, recordingLog } from './recording-log.ts'

export interface TestPool {
  readonly pool: SessionPool
  readonly lines: readonly LogLine[]
  readonly metrics: Metrics
}

/** A session pool on the real clock, with its log and metrics to look at. Servers are tried in the order given. */
export function createTestPool(operationTimeoutMs = 10_000): TestPool {
  const log = recordingLog()
  const metrics = createMetrics()
  const pool = createSessionPool({ clock: systemClock, log, metrics, random: () => 0.5, operationTimeoutMs })
  return { pool, lines: log.lines, metrics }
}
