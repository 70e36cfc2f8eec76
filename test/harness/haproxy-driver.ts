import { createBackoff } from '../../src/core/backoff.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { createMetrics, type Metrics } from '../../src/core/metrics.ts'
import { ReconcileLoop } from '../../src/core/reconcile-loop.ts'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { runAll } from '../../src/core/tasks.ts'
import type { Generator, GeneratorService } from '../../src/synapse/generators/generator.ts'
import { haproxyOptions } from '../../src/synapse/generators/haproxy/config.ts'
import { HaproxyGenerator } from '../../src/synapse/generators/haproxy/haproxy-generator.ts'
import type { Lookup } from '../../src/synapse/generators/haproxy/host-names.ts'
import { haproxy } from '../../src/synapse/generators/haproxy/index.ts'
import { type LogLine, recordingLog } from './recording-log.ts'

/** Least time between two passes. */
export const SETTLE_MS = 5

type Configured = Readonly<Record<string, { options: unknown; instances: readonly ServiceInstance[] }>>

function servicesOf(services: Configured): readonly GeneratorService<unknown>[] {
  return Object.entries(services).map(([name, { options, instances }]) => ({
    name,
    options: haproxy.serviceOptions.parse(options),
    backends: { source: 'discovered', instances },
  }))
}

/** The generator with what synapse puts around it, minus the registry. */
export class Driver {
  readonly generator: Generator<unknown>
  readonly metrics: Metrics = createMetrics()
  readonly lines: LogLine[] = []
  readonly errors: unknown[] = []
  passes = 0
  #services: readonly GeneratorService<unknown>[] = []
  readonly #loop: ReconcileLoop
  readonly #stop = new AbortController()
  #ended: Promise<void> = Promise.resolve()
  #started = false

  /** As the generator got them, checked. */
  readonly options: Readonly<Record<string, unknown>>

  /** @param lookup and `clock`: in place of the system's. */
  constructor(
    options: Readonly<Record<string, unknown>>,
    { lookup, clock = systemClock }: { readonly lookup?: Lookup; readonly clock?: Clock } = {},
  ) {
    this.options = haproxy.options.parse(options)
    const trigger = () => this.#loop.trigger()
    const context = {
      clock,
      log: recordingLog(this.lines),
      metrics: this.metrics,
      random: () => 0.5,
      trigger,
    }
    this.generator =
      lookup === undefined
        ? haproxy.create(context, this.options)
        : (new HaproxyGenerator(context, haproxyOptions.parse(options), 0, lookup) as unknown as Generator<unknown>)
    this.#loop = new ReconcileLoop({
      clock,
      backoff: createBackoff({ initialMs: 20, maxMs: 200, random: () => 0.5 }),
      settleMs: SETTLE_MS,
      resyncMs: 30_000,
      reconcile: async (signal) => {
        const services = this.#services
        this.#services = services.map(({ eventAt: _taken, ...service }) => service)
        const result = await this.generator.reconcile(services, signal)
        this.passes += 1
        return result
      },
      onError: (error) => this.errors.push(error),
    })
  }

  #start(): void {
    const passes = { name: 'passes', run: (signal: AbortSignal) => this.#loop.run(signal) }
    this.#ended = runAll([passes, ...this.generator.tasks], this.#stop.signal, (_task, error) =>
      this.errors.push(error),
    )
  }

  /** What comes before the first pass, while the registry has not said anything. */
  async prepare(services: Configured): Promise<void> {
    await this.generator.prepare?.(servicesOf(services), this.#stop.signal)
  }

  /** The whole configuration: services with their options and instances. The first one starts the generator. */
  configure(services: Configured): void {
    this.#services = servicesOf(services)
    if (this.#started) this.#loop.trigger()
    else this.#start()
    this.#started = true
  }

  /** The registry says: these are the instances of a service. */
  discover(name: string, instances: readonly ServiceInstance[]): void {
    this.#services = this.#services.map((service) =>
      service.name === name
        ? { ...service, backends: { source: 'discovered', instances }, eventAt: systemClock.now() }
        : service,
    )
    this.#loop.trigger()
  }

  async metric(line: string): Promise<number> {
    const found = (await this.metrics.text()).split('\n').find((each) => each.startsWith(`${line} `))
    return Number(found?.slice(line.length + 1))
  }

  /** Of every kind. */
  async reloads(result: 'ok' | 'failed' = 'ok'): Promise<number> {
    const counts = ['structure', 'servers', 'no_socket'].map((kind) =>
      this.metric(`synapse_haproxy_reloads_total{kind="${kind}",result="${result}"}`),
    )
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }

  logged(message: string): LogLine[] {
    return this.lines.filter((line) => line.message === message)
  }

  /** SIGTERM. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }
}
