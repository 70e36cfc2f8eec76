import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { now } from '../time.ts'

/** Lines to be shown with a lost request. */
const KEPT = 40
/** Requests that HAProxy answered itself, or not at all: however much it says after them, these are shown. */
const LOST = / (?:5\d\d|-1) \d+ - - /

/** What HAProxy says of requests that were not normal: failed, tried again, sent elsewhere. With its reasons, from the first try to the last. */
export class HaproxyLog {
  readonly #socket = createSocket('udp4')
  readonly #startedAt: number
  readonly #lines: string[] = []
  readonly #lost: string[] = []

  private constructor(startedAt: number) {
    this.#startedAt = startedAt
    this.#socket.on('message', (message) => {
      const text = message.toString().replace(/^<\d+>\S+ +\S+ \S+ /, '') // priority and date of syslog
      const line = `${((now() - this.#startedAt) / 1000).toFixed(2)} s ${text.trim()}`
      const lines = LOST.test(line) ? this.#lost : this.#lines
      lines.push(line)
      if (lines.length > KEPT) lines.shift()
    })
  }

  /** @param startedAt what the times of its lines count from. */
  static async listen(startedAt: number): Promise<HaproxyLog> {
    const log = new HaproxyLog(startedAt)
    log.#socket.bind(0, '127.0.0.1')
    await once(log.#socket, 'listening')
    return log
  }

  /** For HAProxy's `log`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  /** The lost requests, and the last lines of others. */
  get recent(): readonly string[] {
    return [...this.#lost, ...this.#lines]
  }

  close(): void {
    this.#socket.close()
  }
}
