import { gaugeOwnersOf, type Metrics } from '../../core/metrics.ts'
import { type HookKind, hookKinds } from '../hooks.ts'
import type { CheckConfig, ServiceConfig } from '../model.ts'

/** The metrics of BlaBlaCar's nerve for one service, under the names that its dashboards know (reference blablacar-yelp.md 1.11). */
export interface GoNerveMetrics {
  /** The weight that is published now; 0 while the service is not available. */
  weight(value: number): void
  checkFailed(check: CheckConfig): void
  reportFailed(reporter: string): void
  hookFailed(kind: HookKind): void
  /** Takes the gauge out when the service is gone; what was counted stays. */
  remove(): void
}

const ADDRESS = ['name', 'ip', 'port'] as const
const TYPED = [...ADDRESS, 'type'] as const

/** All counters start at 0. A service without `goNerveMetrics` has none. */
export function createGoNerveMetrics(metrics: Metrics, config: ServiceConfig): GoNerveMetrics {
  if (config.goNerveMetrics !== true) return none
  const own = { name: config.name, ip: config.host, port: String(config.port) }
  const weight = metrics.gauge(
    'nerve_service_available',
    'Published weight, 0 to 255; 0: the service is not available.',
    ADDRESS,
  )
  const checks = metrics.counter('nerve_checker_failure_total', 'Runs of a check that failed.', TYPED)
  const reports = metrics.counter('nerve_reporter_failure_total', 'Reports that could not be made.', TYPED)
  const hooks = metrics.counter('nerve_exec_failure_total', 'Commands that failed.', TYPED)
  const labelsOf = (check: CheckConfig) => {
    const { type, alias = type, declaredTarget: { host, port } = check } = check
    return { name: config.name, ip: host, port: String(port), type: alias }
  }
  const owners = gaugeOwnersOf(metrics)
  const [whose, owner] = [`${own.name} ${own.ip}:${own.port}`, {}]
  const isOwner = () => owners.get(whose) === owner
  owners.set(whose, owner)
  weight.set(own, 0)
  for (const check of config.checks) checks.inc(labelsOf(check), 0)
  for (const { type } of config.reporters) reports.inc({ ...own, type }, 0)
  for (const type of hookKinds) hooks.inc({ ...own, type }, 0)
  return {
    weight: (value) => {
      if (isOwner()) weight.set(own, value)
    },
    checkFailed: (check) => checks.inc(labelsOf(check)),
    reportFailed: (type) => reports.inc({ ...own, type }),
    hookFailed: (type) => hooks.inc({ ...own, type }),
    remove() {
      if (!isOwner()) return
      owners.delete(whose)
      weight.remove(own)
    },
  }
}

const none: GoNerveMetrics = {
  weight: () => {},
  checkFailed: () => {},
  reportFailed: () => {},
  hookFailed: () => {},
  remove: () => {},
}
