import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'
import type { LogFields, Logger } from './log.ts'

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
      timestamp: stdTimeFunctions.isoTime,
      // Words, not pino's numbers: an operator greps for warn. The pretty stream wants the numbers and writes words itself.
      ...(pretty ? {} : { formatters: { level: (label: string) => ({ level: label }) } }),
    },
    stream,
  )
  return wrap((severity, fields, message) => base[severity](fields, message))
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

function wrap(write: Write, bound: LogFields = {}): Logger {
  return {
    debug: (message, fields) => write('debug', { ...bound, ...fields }, message),
    info: (message, fields) => write('info', { ...bound, ...fields }, message),
    warn: (message, fields) => write('warn', { ...bound, ...fields }, message),
    error: (message, fields) => write('error', { ...bound, ...fields }, message),
    child: (fields) => wrap(write, { ...bound, ...fields }),
  }
}
