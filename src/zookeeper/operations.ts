import type { Clock } from '../core/clock.ts'
import { CONNECTION_LOSS, meaningOf, OPERATION_TIMEOUT } from './error-codes.ts'
import { ZooKeeperError, type ZooKeeperErrorCode } from './zookeeper.ts'

export type OperationName = 'exists' | 'getData' | 'getChildren' | 'create' | 'setData' | 'delete'

/** How an operation ended, for the metrics. */
export type OperationResult = 'OK' | 'ABORTED' | ZooKeeperErrorCode

export interface OperationsOptions {
  readonly clock: Clock
  /** Each operation is given up after this time, ms. */
  readonly deadlineMs: number
  readonly onSettled: (operation: OperationName, result: OperationResult, ms: number) => void
}

/** What waits for an answer. */
export interface Operation {
  readonly name: OperationName
  readonly path: string
  readonly signal: AbortSignal
}

/** What to call when the server has answered. */
export interface Answer<T> {
  /** `decode` makes the value. It runs at once, before anything that the server sends later is looked at. */
  succeed(decode: () => T): void
  fail(errorNumber: number): void
}

interface Pending extends Operation {
  readonly startedAt: number
  readonly reject: (reason: unknown) => void
}

interface AbortGroup {
  readonly members: Set<Pending>
  readonly onAbort: () => void
}

/**
 * The operations that wait for an answer. Each ends once: by its answer, its signal or its deadline. Thousands may be
 * in flight, so they share one timer and one listener per signal.
 */
export class Operations {
  readonly #options: OperationsOptions
  /** Oldest first, which is also the order of the deadlines. */
  readonly #pending = new Set<Pending>()
  readonly #groups = new Map<AbortSignal, AbortGroup>()
  #cancelSweep: (() => void) | undefined

  constructor(options: OperationsOptions) {
    this.#options = options
  }

  /** Sends a request and waits. An answer that comes after the end is not decoded. */
  run<T>(operation: Operation, send: (answer: Answer<T>) => void): Promise<T> {
    if (operation.signal.aborted) return Promise.reject(operation.signal.reason)
    return new Promise<T>((resolve, reject) => {
      const { name, path, signal } = operation
      const pending: Pending = { name, path, signal, reject, startedAt: this.#options.clock.now() }
      this.#add(pending)
      send({
        succeed: (decode) => {
          if (!this.#pending.has(pending)) return
          try {
            resolve(decode())
            this.#settle(pending, 'OK')
          } catch (error) {
            this.#fail(pending, new ZooKeeperError('OTHER', `${name} ${path}: unreadable answer`, path, error))
          }
        },
        fail: (errorNumber) => {
          if (this.#pending.has(pending)) this.#fail(pending, operationError(pending, errorNumber))
        },
      })
    })
  }

  /** Fails everything that waits. Nothing is left behind afterwards. */
  close(): void {
    for (const pending of [...this.#pending]) this.#fail(pending, operationError(pending, CONNECTION_LOSS))
    this.#cancelSweep?.()
    this.#cancelSweep = undefined
  }

  #add(pending: Pending): void {
    this.#pending.add(pending)
    this.#group(pending.signal).members.add(pending)
    this.#cancelSweep ??= this.#options.clock.after(this.#options.deadlineMs, () => this.#sweep())
  }

  #group(signal: AbortSignal): AbortGroup {
    const known = this.#groups.get(signal)
    if (known !== undefined) return known
    const group = { members: new Set<Pending>(), onAbort: () => this.#abort(group.members) }
    signal.addEventListener('abort', group.onAbort, { once: true })
    this.#groups.set(signal, group)
    return group
  }

  #abort(members: ReadonlySet<Pending>): void {
    for (const pending of [...members]) {
      this.#settle(pending, 'ABORTED')
      pending.reject(pending.signal.reason)
    }
  }

  #sweep(): void {
    this.#cancelSweep = undefined
    const { clock, deadlineMs } = this.#options
    for (const pending of this.#pending) {
      const leftMs = pending.startedAt + deadlineMs - clock.now()
      if (leftMs > 0) {
        this.#cancelSweep = clock.after(leftMs, () => this.#sweep())
        return
      }
      this.#fail(pending, operationError(pending, OPERATION_TIMEOUT, `no answer within ${deadlineMs} ms`))
    }
  }

  #fail(pending: Pending, error: ZooKeeperError): void {
    this.#settle(pending, error.code)
    pending.reject(error)
  }

  #settle(pending: Pending, result: OperationResult): void {
    this.#pending.delete(pending)
    const group = this.#groups.get(pending.signal)
    if (group?.members.delete(pending) && group.members.size === 0) {
      this.#groups.delete(pending.signal)
      pending.signal.removeEventListener('abort', group.onAbort)
    }
    this.#options.onSettled(pending.name, result, this.#options.clock.now() - pending.startedAt)
  }
}

/** The error of an operation; its message says which one, where, and what the server's number means. */
export function operationError(
  { name, path }: Pick<Operation, 'name' | 'path'>,
  errorNumber: number,
  detail?: string,
): ZooKeeperError {
  const { code, text } = meaningOf(errorNumber)
  return new ZooKeeperError(code, `${name} ${path}: ${detail ?? text}`, path)
}
