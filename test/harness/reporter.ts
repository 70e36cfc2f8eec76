import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.ts'
import { createMetrics } from '../../src/core/metrics.ts'
import type { Registration, Reporter, ReporterContext, ReporterType } from '../../src/nerve/reporters/reporter.ts'
import { recordingLog } from './recording-log.ts'

/** A context for a reporter that needs no ZooKeeper. */
export const reporterContext = (more: Partial<ReporterContext> = {}): ReporterContext => ({
  service: 'web',
  clock: systemClock,
  log: recordingLog(),
  metrics: createMetrics(),
  random: () => 0,
  sessions: { acquire: () => assert.fail('no session is needed'), state: () => [], close: async () => {} },
  onDisturbed: () => {},
  onRenewed: () => {},
  print: async () => assert.fail('nothing is to be printed'),
  ...more,
})

/** A reporter of options as the configuration would have them. */
export const createReporter = (
  type: ReporterType,
  options: Readonly<Record<string, unknown>>,
  context: Partial<ReporterContext> = {},
): Reporter => type.create(reporterContext(context), type.options.parse(options))

export const absent: Registration = { kind: 'absent' }

export const present = (port = 3000): Registration & { readonly kind: 'present' } => ({
  kind: 'present',
  payload: { host: '10.0.0.1', port, name: 'i-1' },
})
