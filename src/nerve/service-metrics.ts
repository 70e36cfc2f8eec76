import { type Metrics, startCounter } from '../core/metrics.ts'

/** The metrics of one service, all of them there from the start. */
export interface ServiceMetrics {
  readonly up: { set(value: number): void }
  readonly registered: { set(value: number): void }
  readonly transitions: Readonly<Record<'up' | 'down', { inc(): void }>>
  readonly reports: Readonly<Record<'success' | 'failure', { inc(): void }>>
  /** Changes that rate_limiting held back, or would have. */
  readonly throttled: Readonly<Record<'enforced' | 'shadow', { inc(): void }>>
  /** What people say of it. */
  manual(kind: 'enabled' | 'disabled' | 'forced'): void
  /** Takes the gauges out when the service is gone; what was counted stays. */
  remove(): void
}

export function createServiceMetrics(metrics: Metrics, service: string): ServiceMetrics {
  const up = metrics.gauge('nerve_service_up', 'Whether all checks of the service pass.', ['service'])
  const registered = metrics.gauge('nerve_service_registered', 'Whether the registry holds the service.', ['service'])
  const transitions = metrics.counter('nerve_service_transitions_total', 'Changes of health.', ['service', 'to'])
  const reports = metrics.counter('nerve_reports_total', 'Attempts to make the registry say what it should.', [
    'service',
    'result',
  ])
  const throttled = metrics.counter(
    'nerve_throttled_changes_total',
    'Changes of a registration that rate_limiting held back; mode shadow: that it would have held back.',
    ['service', 'mode'],
  )
  const disabled = metrics.gauge('nerve_service_disabled', 'Whether somebody has disabled the service.', ['service'])
  const forced = metrics.gauge('nerve_service_forced', 'Whether somebody has forced the service up.', ['service'])
  for (const gauge of [up, registered, disabled, forced]) gauge.set({ service }, 0)
  return {
    up: { set: (value) => up.set({ service }, value) },
    registered: { set: (value) => registered.set({ service }, value) },
    transitions: {
      up: startCounter(transitions, { service, to: 'up' }),
      down: startCounter(transitions, { service, to: 'down' }),
    },
    reports: {
      success: startCounter(reports, { service, result: 'success' }),
      failure: startCounter(reports, { service, result: 'failure' }),
    },
    throttled: {
      enforced: startCounter(throttled, { service, mode: 'enforced' }),
      shadow: startCounter(throttled, { service, mode: 'shadow' }),
    },
    manual(kind) {
      disabled.set({ service }, kind === 'disabled' ? 1 : 0)
      forced.set({ service }, kind === 'forced' ? 1 : 0)
    },
    remove() {
      for (const gauge of [up, registered, disabled, forced]) gauge.remove({ service })
    },
  }
}
