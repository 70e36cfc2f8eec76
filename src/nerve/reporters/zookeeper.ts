import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { type Clock, withDeadline } from '../../core/clock.ts'
import { count, positiveDurationMs } from '../../core/config/schema.ts'
import type { ReconcileResult } from '../../core/reconcile-loop.ts'
import { encodePayload } from '../../core/service-instance.ts'
import { digest, ensembleOptions, hosts, sessionTimeoutMs, tls, znodePath } from '../../zookeeper/ensemble-options.ts'
import { createOwnNode } from '../../zookeeper/ephemeral-node.ts'
import { encodeChildName } from '../../zookeeper/names.ts'
import { type OwnNodeSpec, type Session, ZooKeeperError } from '../../zookeeper/zookeeper.ts'
import { defineReporter, type Registration, type Reporter, type ReporterContext } from './reporter.ts'

const options = z.object({
  zk_hosts: hosts,
  zk_path: znodePath.describe('Parent of the registrations of this service; created when missing.'),
  node_type: z
    .enum(['ephemeral_sequential', 'ephemeral', 'persistent_sequential', 'persistent'])
    .default('ephemeral_sequential')
    .describe('Kind of znode. Default ephemeral_sequential.'),
  use_path_encoding: z
    .boolean()
    .default(false)
    .describe('Carry the registration in the name of the znode too, so that watchers need not read it. Default false.'),
  ttl_seconds: count(1)
    .optional()
    .describe(
      'Write a persistent registration again this often, so that a cleaner can tell it from a dead one, as Airbnb: it is no TTL of ZooKeeper, and any server will do. Ephemeral registrations need none, and ignore it.',
    ),
  node_naming: z
    .enum(['airbnb', 'blablacar'])
    .default('airbnb')
    .describe('How the znode is called: airbnb: <instance_id>_; blablacar: <service>_<host>_c_<GUID>. Default airbnb.'),
  expose_on_unavailable: z
    .boolean()
    .default(false)
    .describe('Keep the znode of a service that is down, where its payload says that it is. Default false: remove it.'),
  refresh_interval: positiveDurationMs
    .optional()
    .describe('Look at the znode again after this time, whatever its watch says. Default: about a minute.'),
  zk_session_timeout: sessionTimeoutMs,
  zk_digest: digest.optional(),
  zk_restrict: z
    .boolean()
    .default(false)
    .describe(
      'Let only the digest identity change the znode; everybody may read. Default false: open to all, as Airbnb.',
    ),
  zk_tls: tls.optional(),
})

type Options = z.output<typeof options>

/**
 * After an outage that sessions survived, a whole fleet could look at its znodes at once, which are all still there. The
 * looks are spread over this time.
 */
const RESUME_SPREAD_MS = 5_000
/**
 * The first report waits so long for the first connection, so that a start is no failure to report. Airbnb's nerve waits
 * 5 s (reference airbnb.md 2.8), but holds up all other services meanwhile.
 */
const FIRST_CONNECTION_MS = 2_000
/** A registration whose renewal is far away is looked at this often all the same. */
const LOOK_MS = 60_000

/** Registers the service as a znode, by default an ephemeral sequential one: Airbnb's layout (reference airbnb.md 2.8). */
export const zookeeper = defineReporter({
  type: 'zookeeper',
  description: 'Registers the service as a znode in ZooKeeper.',
  options,
  create: createZookeeperReporter,
})

