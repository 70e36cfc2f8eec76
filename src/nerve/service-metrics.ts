import type { Gauge } from 'prom-client'
import { gaugeOwnersOf, type Metrics, startCounter } from '../core/metrics.ts'

/** The metrics of one service, all of them there from the start. */
export class ServiceMetrics {
  readonly transitions: Readonly<Record<'up' | 'down', { inc(): void }>>
  readonly reports: Readonly<Record<'success' | 'failure', { inc(): void }>>
  /** Changes that rate_limiting held back, or would have. */
  readonly throttled: Readonly<Record<'enforced' | 'shadow', { inc(): void }>>
  readonly #gauges: Gauges
  readonly #owners: Map<string, object>
  readonly #labels: { readonly service: string }

  constructor(metrics: Metrics, service: string) {
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
    this.#gauges = gaugesOf(metrics)
    this.#labels = { service }
    this.#owners = gaugeOwnersOf(metrics)
    this.#owners.set(service, this)
    for (const gauge of Object.values(this.#gauges)) gauge.set(this.#labels, 0)
    this.transitions = {
      up: startCounter(transitions, { service, to: 'up' }),
      down: startCounter(transitions, { service, to: 'down' }),
    }
    this.reports = {
      success: startCounter(reports, { service, result: 'success' }),
      failure: startCounter(reports, { service, result: 'failure' }),
    }
    this.throttled = {
      enforced: startCounter(throttled, { service, mode: 'enforced' }),
      shadow: startCounter(throttled, { service, mode: 'shadow' }),
    }
  }

  up(isUp: boolean): void {
    this.#set('up', isUp)
  }

  registered(isRegistered: boolean): void {
    this.#set('registered', isRegistered)
  }

  /** What people say of it. */
  manual(kind: 'enabled' | 'disabled' | 'forced'): void {
    this.#set('disabled', kind === 'disabled')
    this.#set('forced', kind === 'forced')
  }

  /** Takes the gauges out when the service is gone, unless it is there again; what was counted stays. */
  remove(): void {
    if (!this.#isOwner) return
    this.#owners.delete(this.#labels.service)
    for (const gauge of Object.values(this.#gauges)) gauge.remove(this.#labels)
  }

  get #isOwner(): boolean {
    return this.#owners.get(this.#labels.service) === this
  }

  #set(gauge: keyof Gauges, value: boolean): void {
    if (this.#isOwner) this.#gauges[gauge].set(this.#labels, value ? 1 : 0)
  }
}

type Gauges = Readonly<Record<'up' | 'registered' | 'disabled' | 'forced', Gauge<'service'>>>

const gaugesOf = (metrics: Metrics): Gauges => ({
  up: metrics.gauge('nerve_service_up', 'Whether all checks of the service pass.', ['service']),
  registered: metrics.gauge('nerve_service_registered', 'Whether the registry holds the service.', ['service']),
  disabled: metrics.gauge('nerve_service_disabled', 'Whether somebody has disabled the service.', ['service']),
  forced: metrics.gauge('nerve_service_forced', 'Whether somebody has forced the service up.', ['service']),
})
