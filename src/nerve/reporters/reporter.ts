import { isDeepStrictEqual } from 'node:util'
import type * as z from 'zod'
import type { Clock } from '../../core/clock.ts'
import { withWeakOptions } from '../../core/config/plugin-options.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { ReconcileResult } from '../../core/reconcile-loop.ts'
import type { InstancePayload } from '../../core/service-instance.ts'
import type { SessionPool } from '../../zookeeper/zookeeper.ts'

/** What the registry shall say of a service. */
export type Registration =
  | { readonly kind: 'present'; readonly payload: InstancePayload }
  /**
   * `payload`: what to say where services that are not available stay visible. `byHand`: somebody took the service out, and
   * those who read the registry shall believe it, however many go at once. `ifPresent`: what it would say if it were present,
   * by which what a former process left there is known again.
   */
  | {
      readonly kind: 'absent'
      readonly payload?: InstancePayload
      readonly byHand?: true
      readonly ifPresent?: InstancePayload
    }

/** Whether both leave the same in a registry, which may show what is said of a service that is absent or not. */
export const sameRegistration = (
  a: Registration | undefined,
  b: Registration | undefined,
  showsAbsent: boolean,
): boolean =>
  a?.kind === b?.kind && ((a?.kind === 'absent' && !showsAbsent) || isDeepStrictEqual(a?.payload, b?.payload))

/** How a registration was written again before its time to live ended. */
export type Renewal =
  | { readonly ok: true; readonly hosts: readonly string[] }
  | { readonly ok: false; readonly hosts: readonly string[]; readonly reason: 'no_node' | 'connection_error' }

/** What a reporter may need beside its options. */
export interface ReporterContext {
  readonly service: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  /** Shared ZooKeeper sessions, one per ensemble and credentials. */
  readonly sessions: SessionPool
  /** Ask for another `reconcile`: the registration was lost, or the registry can be reached again. */
  readonly onDisturbed: () => void
  /** A registration with a time to live was written again, or could not be. */
  readonly onRenewed: (renewal: Renewal) => void
  /** Writes to standard output; rejects when that fails. */
  readonly print: (text: string) => Promise<void>
}

/** Keeps one registration. */
export interface Reporter {
  /**
   * Makes the registry say `desired`; rejects when it could not. Safe to call again with the same value; never called
   * twice at once. The result may ask for another call, e.g. to renew a registration before its time to live ends.
   */
  reconcile(desired: Registration, signal: AbortSignal): Promise<ReconcileResult>
  /**
   * Takes edited options that concern neither the place nor the shape of the registration, which then stays as it is;
   * the caller reconciles next. False, as by default: not these, another reporter is needed.
   */
  reconfigure?(options: unknown): boolean
  /**
   * Whether the registry can be asked and holds what it should, as far as is known without asking; undefined while it is
   * being connected to for the first time. Default: it does.
   */
  isWell?(): boolean | undefined
  /**
   * What it keeps in the registry, so that it can be told from anything else there: two reporters that keep the same thing,
   * over different connections or in different forms, say the same. undefined: nothing is known to be there. Default: never known.
   */
  holds?(): string | undefined
  /** Whether the registry may hold something of it, also what was written and not answered yet. Default: while `reconcile` runs. */
  mayHold?(): boolean
  /** Whether the payload of an absent registration can be seen, so that a change of it is one. Default: it cannot. */
  showsAbsent?(): boolean
  /** What the status page shows, e.g. the path of the znode. */
  state(): Readonly<Record<string, unknown>>
  /**
   * Lets go of sessions and listeners. Does not de-register: the caller reconciles to `absent` first if it wants that.
   * `keep`: what is registered shall stay for as long as it can without us, e.g. until the session times out.
   */
  close(options?: { readonly keep: boolean }): Promise<void>
}

/** A reporter type: its options and how to make a reporter of them. */
export interface ReporterType<Options = unknown> {
  /** The `reporter_type` in the configuration. */
  readonly type: string
  readonly description: string
  /** The service keys that belong to this reporter, e.g. `zk_hosts`. */
  readonly options: z.ZodObject
  create(context: ReporterContext, options: Options): Reporter
}

/** Gives a reporter type its option types from its schema, which is made when a configuration is read and then forgotten. */
export function defineReporter<Shape extends z.ZodRawShape>(reporter: {
  readonly type: string
  readonly description: string
  options(): z.ZodObject<Shape>
  create(context: ReporterContext, options: z.output<z.ZodObject<Shape>>): Reporter
}): ReporterType {
  return withWeakOptions(reporter) as unknown as ReporterType
}
