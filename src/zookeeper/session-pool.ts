import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import { Client } from './client.ts'
import { type Ensemble, formatEnsemble, parseEnsemble, type Server } from './connection-string.ts'
import { createDial } from './dial.ts'
import { SharedSession } from './session.ts'
import { SessionHandle } from './session-handle.ts'
import { createSessionMetrics, type SessionMetrics } from './session-metrics.ts'
import type { EnsembleOptions, SessionPool } from './zookeeper.ts'

export interface SessionPoolOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** A number in [0, 1), as Math.random: spreads clients over the members, and reconnects over time. */
  readonly random: () => number
  /** An operation that is not answered in this time fails with OPERATION_TIMEOUT. Default 10 s. */
  readonly operationTimeoutMs?: number
}

/** A session with the users who share it. */
interface Shared {
  readonly key: string
  readonly name: string
  readonly session: SharedSession
  readonly metrics: SessionMetrics
  users: number
  /** A user wants its ephemerals to stay when the session is closed. */
  keep: boolean
}

const OPERATION_TIMEOUT_MS = 10_000

/** Creates a pool without sessions; the first acquire() of an ensemble starts one. */
export function createSessionPool(options: SessionPoolOptions): SessionPool {
  const open = new Map<string, Shared>()
  const closing = new Set<Promise<void>>()

  const close = (shared: Shared): Promise<void> => {
    open.delete(shared.key)
    const closed = shared.session.close({ keep: shared.keep }).finally(() => {
      shared.metrics.remove()
      closing.delete(closed)
    })
    closing.add(closed)
    return closed
  }
  const release = async (shared: Shared, keep: boolean): Promise<void> => {
    shared.users -= 1
    shared.keep ||= keep
    if (shared.users === 0 && open.get(shared.key) === shared) await close(shared)
  }

  return {
    acquire(wanted) {
      const ensemble = parseEnsemble(wanted.hosts)
      const key = keyOf(ensemble, wanted)
      let shared = open.get(key)
      if (shared === undefined) {
        const name = uniqueName(formatEnsemble(ensemble), [...open.values()])
        shared = { key, name, users: 0, keep: false, ...startSession(ensemble, name, wanted, options) }
        open.set(key, shared)
      }
      shared.users += 1
      const acquired = shared
      return new SessionHandle(acquired.session, (keep) => release(acquired, keep))
    },
    state() {
      return [...open.values()].map(({ name, users, session }) => ({ ensemble: name, users, session: session.state }))
    },
    async close() {
      for (const shared of [...open.values()]) void close(shared)
      await Promise.all([...closing])
    },
  }
}

function startSession(
  { servers, chroot }: Ensemble,
  name: string,
  wanted: EnsembleOptions,
  { clock, log: poolLog, metrics: registry, random, operationTimeoutMs = OPERATION_TIMEOUT_MS }: SessionPoolOptions,
): Pick<Shared, 'session' | 'metrics'> {
  const log = poolLog.child({ ensemble: name })
  const metrics = createSessionMetrics(registry, name)
  const dial = createDial(wanted.tls)
  const order = shuffle(servers, random)
  const session = new SharedSession({
    chroot,
    clock,
    log,
    metrics,
    random,
    createClient: (listener, first) =>
      new Client({
        servers: first === undefined ? order : startingWith(first, order),
        starting: first,
        sessionTimeoutMs: wanted.sessionTimeoutMs,
        operationTimeoutMs,
        digest: wanted.digest,
        dial,
        clock,
        random,
        log,
        listener,
        onSettled: (operation, result, ms) => metrics.operation(operation, result, ms),
      }),
  })
  return { session, metrics }
}

function keyOf(ensemble: Ensemble, { sessionTimeoutMs, digest, tls }: EnsembleOptions): string {
  const { caFile, certFile, keyFile, verify } = tls ?? {}
  const security = tls === undefined ? undefined : [caFile, certFile, keyFile, verify ?? true]
  return JSON.stringify([formatEnsemble(ensemble), sessionTimeoutMs, digest, security])
}

/** Sessions with one ensemble under different credentials must not share their lines in logs and metrics. */
function uniqueName(wanted: string, taken: readonly Shared[]): string {
  const isTaken = (name: string) => taken.some((shared) => shared.name === name)
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted} #${number}`
    if (!isTaken(name)) return name
  }
}

/** Clients start at different members, so that a fleet spreads over the ensemble. */
function shuffle(servers: readonly Server[], random: () => number): Server[] {
  return servers
    .map((server) => ({ server, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ server }) => server)
}

/** The same round trip from another start. */
function startingWith(first: Server, order: readonly Server[]): Server[] {
  const start = Math.max(0, order.indexOf(first))
  return [...order.slice(start), ...order.slice(0, start)]
}
