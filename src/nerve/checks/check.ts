import type * as z from 'zod'
import type { Clock } from '../../core/clock.ts'
import { withWeakOptions } from '../../core/config/plugin-options.ts'
import type { Logger } from '../../core/log.ts'

/** Where a check is aimed. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** What a check may need beside its options. */
export interface CheckContext {
  readonly target: Target
  /** The check's deadline in ms. The runner enforces it; a check passes it to libraries that want a timeout of their own. */
  readonly timeoutMs: number
  readonly log: Logger
  /** For checks whose phases have deadlines of their own. Default: the real clock. */
  readonly clock?: Clock
}

/** What the run that is under way waits for, for `Check.waitingFor`. */
export interface Progress {
  waitingFor: string
}

/** A configured check. */
export interface Check {
  /**
   * Resolves when the service is healthy and rejects with the reason when not: a sentence that an operator understands.
   * Obeys `signal`, which aborts at the deadline, and leaves no socket, timer or listener behind.
   */
  run(signal: AbortSignal): Promise<void>
  /** The deadline of a whole run in ms, when the options say more of it than `timeout` does (http: open, TLS and read). Default: `timeoutMs`. */
  readonly deadlineMs?: number
  /** What the run that is under way waits for, completing `no ... within 100 ms` when the deadline passes, e.g. `greeting from db:3306`. */
  waitingFor?(): string
  /** Lets go of what outlives a run, e.g. a kept connection. Called once, when the check is replaced or nerve stops; nothing waits for it. */
  close?(): void
}

/**
 * A check type: its options and how to make a check of them. `prepare` runs when the configuration is read, so a
 * library that only this type needs is imported there and an idle nerve does not load it.
 */
export interface CheckType<Options = unknown> {
  /** The `type` in the configuration. */
  readonly type: string
  /** One sentence for the JSON Schema. */
  readonly description: string
  /** The options beside those common to all checks (host, port, timeout, interval, rise, fall, name). */
  readonly options: z.ZodObject
  prepare(context: CheckContext, options: Options): Promise<Check>
}

/** Gives a check type its option types from its schema, which is made when a configuration is read and then forgotten. */
export function defineCheck<Shape extends z.ZodRawShape>(check: {
  readonly type: string
  readonly description: string
  options(): z.ZodObject<Shape>
  prepare(context: CheckContext, options: z.output<z.ZodObject<Shape>>): Promise<Check>
}): CheckType {
  return withWeakOptions(check) as unknown as CheckType
}
