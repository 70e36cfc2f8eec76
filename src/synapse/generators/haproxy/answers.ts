import type { RuntimeCommand } from './model.ts'

export type CommandKind = RuntimeCommand['kind']

/** Why HAProxy did not do a command. */
export type RefusalCause =
  /** The server is there already, or its id is taken: what we believe of this backend is wrong. */
  | 'exists'
  /** The backend or the server is not there: what we believe of this backend is wrong. */
  | 'gone'
  /** Not now: connections are attached to the server, or it is not in maintenance. */
  | 'busy'
  /** The backend does not work any more: most often, a reload has replaced this worker. */
  | 'stopping'
  /** This backend, this server or this HAProxy cannot do it at run time. */
  | 'unsupported'
  /** A value or a keyword that HAProxy does not take. */
  | 'invalid'

export type Answer =
  | { readonly result: 'ok' }
  | { readonly result: 'no-change' }
  | { readonly result: 'refused'; readonly cause: RefusalCause; readonly reason: string }
  /** Words that no known HAProxy says: nothing is assumed, the backend is read again. */
  | { readonly result: 'unknown'; readonly text: string }

type Verdict = 'ok' | 'no-change' | RefusalCause
type Row = readonly [pattern: RegExp, verdict: Verdict]

// The words of HAProxy 2.4 to 3.2 for each command; '' is the silent success (reference: transcripts of 2.6.12, 1.2).
const ANSWERS: Readonly<Record<CommandKind, readonly Row[]>> = {
  'add-server': [
    [/^New server registered\.$/, 'ok'],
    [/^Already exists a server with the same name in backend\.$/, 'exists'],
    [/custom id \d+ already used at /, 'exists'],
    [/^Backend must use a dynamic load balancing to support dynamic servers\.$/, 'unsupported'],
    [/option is not accepted for dynamic server$/, 'unsupported'],
    [/^unknown keyword '/, 'invalid'],
  ],
  'enable-health': [
    [/^$/, 'ok'],
    [/^Health check was not configured on this server, cannot enable\.$/, 'unsupported'],
  ],
  'set-weight': [
    [/^$/, 'ok'],
    [/^Backend is using a static LB algorithm /, 'unsupported'],
    [/^Absolute weight can only be between 0 and 256 inclusive\.$/, 'invalid'],
  ],
  'set-address': [
    [/^IP changed from '/, 'ok'],
    [/^no need to change the addr/, 'ok'],
  ],
  'set-state': [[/^$/, 'ok']],
  'del-server': [
    [/^Server deleted\.$/, 'ok'],
    [/^No such server\.$/, 'no-change'],
    [/^Only servers in maintenance mode can be deleted\.$/, 'busy'],
    [/^Server still has connections attached to it, cannot remove it\.$/, 'busy'],
    [/^This server cannot be removed at runtime due to other configuration elements pointing to it\.$/, 'unsupported'],
  ],
}

const ANY_COMMAND: readonly Row[] = [
  [/^No such (?:backend|server)\.$/, 'gone'],
  [/^Can't find backend\.$/, 'gone'],
  [/^Proxy is disabled\.$/, 'stopping'],
  [/^(?:Require|Requires) 'backend\/server'\.$/, 'invalid'],
  [/^Permission denied$/, 'unsupported'],
  [/^Unknown command/, 'unsupported'],
  [/^This command is restricted to experimental mode only\.$/, 'unsupported'],
]

/**
 * What HAProxy's answer to a command means. Severity numbers (`[3]: `, from `set severity-output number`) decide over
 * wording: a text of severity error or worse is never taken for success.
 */
export function classifyAnswer(kind: CommandKind, text: string): Answer {
  const { severity, words } = splitSeverity(text)
  const failed = severity !== undefined && severity <= ERROR
  const verdict = [...ANSWERS[kind], ...ANY_COMMAND].find(([pattern]) => pattern.test(words))?.[1]
  if (verdict === undefined) return failed ? refused('invalid', words) : { result: 'unknown', text: words }
  if (verdict === 'ok') return failed ? refused('invalid', words) : { result: 'ok' }
  return verdict === 'no-change' ? { result: 'no-change' } : refused(verdict, words)
}

const ERROR = 3 // syslog's numbers: 0 emergency to 3 error, 4 warning, 5 notice, 6 info

function refused(cause: RefusalCause, reason: string): Answer {
  return { result: 'refused', cause, reason }
}

/** Takes `[6]: ` off an answer and the line feeds around it. */
export function splitSeverity(text: string): { readonly severity: number | undefined; readonly words: string } {
  const match = /^\[(\d)\]: /.exec(text)
  return {
    severity: match === null ? undefined : Number(match[1]),
    words: text.slice(match?.[0].length ?? 0).trim(),
  }
}
