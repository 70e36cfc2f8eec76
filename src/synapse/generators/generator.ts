import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { ReconcileResult } from '../../core/reconcile-loop.ts'
import type { Task } from '../../core/tasks.ts'
import type { Backends } from '../backends.ts'

/** One service as a generator sees it. `options` is the generator's own part of the service's configuration, validated. */
export interface GeneratorService<Options> {
  readonly name: string
  readonly options: Options
  readonly backends: Backends
  /** When the oldest registry event in these backends that was not yet applied arrived, on `clock.now()`. */
  readonly eventAt?: number
}

export interface GeneratorContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  /** Ask for another `reconcile`: the generator saw the world change (HAProxy died, a reload ended). */
  readonly trigger: () => void
}

/** Makes a proxy or a file say what the backends are. */
export interface Generator<Options> {
  /**
   * Makes the world as `services` says, all of them in configuration order. Safe to call again with the same value; never
   * called twice at once. One service that cannot be applied does not stop the others.
   */
  reconcile(services: readonly GeneratorService<Options>[], signal: AbortSignal): Promise<ReconcileResult>
  /** What runs beside the passes, e.g. the supervision of a managed HAProxy. */
  readonly tasks: readonly Task[]
  /** What the status page shows. */
  state(): Readonly<Record<string, unknown>>
}
