import type * as z from 'zod'
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

/** What happens in a generator, for whoever counts it. */
export type GeneratorEvent =
  /** A configuration was checked before it may replace the last good one. */
  { readonly kind: 'config-checked'; readonly ok: boolean } | { readonly kind: 'reload-failed' }

export interface GeneratorContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  /** Ask for another `reconcile`: the generator saw the world change (HAProxy died, a reload ended). */
  readonly trigger: () => void
  /** Default: nobody listens. */
  readonly onEvent?: (event: GeneratorEvent) => void
}

/** Makes a proxy or a file say what the backends are. */
export interface Generator<Options, TopOptions = unknown> {
  /** Takes changed top-level options (a live edit). The next `reconcile` applies them; what does not depend on them is not touched. */
  configure(options: TopOptions): void
  /**
   * Called once, while the registry is still being asked: for what takes time and depends on no instance. `services` are those
   * of the first pass without what the registry will say. A failure is not the last word: the first pass comes to it again.
   */
  prepare?(services: readonly GeneratorService<Options>[], signal: AbortSignal): Promise<void>
  /**
   * Makes the world as `services` says, all of them in configuration order. Safe to call again with the same value; never
   * called twice at once. One service that cannot be applied does not stop the others.
   */
  reconcile(services: readonly GeneratorService<Options>[], signal: AbortSignal): Promise<ReconcileResult>
  /** What runs beside the passes, e.g. the supervision of a managed HAProxy. */
  readonly tasks: readonly Task[]
  /** What the status page shows. `problems`: what an operator has to mend, a sentence each. */
  state(): Readonly<Record<string, unknown>> & { readonly problems?: readonly string[] }
}

/** A mistake that only shows when all services are seen together, e.g. one port used twice. */
export interface ServiceProblem {
  /** The service at fault: the later one in configuration order. */
  readonly service: string
  /** Where below the service's options for this generator, e.g. `['port']`. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** A generator type: its options, at the top level and per service, and how to make a generator of them. */
export interface GeneratorType<Options = unknown, ServiceOptions = unknown> {
  /** The top-level key in the configuration, and the key of its part of each service. */
  readonly type: string
  readonly description: string
  readonly options: z.ZodObject
  readonly serviceOptions: z.ZodObject
  /** Looks at all services at once. */
  check?(
    options: Options,
    services: readonly { readonly name: string; readonly options: ServiceOptions }[],
  ): readonly ServiceProblem[]
  /**
   * Whether what it generates finds dead instances of this service by itself, so that instances which vanish from the
   * registry in numbers may be kept for a while (panic-hold.ts). Default: it does not.
   */
  findsDeadInstances?(options: Options, service: ServiceOptions): boolean
  create(context: GeneratorContext, options: Options): Generator<ServiceOptions, Options>
}

/** Gives a generator type its option types from its schemas. */
export function defineGenerator<Top extends z.ZodRawShape, PerService extends z.ZodRawShape>(generator: {
  readonly type: string
  readonly description: string
  readonly options: z.ZodObject<Top>
  readonly serviceOptions: z.ZodObject<PerService>
  check?(
    options: z.output<z.ZodObject<Top>>,
    services: readonly { readonly name: string; readonly options: z.output<z.ZodObject<PerService>> }[],
  ): readonly ServiceProblem[]
  findsDeadInstances?(options: z.output<z.ZodObject<Top>>, service: z.output<z.ZodObject<PerService>>): boolean
  create(
    context: GeneratorContext,
    options: z.output<z.ZodObject<Top>>,
  ): Generator<z.output<z.ZodObject<PerService>>, z.output<z.ZodObject<Top>>>
}): GeneratorType {
  return generator as unknown as GeneratorType
}
