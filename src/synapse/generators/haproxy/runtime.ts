import type { Socket } from 'node:net'
import type { Clock } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import { Queue } from '../../../core/queue.ts'
import { withDeadline } from '../../../core/time-limit.ts'
import { PromptSplitter } from './framing.ts'
import { parseInfo, type WorkerInfo } from './observe.ts'
import { connectTo, socketError } from './socket.ts'

/** Unanswered commands at any time. HAProxy 3.2 stalls when more than its buffer of 16 kB is under way; 4 kB costs no speed. */
const WINDOW_BYTES = 4096
/** The window is filled up when half of it is free: many commands in one system call instead of one each, on both sides. */
const REFILL_BYTES = WINDOW_BYTES / 2
/** Longest command. HAProxy resets the connection above its buffer size (16 kB by default). */
const MAX_COMMAND_BYTES = 8192
const MAX_ANSWER_LENGTH = 64 * 1024 * 1024

export interface SessionOptions {
  /** A path or `host:port`. */
  readonly address: string
  readonly clock: Clock
  /** Longest wait for the next answer, ms. */
  readonly deadlineMs: number
  /** The connection ended and it was not we who closed it: HAProxy died, was stopped, or hangs. */
  readonly onLost: (reason: Error) => void
}

interface Batch {
  readonly answers: string[]
  readonly total: number
  readonly resolve: (answers: readonly string[]) => void
  readonly reject: (reason: unknown) => void
}

interface QueuedCommand {
  readonly line: string
  /** With its line end. */
  readonly bytes: number
  readonly batch: Batch
}

/**
 * One connection to the stats socket of one HAProxy worker, in prompt mode. It belongs to the worker that took it, also
 * after a reload: so what was decided from this worker's answers is sent on the same session or not at all. After any
 * error the session is over; open another one and look again.
 */
export class WorkerSession {
  readonly address: string
  /** The worker at the time of opening. */
  readonly info: WorkerInfo
  readonly #line: CommandLine

  private constructor(address: string, line: CommandLine, info: WorkerInfo) {
    this.address = address
    this.#line = line
    this.info = info
  }

  /** @throws SmartStackError HAPROXY_SOCKET when HAProxy does not answer, or DEADLINE. */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<WorkerSession> {
    const { address, clock, deadlineMs } = options
    return withDeadline(clock, deadlineMs, `connecting to HAProxy at ${address}`, signal, async (limited) => {
      const line = new CommandLine(await connectTo(address, limited), options)
      try {
        const [, , , info = ''] = await line.send(
          // The idle time limit of the socket (10 s by default) is lifted for this connection alone.
          ['prompt', 'set severity-output number', 'set timeout cli 1d', 'show info'],
          limited,
        )
        return new WorkerSession(address, line, parseInfo(info))
      } catch (error) {
        line.close()
        throw error
      }
    })
  }

  /** Whether it can still be used. */
  get open(): boolean {
    return this.#line.open
  }

  /** How long HAProxy has said nothing while an answer is awaited, ms; undefined while none is. */
  get silentMs(): number | undefined {
    return this.#line.silentMs
  }

  /**
   * Sends commands in this order and resolves with HAProxy's answers in the same order, without their prompts. An abort
   * closes the session: answers that nobody waits for could not be told from the next ones.
   * @throws SmartStackError HAPROXY_SOCKET or DEADLINE; how many of the commands were done is then unknown.
   */
  send(commands: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    return this.#line.send(commands, signal)
  }

  /** Sends one command. */
  async ask(command: string, signal: AbortSignal): Promise<string> {
    const [answer = ''] = await this.send([command], signal)
    return answer
  }

  /** Ends the connection; what waits is rejected. A worker that was replaced can only end when its connections do. */
  close(): void {
    this.#line.close()
  }
}

