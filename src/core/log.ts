/** Named values of a log line. Put what an operator searches for here, not into the message. */
export type LogFields = Readonly<Record<string, unknown>>

/** Log lines are written when something changes, with from, to and reason; never once per check. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` to each of its lines. */
  child(fields: LogFields): Logger
}
