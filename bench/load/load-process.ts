// Steady HTTP load, paced by the clock: a slow answer never slows the requests after it, so its cost shows in the latency.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { serve } from '../remote.ts'
import { now } from '../time.ts'
import { HttpConnection, type Outcome } from './http-client.ts'

export interface LoadOptions {
  /** Of HAProxy on 127.0.0.1. */
  readonly port: number
  /** Requests a second on kept connections, and each on a connection of its own. */
  readonly keptRate: number
  readonly freshRate: number
  /** Different paths to ask for, so that a hash over them spreads. Default 1000. */
  readonly paths?: number
}

export interface LoadReport {
  readonly requests: number
  readonly seconds: number
  /** Requests without a good answer, by what went wrong. */
  readonly failures: Readonly<Record<string, number>>
  /**
   * Requests whose kept connection was closed under them before any byte came: every HTTP client sends those again on
   * another connection (RFC 9110 9.2.2), and so do we, once.
   */
  readonly resent: number
  /** Longest time that the load itself did not get the processor, ms: above some tens, the machine is too busy to judge. */
  readonly stallMs: number
  /** From when a request was due to its answer, ms. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number }
}

/** More than a healthy HAProxy ever needs; beyond it requests wait for a free connection. */
const MAX_KEPT = 256
/** Beyond this many open requests on fresh connections the load itself is the problem. */
const MAX_FRESH = 4000

class Load {
  readonly #options: LoadOptions
  readonly #started = now()
  readonly #failures = new Map<string, number>()
  readonly #latency: RecordableHistogram = createHistogram()
  readonly #idle: HttpConnection[] = []
  readonly #waiting: (() => void)[] = []
  #kept = 0
  #fresh = 0
  #open = 0
  #sentKept = 0
  #sentFresh = 0
  #resent = 0
  #stoppedAt = 0
  #tickedAt = now()
  #stallMs = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#tick()
  }

  /** Sends no more and waits for what is under way. */
  async stop(): Promise<LoadReport> {
    this.#stoppedAt = now()
    while (this.#open > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    for (const connection of this.#idle) connection.destroy()
    return this.report()
  }

  report(): LoadReport {
    const ms = (percentile: number) => this.#latency.percentile(percentile) / 1000
    const requests = this.#sentKept + this.#sentFresh
    return {
      requests,
      seconds: ((this.#stoppedAt || now()) - this.#started) / 1000,
      failures: Object.fromEntries(this.#failures),
      resent: this.#resent,
      stallMs: this.#stallMs,
      latency:
        this.#latency.count === 0
          ? { p50: 0, p99: 0, p999: 0, max: 0 }
          : { p50: ms(50), p99: ms(99), p999: ms(99.9), max: this.#latency.max / 1000 },
    }
  }

  #tick(): void {
    if (this.#stoppedAt !== 0) return
    this.#stallMs = Math.max(this.#stallMs, now() - this.#tickedAt)
    const { keptRate, freshRate } = this.#options
    const seconds = (now() - this.#started) / 1000
    for (; this.#sentKept < seconds * keptRate; this.#sentKept++) {
      this.#sendKept(this.#path(this.#sentKept), this.#started + (this.#sentKept * 1000) / keptRate)
    }
    for (; this.#sentFresh < seconds * freshRate; this.#sentFresh++) {
      this.#sendFresh(this.#path(this.#sentFresh), this.#started + (this.#sentFresh * 1000) / freshRate)
    }
    this.#tickedAt = now()
    setTimeout(() => this.#tick(), 1)
  }

  /** Scatters neighbours, so that two rates do not ask for the same paths in step. */
  #path(index: number): string {
    return `/item/${(index * 7919) % (this.#options.paths ?? 1000)}`
  }

  #sendFresh(path: string, dueAt: number): void {
    if (this.#fresh >= MAX_FRESH) {
      this.#fail('fresh: not sent, too many are open')
      return
    }
    this.#fresh += 1
    this.#open += 1
    new HttpConnection(this.#options.port, () => {}).send({
      path,
      kind: 'fresh',
      onEnd: (outcome) => {
        this.#fresh -= 1
        this.#end('fresh', outcome, dueAt)
      },
    })
  }

  #sendKept(path: string, dueAt: number): void {
    this.#open += 1
    this.#withKept((connection) => {
      const { reused } = connection
      connection.send({
        path,
        kind: 'kept',
        onEnd: (outcome) => {
          if ('status' in outcome) this.#release(connection)
          else connection.destroy()
          const again = reused && 'failure' in outcome && /^(closed before|EPIPE|ECONNRESET)/.test(outcome.failure)
          if (!again) return this.#end('kept', outcome, dueAt)
          this.#resent += 1
          this.#resendFresh(path, dueAt)
        },
      })
    })
  }

  #resendFresh(path: string, dueAt: number): void {
    new HttpConnection(this.#options.port, () => {}).send({
      path,
      kind: 'fresh',
      onEnd: (outcome) => this.#end('kept, sent again', outcome, dueAt),
    })
  }

  #withKept(use: (connection: HttpConnection) => void): void {
    const connection = this.#idle.pop()
    if (connection !== undefined) use(connection)
    else if (this.#kept >= MAX_KEPT) this.#waiting.push(() => this.#withKept(use))
    else {
      this.#kept += 1
      const opened: HttpConnection = new HttpConnection(this.#options.port, () => {
        this.#kept -= 1
        const index = this.#idle.indexOf(opened)
        if (index !== -1) this.#idle.splice(index, 1)
        this.#waiting.shift()?.()
      })
      use(opened)
    }
  }

  #release(connection: HttpConnection): void {
    if (connection.open) this.#idle.push(connection)
    this.#waiting.shift()?.()
  }

  #end(kind: string, outcome: Outcome, dueAt: number): void {
    this.#open -= 1
    if ('failure' in outcome) this.#fail(`${kind}: ${outcome.failure}`)
    else if (outcome.status !== 200) this.#fail(`${kind}: HTTP ${outcome.status}`)
    else this.#latency.record(Math.max(1, Math.round((now() - dueAt) * 1000)))
  }

  #fail(kind: string): void {
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1)
  }
}

let load: Load | undefined

function running(): Load {
  if (load === undefined) throw new Error('no load was started')
  return load
}

const handlers = {
  start(options: LoadOptions) {
    load = new Load(options)
  },
  report: () => running().report(),
  stop: () => running().stop(),
}

export type LoadHandlers = typeof handlers

serve(handlers)