function createZookeeperReporter(context: ReporterContext, initial: Options): Reporter {
  let config = initial
  const { sessions, clock, random, log, onDisturbed, service } = context
  const session = sessions.acquire(
    ensembleOptions({
      hosts: config.zk_hosts,
      sessionTimeoutMs: config.zk_session_timeout,
      digest: config.zk_digest,
      tls: config.zk_tls,
    }),
  )
  let cancelLook = () => {}
  /** Whether the last reconcile got everything done: nothing waits for the registry then. */
  let settled = false
  /** Whether the last reconcile left a znode behind; false while the next one is at work, which may take it away. */
  let registered = false
  const connecting = createFirstConnection(session, clock)
  const onResumed = () => {
    cancelLook()
    if (settled) cancelLook = clock.after(random() * RESUME_SPREAD_MS, onDisturbed)
    else onDisturbed()
  }
  const node = createOwnNode({ session, random, log, onDisturbed, onResumed, id: service })
  const renew = createRenewal(context, session, () => config)
  const guid = createGuid(random)
  return {
    async reconcile(desired, signal) {
      cancelLook()
      settled = false
      registered = false
      const spec = nodeSpec(desired, config, service, guid)
      if (spec !== undefined) await connecting.wait(signal)
      await node.reconcile(spec, signal)
      const result = spec === undefined || node.path === undefined ? {} : await renew(node.path, spec.data, signal)
      settled = true
      registered = spec !== undefined
      return { requeueAfterMs: config.refresh_interval, ...result }
    },
    reconfigure(options) {
      const edited = options as Options
      if (!isDeepStrictEqual(withoutCare(config), withoutCare(edited))) return false
      config = edited
      return true
    },
    isWell() {
      if (connecting.isUnderWay()) return undefined
      return session.state.status === 'connected' && (!registered || node.path !== undefined)
    },
    holds: () => node.identity,
    mayHold: () => node.mayExist,
    state: () => ({ type: 'zookeeper', path: node.path ?? null, session: session.state }),
    async close({ keep } = { keep: false }) {
      cancelLook()
      node.close()
      await session.release({ keep })
    },
  }
}

/** Waits for the first connection, and not for ever. One that is lost later is not waited for: nothing is reported meanwhile. */
function createFirstConnection(session: Session, clock: Clock) {
  const until = clock.now() + FIRST_CONNECTION_MS
  const isUnderWay = () => session.state.status === 'connecting' && clock.now() < until
  return {
    isUnderWay,
    /** Resolves when there is a connection or the time is over; rejects with signal.reason. */
    async wait(signal: AbortSignal): Promise<void> {
      if (!isUnderWay()) return
      try {
        const connected = (limit: AbortSignal) => session.connected(limit)
        await withDeadline(clock, until - clock.now(), 'connecting to ZooKeeper', signal, connected)
      } catch (error) {
        if (signal.aborted) throw error // else whatever needs the connection says that there is none
      }
    },
  }
}

/**
 * Writes a persistent registration again each time `ttl_seconds` have passed; an ephemeral one needs none. The first time
 * comes earlier by chance, so that services which start together are not renewed together (reference airbnb.md 2.8).
 */
function createRenewal({ clock, random, onRenewed }: ReporterContext, session: Session, current: () => Options) {
  let written: { readonly path: string; readonly at: number } | undefined
  return async (path: string, data: Buffer, signal: AbortSignal): Promise<ReconcileResult> => {
    const config = current()
    const { zk_hosts: hosts, refresh_interval: lookMs = LOOK_MS } = config
    const ttlMs = ttlMsOf(config)
    if (ttlMs === 0) return {}
    if (written?.path !== path) written = { path, at: clock.now() - random() * ttlMs }
    if (clock.now() - written.at >= ttlMs) {
      try {
        await session.setData(path, data, signal)
      } catch (error) {
        const isGone = error instanceof ZooKeeperError && error.code === 'NO_NODE'
        onRenewed({ ok: false, hosts, reason: isGone ? 'no_node' : 'connection_error' })
        throw error
      }
      written = { path, at: clock.now() }
      onRenewed({ ok: true, hosts })
    }
    return { requeueAfterMs: Math.min(lookMs, written.at + ttlMs - clock.now()) }
  }
}

function ttlMsOf({ node_type, ttl_seconds = 0 }: Options): number {
  return node_type.startsWith('persistent') ? ttl_seconds * 1000 : 0
}

/** Without the options that say how the znode is looked after, and not which one it is: an edit of those keeps it. */
function withoutCare(config: Options): Partial<Options> {
  const { expose_on_unavailable: _exposing, refresh_interval: _looking, ttl_seconds: _renewing, ...znode } = config
  return znode
}

function nodeSpec(desired: Registration, config: Options, service: string, guid: string): OwnNodeSpec | undefined {
  const { payload } = desired
  if (payload === undefined || (desired.kind === 'absent' && !config.expose_on_unavailable)) return undefined
  const json = encodePayload(payload)
  const name = config.node_naming === 'airbnb' ? `${payload.name}_` : `${service}_${payload.host}_c_${guid}`
  return {
    parent: config.zk_path,
    prefix: config.use_path_encoding ? encodeChildName(payload.name, json) : name,
    data: Buffer.from(json),
    mode: config.node_type,
    restrict: config.zk_restrict,
  }
}

/** 32 hexadecimal digits, which tell the znodes of one registration from all others. */
function createGuid(random: () => number): string {
  return Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('')
}
