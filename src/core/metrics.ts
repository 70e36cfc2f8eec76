import { Counter, Gauge, Histogram, type LabelValues, Registry } from 'prom-client'

/**
 * The metrics of one daemon. A metric without labels exists with the value 0 from the start; one with labels is
 * started with `startCounter` as soon as the label values are known, so that a dashboard never shows a gap.
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

/** What is counted under one set of labels. */
class LabelledCounter<L extends string> {
  readonly #counter: Counter<L>
  readonly #labels: LabelValues<L>

  constructor(counter: Counter<L>, labels: LabelValues<L>) {
    this.#counter = counter
    this.#labels = labels
  }

  inc(): void {
    this.#counter.inc(this.#labels)
  }
}

/**
 * Starts counting under these labels, with 0. prom-client's own `labels()` keeps several functions for each set of
 * labels: a thousand services would pay megabytes for them.
 */
export function startCounter<L extends string>(counter: Counter<L>, labels: LabelValues<L>): { inc(): void } {
  counter.inc(labels, 0)
  return new LabelledCounter(counter, labels)
}

const owners = new WeakMap<Metrics, Map<string, object>>()

/**
 * Who sets and removes gauges that belong together, by a name for these: whoever began last. Something that comes back
 * may have a predecessor that is still on its way out.
 */
export function gaugeOwnersOf(metrics: Metrics): Map<string, object> {
  const known = owners.get(metrics)
  if (known !== undefined) return known
  const created = new Map<string, object>()
  owners.set(metrics, created)
  return created
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