/** Commands and answers over one socket: a window of unanswered commands, and a deadline for the next answer. */
class CommandLine {
  readonly #socket: Socket
  readonly #options: SessionOptions
  readonly #splitter = new PromptSplitter(MAX_ANSWER_LENGTH)
  readonly #waiting = new Queue<QueuedCommand>()
  readonly #inFlight = new Queue<QueuedCommand>()
  #bytesInFlight = 0
  #lastProgress = 0
  #cancelDeadline: (() => void) | undefined
  #ended: Error | undefined

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket
    this.#options = options
    socket.setNoDelay(true)
    socket.on('data', (chunk: string) => this.#receive(chunk))
    socket.on('error', (cause) => this.#lose(socketError(`HAProxy at ${options.address}: ${cause.message}`, cause)))
    socket.on('close', () => this.#lose(socketError(`HAProxy closed the connection to ${options.address}`)))
  }

  get open(): boolean {
    return this.#ended === undefined
  }

  get silentMs(): number | undefined {
    return this.#inFlight.length > 0 ? this.#options.clock.now() - this.#lastProgress : undefined
  }

  send(commands: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const unfit = commands.find((command) => !isOneCommand(command))
    if (unfit !== undefined) return Promise.reject(unfitCommand(unfit))
    if (commands.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        reject(signal.reason)
        this.close()
      }
      const settle = () => signal.removeEventListener('abort', onAbort)
      signal.addEventListener('abort', onAbort, { once: true })
      const batch: Batch = {
        answers: [],
        total: commands.length,
        resolve: (answers) => {
          settle()
          resolve(answers)
        },
        reject: (reason) => {
          settle()
          reject(reason)
        },
      }
      for (const line of commands) this.#waiting.push({ line, bytes: Buffer.byteLength(line) + 1, batch })
      this.#fillWindow()
    })
  }

  close(): void {
    this.#end(socketError(`the connection to HAProxy at ${this.#options.address} was closed`))
  }

  #fillWindow(): void {
    if (this.#inFlight.length === 0) this.#lastProgress = this.#options.clock.now()
    let text = ''
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (this.#inFlight.length > 0 && this.#bytesInFlight + next.bytes > WINDOW_BYTES) break
      this.#waiting.shift()
      this.#inFlight.push(next)
      this.#bytesInFlight += next.bytes
      text += `${next.line}\n`
    }
    if (text === '') return
    this.#socket.write(text)
    this.#watchDeadline()
  }

  #receive(chunk: string): void {
    try {
      for (const answer of this.#splitter.push(chunk)) this.#settleNext(answer)
    } catch (cause) {
      this.#lose(socketError(`HAProxy at ${this.#options.address} ${messageOf(cause)}`, cause))
      return
    }
    this.#lastProgress = this.#options.clock.now()
    if (this.#bytesInFlight <= REFILL_BYTES) this.#fillWindow()
    if (this.#inFlight.length === 0) this.#stopDeadline()
  }

  #settleNext(answer: string): void {
    const command = this.#inFlight.shift()
    if (command === undefined) throw new RangeError('gave an answer that nobody asked for')
    this.#bytesInFlight -= command.bytes
    const { batch } = command
    batch.answers.push(answer)
    if (batch.answers.length === batch.total) batch.resolve(batch.answers)
  }

  /** One timer for all commands: it looks when the last answer came, so that thousands of commands need no timers of their own. */
  #watchDeadline(): void {
    if (this.#cancelDeadline !== undefined) return
    const { clock, deadlineMs, address } = this.#options
    const look = () => {
      const leftMs = this.#lastProgress + deadlineMs - clock.now()
      if (leftMs > 0) {
        this.#cancelDeadline = clock.after(leftMs, look)
        return
      }
      const { first } = this.#inFlight
      this.#lose(
        new SmartStackError('DEADLINE', `HAProxy at ${address} did not answer "${first?.line}" in ${deadlineMs} ms`, {
          retryable: true,
        }),
      )
    }
    this.#cancelDeadline = clock.after(deadlineMs, look)
  }

  #stopDeadline(): void {
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
  }

  #lose(reason: Error): void {
    if (this.#ended !== undefined) return
    this.#end(reason)
    this.#options.onLost(reason)
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#stopDeadline()
    this.#socket.destroy()
    const left = new Set([...this.#inFlight.items(), ...this.#waiting.items()].map(({ batch }) => batch))
    this.#inFlight.clear()
    this.#waiting.clear()
    for (const batch of left) batch.reject(reason)
  }
}

/**
 * Whether HAProxy will read `command` as exactly one: an empty line, a line break, `;`, or a trailing `<<` (a payload
 * follows) would give another number of answers than of commands, and nothing could be matched any more.
 */
function isOneCommand(command: string): boolean {
  return (
    command.trim() !== '' &&
    !/[\r\n\0;]/.test(command) &&
    !command.trimEnd().endsWith('<<') &&
    Buffer.byteLength(command) <= MAX_COMMAND_BYTES
  )
}

function unfitCommand(command: string): SmartStackError {
  return new SmartStackError('HAPROXY_COMMAND', `not one command of HAProxy: ${JSON.stringify(command.slice(0, 200))}`)
}
