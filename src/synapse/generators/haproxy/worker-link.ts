import { type Clock, sleep } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import { withDeadline } from '../../../core/time-limit.ts'
import { afterCommands } from './after-commands.ts'
import { type Answer, classifyAnswer } from './answers.ts'
import { formatCommand } from './commands.ts'
import { ServerLedger } from './ledger.ts'
import type { ObservedServer, RuntimeCommand } from './model.ts'
import { parseInfo, parseServersConn, type ServerConnections, type WorkerInfo } from './observe.ts'
import { WorkerSession } from './runtime.ts'
import { parseServersState } from './servers-state.ts'
import { socketError } from './socket.ts'

const POLL_MS = 10

export interface WorkerLinkOptions {
  readonly address: string
  readonly clock: Clock
  /** Longest wait for an answer, ms. */
  readonly deadlineMs: number
  /** The worker died, was replaced, or hangs. */
  readonly onLost: (reason: Error) => void
}

/** What one command came to. */
export interface CommandOutcome {
  readonly command: RuntimeCommand
  readonly answer: Answer
}

/**
 * What we know of the worker behind one stats socket, and the connection over which we know it. Knowledge belongs to one
 * worker: as soon as another one answers, all of it is void.
 */
export class WorkerLink {
  readonly address: string
  /** What this worker was told about its servers. */
  readonly ledger = new ServerLedger()
  readonly #options: WorkerLinkOptions
  #session: WorkerSession | undefined
  #worker: WorkerInfo | undefined
  #observed = new Map<string, readonly ObservedServer[]>()
  #observedAt: number | undefined
  /** `structure` of the configuration that this worker was started with; undefined when unknown. */
  structure: ReadonlyMap<string, string> | undefined

  constructor(options: WorkerLinkOptions) {
    this.address = options.address
    this.#options = options
  }

  /** The worker that answered last. */
  get worker(): WorkerInfo | undefined {
    return this.#worker
  }

  get connected(): boolean {
    return this.#session?.open === true
  }

  /** Servers by backend, as they were last seen or as confirmed commands have changed them since. */
  get observed(): ReadonlyMap<string, readonly ObservedServer[]> {
    return this.#observed
  }

  /** When everything was last observed, on `clock.now()`; undefined when it has to be observed now. */
  get observedAt(): number | undefined {
    return this.#observedAt
  }

  /**
   * Connects if there is no connection. Resolves with `new` when another worker answers than the last time, or the first one.
   * A worker that a reload is replacing is not taken: its successor answers in a moment.
   * @throws SmartStackError HAPROXY_SOCKET or DEADLINE.
   */
  async connect(signal: AbortSignal): Promise<'same' | 'new'> {
    if (this.connected) return 'same'
    const session = await this.#openSession(signal)
    this.#session = session
    this.#observedAt = undefined
    const before = this.#worker
    this.#worker = session.info
    if (before?.pid === session.info.pid && before.startedAt === session.info.startedAt) return 'same'
    this.#observed.clear()
    this.ledger.load(new Map())
    this.structure = undefined
    return 'new'
  }

  /** What we know may be wrong: everything is observed again before anything is decided. */
  doubt(): void {
    this.#observedAt = undefined
  }

