/** What went wrong, in one word that code may compare. Grows with the code; never a sentence. */
export type ErrorCode =
  | 'ADMIN_ANSWER'
  | 'ADMIN_LISTEN'
  | 'CONFIG_INVALID'
  | 'DEADLINE'
  | 'HAPROXY_COMMAND'
  | 'HAPROXY_CONFIG'
  | 'HAPROXY_PROCESS'
  | 'HAPROXY_RELOAD'
  | 'HAPROXY_SOCKET'
  | 'INTERNAL'
  | 'REGISTRY'
  | 'STATE_FILE'
  | 'TASK_ENDED'

export interface ErrorOptions {
  readonly cause?: unknown
  /** Whether trying again later can help. Default false. */
  readonly retryable?: boolean
}

/** The one error class of both daemons. Expected outcomes are values; this is for what should not have happened. */
export class SmartStackError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, { cause, retryable = false }: ErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SmartStackError'
    this.code = code
    this.retryable = retryable
  }
}

/** The sentence of an unknown thrown value, for a log line or a reason shown to an operator. Never throws. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return textOf(error)
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error.message === '' ? error.name : error.message
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value) // no prototype, or a toString that throws
  }
}
