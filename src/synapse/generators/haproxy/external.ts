import { createBackoff } from '../../../core/backoff.ts'
import { type Clock, pause, sleep } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import type { HaproxyProcess } from './process.ts'
import { runCommand } from './run-command.ts'
import { WorkerSession } from './runtime.ts'

const POLL_MS = 20
/** A worker that hangs this long on a fresh connection counts as gone. */
const PROBE_MS = 2_000
/** After a reload command that ended well, HAProxy has this long to answer at all. */
const SILENCE_MS = 5_000

export interface ExternalOptions {
  /** Shell command that reloads HAProxy, or starts it when it does not run. undefined: somebody else sees to it. */
  readonly reloadCommand: string | undefined
  /** Longest run of `reloadCommand`, ms. */
  readonly reloadTimeoutMs: number
  /** One worker answers on each. */
  readonly statsSockets: readonly string[]
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  /** Before HAProxy is started: the file must say what shall run. */
  readonly beforeStart: (signal: AbortSignal) => Promise<void>
  /** HAProxy answers again after it did not. */
  readonly onRestart: () => void
}

/** Somebody else's HAProxy, reloaded by a command as Airbnb's synapse does. */
export class ExternalHaproxy implements HaproxyProcess {
  readonly mode = 'external'
  readonly #options: ExternalOptions
  #suspected = false
  #wake: () => void = () => {}
  #lastFailure: string | undefined

  constructor(options: ExternalOptions) {
    this.#options = options
  }

  async start(signal: AbortSignal): Promise<void> {
    if ((await this.#silent(signal)) !== undefined) await this.#startSilent(signal)
  }

  async #startSilent(signal: AbortSignal): Promise<void> {
    await this.#options.beforeStart(signal)
    await this.#runCommand([], signal) // whoever answers already need not be replaced
    const silent = await this.#silent(signal)
    if (silent !== undefined) throw new SmartStackError('HAPROXY_PROCESS', silent, { retryable: true })
  }

  /** Runs the command and waits until other workers answer than before. */
  async reload(signal: AbortSignal): Promise<void> {
    if (this.#options.reloadCommand !== undefined) await this.#runCommand(await this.#workers(signal), signal)
  }

  /** Runs the command and waits until a worker answers on every socket, and not the one that did `before`. */
  async #runCommand(before: readonly (number | undefined)[], signal: AbortSignal): Promise<void> {
    const { reloadCommand, reloadTimeoutMs: deadlineMs, clock } = this.#options
    if (reloadCommand === undefined) return
    const started = clock.now()
    const { status, output } = await runCommand(reloadCommand, { clock, deadlineMs }, signal)
    if (status !== 0) {
      const words = output.trim() === '' ? 'it said nothing' : output.trim()
      throw reloadError(`reload_command ended with ${status}: ${words}`)
    }
    await this.#takeover(before, started + deadlineMs, signal)
  }

  async #takeover(before: readonly (number | undefined)[], end: number, signal: AbortSignal): Promise<void> {
    const { statsSockets, clock } = this.#options
    const silentUntil = clock.now() + SILENCE_MS
    for (;;) {
      const now = await this.#workers(signal)
      const stale = now.findIndex((worker, index) => worker === undefined || worker === before[index])
      if (stale === -1) return
      const silent = now[stale] === undefined
      if (clock.now() >= (silent ? Math.min(end, silentUntil) : end)) {
        const who = silent ? 'no worker answers' : 'the same worker as before answers'
        throw reloadError(`reload_command ended well, but ${who} on ${statsSockets[stale]}`)
      }
      await sleep(clock, POLL_MS, signal)
    }
  }

  suspect(): void {
    this.#suspected = true
    this.#wake()
  }

  /** Nobody can tell: its workers are not ours. */
  async oldWorkers(): Promise<undefined> {
    return undefined
  }

  state() {
    return { ...(this.#lastFailure === undefined ? {} : { last_failure: this.#lastFailure }) }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#suspicion(signal)
      if (signal.aborted) return
      const silent = await this.#silent(signal).catch((error: unknown) => {
        if (!signal.aborted) throw error
        return undefined
      })
      if (silent !== undefined) await this.#revive(silent, signal)
    }
  }

  async #suspicion(signal: AbortSignal): Promise<void> {
    if (!this.#suspected) {
      const woken = new AbortController()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true, signal: woken.signal })
      })
      woken.abort()
    }
    this.#suspected = false
  }

  /** Runs the reload command, less and less often, until every worker answers. */
  async #revive(silent: string, signal: AbortSignal): Promise<void> {
    const { clock, log, random, onRestart, reloadCommand } = this.#options
    const backoff = createBackoff({ initialMs: 500, maxMs: 30_000, random })
    this.#lastFailure = silent
    log.error('haproxy does not answer', { reason: silent, reload_command: reloadCommand ?? null })
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        if (attempt === 1) await this.#startSilent(signal)
        else await this.start(signal)
        log.info('haproxy answers again', { after: silent })
        onRestart()
        return
      } catch (error) {
        if (signal.aborted) return
        const retryMs = backoff.next()
        this.#lastFailure = messageOf(error)
        log.error('haproxy still does not answer', { reason: messageOf(error), retry_in_ms: Math.round(retryMs) })
        await pause(clock, retryMs, signal)
      }
    }
  }

  /** Why a worker does not answer; undefined when all do. */
  async #silent(signal: AbortSignal): Promise<string | undefined> {
    for (const address of this.#options.statsSockets) {
      const answer = await this.#probe(address, signal)
      if (typeof answer === 'string') return answer
    }
    return undefined
  }

  async #workers(signal: AbortSignal): Promise<readonly (number | undefined)[]> {
    const answers = await Promise.all(this.#options.statsSockets.map((address) => this.#probe(address, signal)))
    return answers.map((answer) => (typeof answer === 'number' ? answer : undefined))
  }

  /** The pid of the worker that answers, or why none does. */
  async #probe(address: string, signal: AbortSignal): Promise<number | string> {
    try {
      const options = { address, clock: this.#options.clock, deadlineMs: PROBE_MS, onLost: () => {} }
      const session = await WorkerSession.open(options, signal)
      session.close()
      return session.info.pid
    } catch (error) {
      signal.throwIfAborted()
      return messageOf(error)
    }
  }
}

function reloadError(message: string): SmartStackError {
  return new SmartStackError('HAPROXY_RELOAD', message, { retryable: true })
}
