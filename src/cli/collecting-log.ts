import type { LogFields, Logger } from '../core/log.ts'

/** A logger that hands over warnings and errors as sentences, and drops the rest: a command has an answer, not a log. */
export function collectingLog(onWarning: (sentence: string) => void, bound: LogFields = {}): Logger {
  const tell = (message: string, fields: LogFields = {}) => onWarning(sentenceOf(message, { ...bound, ...fields }))
  return {
    debug() {},
    info() {},
    warn: tell,
    error: tell,
    child: (fields) => collectingLog(onWarning, { ...bound, ...fields }),
  }
}

/** The message, what it is about, and the reason. */
function sentenceOf(message: string, { reason, service, path, ensemble }: LogFields): string {
  const subject = [service, path ?? ensemble].filter((word) => word !== undefined).join(' ')
  return `${subject === '' ? '' : `${subject}: `}${message}${reason === undefined ? '' : `: ${String(reason)}`}`
}
