import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/**
 * The metrics of one daemon. A metric without labels exists with the value 0 from the start; one with labels is
 * started with `.labels(...).inc(0)` as soon as the label values are known, so that a dashboard never shows a gap.
 */
export interface Metrics {
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>
  /** `buckets` are upper bounds; durations are in seconds. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>
  /** Everything in Prometheus' text format. */
  text(): Promise<string>
}

/** Creates a registry of its own, so that two daemons in one test process do not meet. Asking for a known name returns the known metric. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const known = <T>(name: string, create: () => T): T => (registry.getSingleMetric(name) as T | undefined) ?? create()
  return {
    counter: (name, help, labels = []) =>
      known(name, () => new Counter({ name, help, labelNames: [...labels], registers: [registry] })),
    gauge: (name, help, labels = []) =>
      known(name, () => new Gauge({ name, help, labelNames: [...labels], registers: [registry] })),
    histogram: (name, help, buckets, labels = []) =>
      known(
        name,
        () => new Histogram({ name, help, buckets: [...buckets], labelNames: [...labels], registers: [registry] }),
      ),
    text: () => registry.metrics(),
  }
}
