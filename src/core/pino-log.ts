import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino'
import { systemClock } from './clock.ts'
import type { LogFields, Logger } from './log.ts'
import { formatUtc } from './utc-time.ts'

export interface LogOptions {
  /** The daemon's name, on every line. */
  readonly name: string
  /** Least severe level that is written. Default `info`. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
  /** Lines for people instead of JSON. Give it when stderr is a terminal. */
  readonly pretty?: boolean
}

/** A logger whose level may be changed while it is in use; that counts for all of its children, too. */
export interface LevelledLogger extends Logger {
  setLevel(level: NonNullable<LogOptions['level']>): void
}

/** A logger that writes JSON lines (or lines for people) to stderr, synchronously: the last line before an exit is never lost. */
export async function createLogger({ name, level = 'info', pretty = false }: LogOptions): Promise<LevelledLogger> {
  const stream = pretty ? await prettyStream() : destination({ dest: 2, sync: true })
  const base = pino(
    {
      level,
      base: { name },
      timestamp: () => `,"time":"${formatUtc(systemClock.wallTime())}"`,
      // Words, not pino's numbers: an operator greps for warn. The pretty stream wants the numbers and writes words itself.
      ...(pretty ? {} : { formatters: { level: (label: string) => ({ level: label }) } }),
    },
    stream,
  )
  return new BoundLogger(base, {})
}

async function prettyStream(): Promise<DestinationStream> {
  const { default: pinoPretty } = await import('pino-pretty')
  return pinoPretty({
    destination: 2,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  })
}

/** A class, and not functions around `base`: every service has several of these. */
class BoundLogger implements LevelledLogger {
  readonly #base: PinoLogger
  readonly #bound: LogFields

  constructor(base: PinoLogger, bound: LogFields) {
    this.#base = base
    this.#bound = bound
  }

  setLevel(level: NonNullable<LogOptions['level']>): void {
    this.#base.level = level
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#base.level === 'debug') this.#base.debug({ ...this.#bound, ...fields }, message)
  }

  info(message: string, fields?: LogFields): void {
    this.#base.info({ ...this.#bound, ...fields }, message)
  }

  warn(message: string, fields?: LogFields): void {
    this.#base.warn({ ...this.#bound, ...fields }, message)
  }

  error(message: string, fields?: LogFields): void {
    this.#base.error({ ...this.#bound, ...fields }, message)
  }

  child(fields: LogFields): Logger {
    return new BoundLogger(this.#base, { ...this.#bound, ...fields })
  }
}
