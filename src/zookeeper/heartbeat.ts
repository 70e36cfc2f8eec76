import type { Clock } from '../core/clock.ts'

export interface HeartbeatOptions {
  readonly clock: Clock
  /** The negotiated session timeout, ms. */
  readonly sessionTimeoutMs: number
  readonly ping: () => void
  /** Called once, when nothing was heard for two thirds of the session timeout: a third is left to find another server. */
  readonly onSilent: (silentMs: number) => void
}

/**
 * Keeps one connection honest. A ping goes out every third of the session timeout whatever else is sent or received:
 * the server counts only what it hears from us, so notifications that come in must not put a ping off.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #heardAt: number
  #pingedAt: number
  #cancel: () => void = () => {}

  constructor(options: HeartbeatOptions) {
    this.#options = options
    this.#heardAt = this.#pingedAt = options.clock.now()
    this.#wait()
  }

  /** Something came from the server. */
  heard(): void {
    this.#heardAt = this.#options.clock.now()
  }

  stop(): void {
    this.#cancel()
  }

  get #pingEveryMs(): number {
    return this.#options.sessionTimeoutMs / 3
  }

  #wait(): void {
    const { clock } = this.#options
    const due = Math.min(this.#pingedAt + this.#pingEveryMs, this.#heardAt + 2 * this.#pingEveryMs)
    this.#cancel = clock.after(Math.max(1, due - clock.now()), () => this.#tick(due))
  }

  #tick(due: number): void {
    const now = this.#options.clock.now()
    // A process that was itself stopped for a while finds its answers unread: it asks again before it concludes.
    if (now - due > this.#pingEveryMs / 2) this.#heardAt = Math.max(this.#heardAt, now - this.#pingEveryMs)
    const silentMs = now - this.#heardAt
    if (silentMs >= 2 * this.#pingEveryMs) {
      this.#options.onSilent(silentMs)
      return
    }
    if (now - this.#pingedAt >= this.#pingEveryMs) {
      this.#pingedAt = now
      this.#options.ping()
    }
    this.#wait()
  }
}