  /** Ends the connection, e.g. because a reload has replaced the worker, which cannot end before its connections do. */
  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  /** Observes every backend. */
  async observeAll(signal: AbortSignal): Promise<void> {
    const answer = await this.#ask('show servers state', signal)
    const backends = parseServersState(answer, this.#observed)
    if (backends === undefined) throw this.#surprise('show servers state', answer)
    this.#observed = new Map(backends)
    this.#observedAt = this.#options.clock.now()
  }

  /** What the worker itself says of all its servers, for its successor. */
  serversState(signal: AbortSignal): Promise<string> {
    return this.#ask('show servers state', signal)
  }

  /** Observes some backends; resolves with those that HAProxy does not have. */
  async observe(names: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    return this.#take(names, await this.#open().send(names.map(stateOf), signal))
  }

  /** @param answers to `show servers state`, in the order of the names. */
  #take(names: readonly string[], answers: readonly string[]): readonly string[] {
    const missing: string[] = []
    for (const [index, name] of names.entries()) {
      const found = parseServersState(answers[index] ?? '', this.#observed)
      if (found === undefined) {
        missing.push(name)
        this.#observed.delete(name)
      } else this.#observed.set(name, found.get(name) ?? [])
    }
    return missing
  }

  /**
   * Sends commands in order and remembers what HAProxy confirmed. What it says is a result, not an error.
   * @param readBack backends that are observed after the last command, in the same breath.
   * @throws SmartStackError HAPROXY_SOCKET or DEADLINE: how much was done is unknown, or was done to a worker that has been
   * replaced. The next `connect` finds its successor.
   */
  async execute(
    commands: readonly RuntimeCommand[],
    readBack: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly CommandOutcome[]> {
    let answers: readonly string[]
    try {
      answers = await this.#open().send([...commands.map(formatCommand), ...readBack.map(stateOf)], signal)
    } catch (error) {
      this.doubt() // how many were done, nobody knows
      throw error
    }
    const outcomes = commands.map((command, index) => ({
      command,
      answer: classifyAnswer(command.kind, answers[index] ?? ''),
    }))
    if (outcomes.some(isStopping)) await this.#refuseReplaced(signal)
    for (const { command, answer } of outcomes) if (answer.result === 'ok') this.ledger.record(command)
    this.#take(readBack, answers.slice(commands.length))
    return outcomes
  }

  /** A replaced worker takes some commands still, and nobody will ever see what they did. */
  async #refuseReplaced(signal: AbortSignal): Promise<void> {
    if (!parseInfo(await this.#ask('show info', signal)).stopping) return
    this.close()
    throw socketError(`the worker at ${this.address} was replaced`)
  }

  /** Takes confirmed commands for what is, where reading back at once would cost too much. */
  assume(backend: string, commands: readonly RuntimeCommand[]): void {
    this.#observed.set(backend, afterCommands(this.#observed.get(backend) ?? [], commands))
  }

  /** Connections that hold these servers, by `backend/server`, as they are wanted. */
  async connections(
    servers: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ServerConnections>> {
    const backends = [...new Set([...servers].map((server) => server.slice(0, server.indexOf('/'))))]
    const answers = await this.#open().send(
      backends.map((backend) => `show servers conn ${backend}`),
      signal,
    )
    return new Map(answers.flatMap((answer) => [...parseServersConn(answer, servers)]))
  }

  /**
   * Whether the connected worker still answers and is not being replaced. If not, the connection is closed. One that has
   * commands to answer is not asked more, and keeps its connection until the deadline that it has for them.
   * @returns what is wrong; undefined when nothing is.
   */
  async ping(deadlineMs: number, signal: AbortSignal): Promise<string | undefined> {
    const session = this.#session
    if (session?.open !== true) return `no connection to ${this.address}`
    const { silentMs } = session
    if (silentMs !== undefined) return silentMs > deadlineMs ? `${this.address} is silent` : undefined
    try {
      const what = `"show info" to HAProxy at ${this.address}`
      const answer = await withDeadline(this.#options.clock, deadlineMs, what, signal, (limited) =>
        session.ask('show info', limited),
      )
      if (!parseInfo(answer).stopping) return undefined
      session.close()
      return `the worker at ${this.address} was replaced`
    } catch (error) {
      signal.throwIfAborted()
      session.close()
      return messageOf(error)
    }
  }

  #open(): WorkerSession {
    if (this.#session === undefined)
      throw new SmartStackError('INTERNAL', `${this.address} is used before it is connected`)
    return this.#session
  }

  #ask(command: string, signal: AbortSignal): Promise<string> {
    return this.#open().ask(command, signal)
  }

  async #openSession(signal: AbortSignal): Promise<WorkerSession> {
    const { address, clock, deadlineMs, onLost } = this.#options
    return withDeadline(clock, deadlineMs, `a worker of HAProxy at ${address}`, signal, async (limited) => {
      for (;;) {
        const session = await WorkerSession.open({ address, clock, deadlineMs, onLost }, limited)
        if (!session.info.stopping) return session
        session.close()
        await sleep(clock, POLL_MS, limited)
      }
    })
  }

  #surprise(command: string, answer: string): SmartStackError {
    return new SmartStackError(
      'HAPROXY_COMMAND',
      `HAProxy at ${this.address} answers "${command}" with "${answer.trim()}"`,
    )
  }
}

function stateOf(backend: string): string {
  return `show servers state ${backend}`
}

function isStopping({ answer }: CommandOutcome): boolean {
  return answer.result === 'refused' && answer.cause === 'stopping'
}
