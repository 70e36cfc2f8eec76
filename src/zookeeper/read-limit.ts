import { Queue } from '../core/queue.ts'
import type { Session } from './zookeeper.ts'

/**
 * Most reads in flight of one session: more buy no speed, and ten thousand at once cost 70 MB (measured, reference
 * libraries.md 1.3).
 */
export const READS_IN_FLIGHT = 128

/**
 * Lets so much work run at once; the rest waits in the order in which it came, until half of what runs has ended: then
 * as much as may starts together, and leaves in one system call instead of one for each.
 */
export class ReadLimit {
  readonly #half: number
  #free: number
  readonly #waiting = new Queue<() => void>()

  constructor(atOnce: number) {
    this.#free = atOnce
    this.#half = Math.ceil(atOnce / 2)
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0 && this.#waiting.length === 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      this.#free += 1
      if (this.#free >= this.#half) this.#startWaiting()
    }
  }

  #startWaiting(): void {
    for (let next = this.#take(); next !== undefined; next = this.#take()) next()
  }

  #take(): (() => void) | undefined {
    const next = this.#free > 0 ? this.#waiting.shift() : undefined
    if (next !== undefined) this.#free -= 1
    return next
  }

  /** Works through `items`; stops at the first failure and throws it once all that had begun has ended. */
  async forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    let next = 0
    let failure: { readonly error: unknown } | undefined
    const worker = async () => {
      for (;;) {
        const item = items[next++]
        if (item === undefined || failure !== undefined) return
        try {
          await this.run(async () => (failure === undefined ? work(item) : undefined))
        } catch (error) {
          failure ??= { error }
        }
      }
    }
    // Twice as many as may run: else none would wait to start together with others.
    await Promise.all(Array.from({ length: Math.min(items.length, 2 * READS_IN_FLIGHT) }, worker))
    if (failure !== undefined) throw failure.error
  }
}

const limitBySession = new WeakMap<object, ReadLimit>()

/** The limit that all readers of a session share. */
export function readLimitOf(session: Session): ReadLimit {
  const shared = session.shared ?? session
  const known = limitBySession.get(shared)
  if (known !== undefined) return known
  const limit = new ReadLimit(READS_IN_FLIGHT)
  limitBySession.set(shared, limit)
  return limit
}
