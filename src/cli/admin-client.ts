import type * as z from 'zod'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { withDeadline } from '../core/time-limit.ts'
import type { DaemonKind } from './daemon-kind.ts'
import { nerveState, synapseState } from './daemon-state.ts'

const DEADLINE_MS = 5_000

/** Where the daemons' admin servers are unless their configuration says otherwise. */
export const DEFAULT_NERVE = 'http://127.0.0.1:3211'
export const DEFAULT_SYNAPSE = 'http://127.0.0.1:3210'

/** What a daemon's admin server says. */
export type AdminAnswer<State> =
  | {
      readonly answers: true
      readonly url: string
      readonly ready: boolean
      /** Why it is not ready, by itself. */
      readonly notReady: readonly string[]
      readonly state: State
    }
  | { readonly answers: false; readonly url: string; readonly reason: string }

export const askNerve = (url: string, clock: Clock, signal: AbortSignal) => ask('nerve', nerveState, url, clock, signal)

export const askSynapse = (url: string, clock: Clock, signal: AbortSignal) =>
  ask('synapse', synapseState, url, clock, signal)

/** Asks for state and readiness. Whatever goes wrong is the answer, in words for an operator. */
async function ask<Schema extends z.ZodType>(
  kind: DaemonKind,
  schema: Schema,
  url: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<AdminAnswer<z.output<Schema>>> {
  try {
    return await withDeadline(clock, DEADLINE_MS, 'an answer', signal, async (limited) => {
      const [state, readiness] = await Promise.all([
        fetch(`${url}/state`, { signal: limited }).then(readJson),
        fetch(`${url}/readyz`, { signal: limited }),
      ])
      const parsed = schema.safeParse(state)
      if (!parsed.success) throw new Error(`what answers there is not ${kind}, or is another release of it`)
      const notReady = readiness.ok ? [] : (await readiness.text()).trim().split('\n')
      return { answers: true, url, ready: readiness.ok, notReady, state: parsed.data }
    })
  } catch (error) {
    signal.throwIfAborted()
    return { answers: false, url, reason: reasonOf(error) }
  }
}

async function readJson(response: Response): Promise<unknown> {
  if (!response.ok) throw new Error(`/state answers ${response.status}`)
  return response.json()
}

/** Why a request came to nothing. `fetch failed` hides what happened in its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return messageOf(error)
  if (error instanceof SyntaxError) return 'it does not answer in JSON'
  const cause = error.cause
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ECONNREFUSED') return 'nobody listens there'
  return messageOf(cause ?? error)
}

/** `http://host:port` of what an operator writes: a URL, `host:port` or a port. undefined when it is none of these. */
export function adminUrl(text: string): string | undefined {
  const address = /^\d+$/.test(text) ? `127.0.0.1:${text}` : text
  try {
    const { protocol, origin } = new URL(/^https?:\/\//.test(address) ? address : `http://${address}`)
    return protocol === 'http:' || protocol === 'https:' ? origin : undefined
  } catch {
    return undefined // not a URL; the caller says so
  }
}
