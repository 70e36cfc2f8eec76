import type { Clock } from '../../../core/clock.ts'
import type { Logger } from '../../../core/log.ts'
import { changeFields, summarizeChanges } from './change-log.ts'
import { serverOf } from './commands.ts'
import type { HaproxyMetrics } from './haproxy-metrics.ts'
import type { Propagation } from './propagation.ts'
import type { CommandOutcome } from './worker-link.ts'

export interface ChangeReportOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: HaproxyMetrics
  readonly propagation: Propagation
  readonly serviceOf: (backend: string) => string
}

/** Tells people what was done to the servers: metrics per command, one line of log per service and pass. */
export class ChangeReport {
  readonly #options: ChangeReportOptions

  constructor(options: ChangeReportOptions) {
    this.#options = options
  }

  /** HAProxy answered these commands; nothing is read back yet. */
  answered(outcomes: readonly CommandOutcome[]): void {
    const { metrics, propagation, serviceOf } = this.#options
    for (const [label, count] of countBy(outcomes, ({ command, answer }) => `${command.kind} ${answer.result}`)) {
      const [kind = '', result = ''] = label.split(' ')
      metrics.commands.inc({ kind, result }, count) // once for thousands of commands
    }
    for (const name of new Set(outcomes.map(({ command }) => command.backend))) propagation.applied(serviceOf(name))
  }

  /** These were needed although nothing was wanted otherwise than before. */
  drifted(outcomes: readonly CommandOutcome[]): void {
    const { log, metrics, serviceOf } = this.#options
    metrics.driftRepairs.inc(new Set(outcomes.map(({ command }) => `${command.backend}/${serverOf(command)}`)).size)
    for (const [backend, summary] of summarizeChanges(outcomes)) {
      log.warn('haproxy was not as it had been left', { service: serviceOf(backend), ...changeFields(summary) })
    }
  }

  /** A pass that began at `started` is over. */
  passed(outcomes: readonly CommandOutcome[], started: number): void {
    const { clock, log, serviceOf } = this.#options
    const ms = Math.round(clock.now() - started)
    for (const [backend, summary] of summarizeChanges(outcomes)) {
      const fields = { service: serviceOf(backend), ...changeFields(summary), ms }
      if (summary.refused.length > 0) log.warn('servers changed, not all', fields)
      else log.info('servers changed', fields)
    }
  }
}

function countBy<T>(items: readonly T[], labelOf: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) {
    const label = labelOf(item)
    counts.set(label, (counts.get(label) ?? 0) + 1)
  }
  return counts
}
