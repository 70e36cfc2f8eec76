import type * as z from 'zod'
import type { Clock } from '../../core/clock.ts'
import { withWeakOptions } from '../../core/config/plugin-options.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Json, ServiceInstance } from '../../core/service-instance.ts'
import type { SessionPool } from '../../zookeeper/zookeeper.ts'

/** A complete answer of the registry. Silence is no answer: a watcher that cannot read publishes nothing. */
export interface Discovery {
  readonly instances: readonly ServiceInstance[]
  /** Registered as not to be used (BlaBlaCar's `available: false`): not served, but not vanished either. Default: none. */
  readonly withdrawn?: readonly ServiceInstance[] | undefined
  /** Generator name to options that the registry holds for this service (Airbnb: data of the service's znode). */
  readonly generatorConfig?: Readonly<Record<string, Json>>
  /** When the event that led to this answer arrived, on `clock.now()`. Feeds the propagation histogram. */
  readonly eventAt: number
}

export interface WatcherContext {
  readonly service: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  readonly sessions: SessionPool
  /** Something in the registry was left out because it could not be read; the log says what. */
  readonly onUnreadable: (what: 'registration' | 'generator-options') => void
}

/** Finds the instances of one service. */
export interface Watcher {
  /** Publishes whole sets only, the first as soon as it is known, then each change. Resolves only after an abort. */
  run(publish: (discovery: Discovery) => void, signal: AbortSignal): Promise<void>
  /** Whether the registry can be asked, as far as is known without asking. Default: it can. */
  isWell?(): boolean
  /** Whether the registry has refused all connections since the start. Default: it has not. */
  isAway?(): boolean
  /** What the status page shows, e.g. the path and the session's state. */
  state(): Readonly<Record<string, unknown>>
}

/** A watcher type: its options and how to make a watcher of them. */
export interface WatcherType<Options = unknown> {
  /** The `discovery.method` in the configuration. */
  readonly type: string
  readonly description: string
  /** The keys of `discovery` beside `method` and the label filters. */
  readonly options: z.ZodObject
  create(context: WatcherContext, options: Options): Watcher
}

/** Gives a watcher type its option types from its schema, which is made when a configuration is read and then forgotten. */
export function defineWatcher<Shape extends z.ZodRawShape>(watcher: {
  readonly type: string
  readonly description: string
  options(): z.ZodObject<Shape>
  create(context: WatcherContext, options: z.output<z.ZodObject<Shape>>): Watcher
}): WatcherType {
  return withWeakOptions(watcher) as unknown as WatcherType
}
