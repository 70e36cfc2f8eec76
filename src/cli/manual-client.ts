import type * as z from 'zod'
import type { Clock } from '../core/clock.ts'
import { SmartStackError } from '../core/errors.ts'
import { withDeadline } from '../core/time-limit.ts'
import { reasonOf } from './admin-client.ts'
import { Misuse } from './arguments.ts'
import { type ManualOverview, type ManualTarget, manualOverview, manualRefusal, manualTarget } from './manual-answer.ts'

/** nerve writes what is said to the disk before it answers. */
const DEADLINE_MS = 10_000

export interface ManualClientOptions {
  /** `http://host:port` of nerve's admin server. */
  readonly url: string
  /** For a nerve on another machine. */
  readonly token: string | undefined
  readonly clock: Clock
}

/** Asks nerve for manual state and changes it. Every method throws a sentence for an operator, or Misuse. */
export class ManualClient {
  readonly #options: ManualClientOptions

  constructor(options: ManualClientOptions) {
    this.#options = options
  }

  overview(signal: AbortSignal): Promise<ManualOverview> {
    return this.#ask('GET', '/manual', manualOverview, undefined, signal)
  }

  target(target: string, signal: AbortSignal): Promise<ManualTarget> {
    return this.#ask('GET', pathOf(target), manualTarget, undefined, signal)
  }

  say(target: string, command: object, signal: AbortSignal): Promise<ManualTarget> {
    return this.#ask('PUT', pathOf(target), manualTarget, command, signal)
  }

  /** Takes back all that was said of a target. */
  forget(target: string, by: string | undefined, signal: AbortSignal): Promise<ManualTarget> {
    const query = by === undefined ? '' : `?${new URLSearchParams({ by })}`
    return this.#ask('DELETE', `${pathOf(target)}${query}`, manualTarget, undefined, signal)
  }

  async #ask<Schema extends z.ZodType>(
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    schema: Schema,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> {
    const { clock, url } = this.#options
    const { status, text } = await withDeadline(clock, DEADLINE_MS, 'an answer', signal, (limited) =>
      this.#fetch(method, `${url}${path}`, body, limited),
    ).catch((error: unknown) => {
      signal.throwIfAborted()
      const hint = 'give its admin server with --nerve URL; its log says "admin server listens"'
      throw new SmartStackError('ADMIN_ANSWER', `nerve does not answer at ${url}: ${reasonOf(error)}; ${hint}`)
    })
    const value = jsonOf(text)
    const parsed = schema.safeParse(value)
    if (status < 300 && parsed.success) return parsed.data
    throw this.#refusal(status, text, value)
  }

  async #fetch(method: string, url: string, body: object | undefined, signal: AbortSignal) {
    const { token } = this.#options
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(url, { method, headers, signal, ...sent })
    return { status: response.status, text: await response.text() }
  }

  #refusal(status: number, text: string, value: unknown): Error {
    const { url } = this.#options
    const refusal = manualRefusal.safeParse(value)
    if (status === 403) {
      const hint = 'SMARTSTACK_TOKEN gives the token of its admin server'
      return new SmartStackError('ADMIN_ANSWER', `nerve at ${url} refuses: ${text.trim()}; ${hint}`)
    }
    if (!refusal.success || (status !== 400 && status !== 404)) {
      const what = `answers ${status}, so it is not nerve, or is another release of it`
      return new SmartStackError('ADMIN_ANSWER', `what listens at ${url} ${what}`)
    }
    const { error, nearest, services } = refusal.data
    if (typeof nearest === 'string') return new Misuse(`${error}. Did you mean "${nearest}"?`)
    return new Misuse(services === undefined ? error : `${error}; known are ${[...services, 'all'].join(', ')}`)
  }
}

const pathOf = (target: string) => `/manual/${encodeURIComponent(target)}`

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // told as another release
  }
}
