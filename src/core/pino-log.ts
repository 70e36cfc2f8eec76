import { type DestinationStream, destination, pino } from 'pino'
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

/** A logger that writes JSON lines (or lines for people) to stderr, synchronously: the last line before an exit is never lost. */
export async function createLogger({ name, level = 'info', pretty = false }: LogOptions): Promise<Logger> {
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
  const write: Write = (severity, fields, message) => base[severity](fields, message)
  return new BoundLogger(write, level === 'debug', {})
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

type Write = (severity: 'debug' | 'info' | 'warn' | 'error', fields: LogFields, message: string) => void

/** A class, and not functions around `write`: every service has several of these. */
class BoundLogger implements Logger {
  readonly #write: Write
  readonly #writesDebug: boolean
  readonly #bound: LogFields

  constructor(write: Write, writesDebug: boolean, bound: LogFields) {
    this.#write = write
    this.#writesDebug = writesDebug
    this.#bound = bound
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#writesDebug) this.#write('debug', { ...this.#bound, ...fields }, message)
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', { ...this.#bound, ...fields }, message)
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', { ...this.#bound, ...fields }, message)
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', { ...this.#bound, ...fields }, message)
  }

  child(fields: LogFields): Logger {
    return new BoundLogger(this.#write, this.#writesDebug, { ...this.#bound, ...fields })
  }
}
