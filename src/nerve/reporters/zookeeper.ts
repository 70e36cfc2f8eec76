import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { pause } from '../../core/clock.ts'
import { count, positiveDurationMs } from '../../core/config/schema.ts'
import type { ReconcileResult } from '../../core/reconcile-loop.ts'
import { encodePayload, type InstancePayload } from '../../core/service-instance.ts'
import { withDeadline } from '../../core/time-limit.ts'
import { digest, ensembleOptions, hosts, sessionTimeoutMs, tls, znodePath } from '../../zookeeper/ensemble-options.ts'
import { createOwnNode } from '../../zookeeper/ephemeral-node.ts'
import { encodeChildName } from '../../zookeeper/names.ts'
import { removeLeftovers } from '../../zookeeper/twin-search.ts'
import { type OwnNode, type OwnNodeSpec, type Session, ZooKeeperError } from '../../zookeeper/zookeeper.ts'
import { guidNameStart, leftoversOf } from './leftovers.ts'
import { createRenewal, type Renewal } from './renewal.ts'
import { defineReporter, type Registration, type Reporter, type ReporterContext } from './reporter.ts'

const keys = () =>
  z.object({
    zk_hosts: hosts(),
    zk_path: znodePath().describe('Parent of the registrations of this service; created when missing.'),
    node_type: z
      .enum(['ephemeral_sequential', 'ephemeral', 'persistent_sequential', 'persistent'])
      .default('ephemeral_sequential')
      .describe('Kind of znode. Default ephemeral_sequential.'),
    use_path_encoding: z
      .boolean()
      .default(false)
      .describe(
        'Carry the registration in the name of the znode too, so that watchers need not read it. Default false.',
      ),
    ttl_seconds: count(1)
      .optional()
      .describe(
        'Write a persistent registration again this often, so that a cleaner can tell it from a dead one, as Airbnb: it is no TTL of ZooKeeper, and any server will do. Ephemeral registrations need none, and ignore it.',
      ),
    node_naming: z
      .enum(['airbnb', 'blablacar'])
      .default('airbnb')
      .describe(
        'How the znode is called: airbnb: <instance_id>_; blablacar: <service>_<host>_c_<GUID>. Default airbnb.',
      ),
    expose_on_unavailable: z
      .boolean()
      .default(false)
      .describe(
        'Keep the znode of a service that is down, where its payload says that it is. Default false: remove it.',
      ),
    refresh_interval: positiveDurationMs
      .optional()
      .describe('Look at the znode again after this time, whatever its watch says. Default: about a minute.'),
    zk_session_timeout: sessionTimeoutMs(),
    zk_digest: digest().optional(),
    zk_restrict: z
      .boolean()
      .default(false)
      .describe(
        'Let only the digest identity change the znode; everybody may read. Default false: open to all, as Airbnb.',
      ),
    zk_tls: tls().optional(),
  })

const options = () =>
  keys().superRefine(({ zk_restrict, zk_digest }, context) => {
    if (!zk_restrict || zk_digest !== undefined) return
    context.addIssue({
      code: 'custom',
      path: ['zk_restrict'],
      message: 'needs zk_digest, the identity that may change the znode',
    })
  })

type Options = z.output<ReturnType<typeof options>>

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
/** Readers of a registration that is withdrawn have so long to see that, before it is removed. */
const WITHDRAWAL_MS = 500

/** Registers the service as a znode, by default an ephemeral sequential one: Airbnb's layout (reference airbnb.md 2.8). */
export const zookeeper = defineReporter({
  type: 'zookeeper',
  description: 'Registers the service as a znode in ZooKeeper.',
  options,
  create: (context, settings) => new ZookeeperReporter(context, settings),
})

/** A class, and not functions around variables: there is one for each of a thousand services. */
class ZookeeperReporter implements Reporter {
  readonly #context: ReporterContext
  #config: Options
  readonly #session: Session
  readonly #node: OwnNode
  readonly #renewal: Renewal
  readonly #guid: string
  /** Until when the first connection is waited for. */
  readonly #connectingUntil: number
  #cancelLook = () => {}
  /** Whether a former process, which had no time to remove it, may have left a registration that ends with no session. */
  #leftoverPossible = true
  /** Whether the last reconcile got everything done: nothing waits for the registry then. */
  #settled = false
  /** Whether the last reconcile left a znode behind; false while the next one is at work, which may take it away. */
  #registered = false
  /** What the znode said last. */
  #said: Buffer | undefined

  constructor(context: ReporterContext, config: Options) {
    const { sessions, clock, random, log, onDisturbed, service } = context
    this.#context = context
    this.#config = config
    this.#session = sessions.acquire(
      ensembleOptions({
        hosts: config.zk_hosts,
        sessionTimeoutMs: config.zk_session_timeout,
        digest: config.zk_digest,
        tls: config.zk_tls,
      }),
    )
    this.#connectingUntil = clock.now() + FIRST_CONNECTION_MS
    const onResumed = () => this.#onResumed()
    this.#node = createOwnNode({ session: this.#session, random, log, onDisturbed, onResumed, id: service })
    this.#renewal = createRenewal(context, this.#session, () => renewalOf(this.#config))
    this.#guid = createGuid(random)
  }

  async reconcile(desired: Registration, signal: AbortSignal): Promise<ReconcileResult> {
    this.#cancelLook()
    this.#settled = false
    this.#registered = false
    const spec = nodeSpec(desired, this.#config, this.#context.service, this.#guid)
    if (spec !== undefined) await this.#firstConnection(signal)
    else if (desired.kind === 'absent' && desired.byHand === true) await this.#withdraw(signal)
    if (spec === undefined && desired.kind === 'absent') await this.#removeLeftovers(desired.ifPresent, signal)
    await this.#reconcileNode(spec, signal)
    if (spec !== undefined) await this.#removeTwins(desired.payload, signal)
    this.#said = spec?.data
    const { path } = this.#node
    const result = spec === undefined || path === undefined ? {} : await this.#renewal.renew(path, spec.data, signal)
    this.#settled = true
    this.#registered = spec !== undefined
    return { requeueAfterMs: this.#config.refresh_interval, ...result }
  }

  reconfigure(options: unknown): boolean {
    const edited = options as Options
    if (!isDeepStrictEqual(withoutCare(this.#config), withoutCare(edited))) return false
    this.#config = edited
    return true
  }

  isWell(): boolean | undefined {
    if (this.#isConnecting()) return undefined
    return this.#session.state.status === 'connected' && (!this.#registered || this.#node.path !== undefined)
  }

  holds(): string | undefined {
    return this.#node.identity
  }

  mayHold(): boolean {
    return this.#node.mayExist
  }

  showsAbsent(): boolean {
    return this.#config.expose_on_unavailable
  }

  state() {
    return { type: 'zookeeper', path: this.#node.path ?? null, session: this.#session.state }
  }

  async close({ keep } = { keep: false }): Promise<void> {
    this.#cancelLook()
    this.#node.close()
    await this.#session.release({ keep })
  }

  async #reconcileNode(spec: OwnNodeSpec | undefined, signal: AbortSignal): Promise<void> {
    try {
      await this.#node.reconcile(spec, signal)
    } catch (error) {
      if (spec !== undefined && !signal.aborted) this.#renewal.missed(error)
      throw error
    }
  }

  #onResumed(): void {
    const { clock, random, onDisturbed } = this.#context
    this.#cancelLook()
    if (this.#settled) this.#cancelLook = clock.after(random() * RESUME_SPREAD_MS, onDisturbed)
    else onDisturbed()
  }

  /**
   * Says in the znode that it is not to be used, for a moment before it is removed. To a reader, many znodes that go at once
   * without a word may be an accident of the registry, which our synapse bears out (`panic_threshold`).
   */
  async #withdraw(signal: AbortSignal): Promise<void> {
    const { path } = this.#node
    const said = this.#said
    if (path === undefined || said === undefined) return
    try {
      await this.#session.setData(path, withdrawn(said), signal)
    } catch (error) {
      if (!(error instanceof ZooKeeperError) || error.retryable) throw error
    }
    await pause(this.#context.clock, WITHDRAWAL_MS, signal)
  }

  /** Airbnb's nerve takes over what a former process left when the service is up, and leaves it there while it is down. */
  async #removeLeftovers(instance: InstancePayload | undefined, signal: AbortSignal): Promise<void> {
    const { node_type, zk_path } = this.#config
    if (!this.#leftoverPossible || instance === undefined || !node_type.startsWith('persistent')) return
    await this.#firstConnection(signal)
    const leftovers = leftoversOf(instance, this.#context.service, zk_path)
    for (const path of await removeLeftovers(this.#session, leftovers, signal))
      this.#context.log.info('znode that a former process left removed', { path })
    this.#leftoverPossible = false
  }

  /**
   * Removes what a former process left of this instance beside the registration, which was not taken over because it says
   * something else since an edit. One that must stay is no trouble of the registration.
   */
  async #removeTwins(instance: InstancePayload | undefined, signal: AbortSignal): Promise<void> {
    try {
      await this.#removeLeftovers(instance, signal)
    } catch (error) {
      if (!(error instanceof ZooKeeperError) || error.retryable) throw error
      this.#context.log.warn('znode that a former process left not removed', { reason: error.message })
    }
    this.#leftoverPossible = false
  }

  #isConnecting(): boolean {
    return this.#session.state.status === 'connecting' && this.#context.clock.now() < this.#connectingUntil
  }

  /**
   * Resolves when there is a first connection, or its time is over; rejects with signal.reason. One that is lost later is
   * not waited for: nothing is reported meanwhile.
   */
  async #firstConnection(signal: AbortSignal): Promise<void> {
    if (!this.#isConnecting()) return
    const { clock } = this.#context
    try {
      const connected = (limit: AbortSignal) => this.#session.connected(limit)
      await withDeadline(clock, this.#connectingUntil - clock.now(), 'connecting to ZooKeeper', signal, connected)
    } catch (error) {
      if (signal.aborted) throw error // else whatever needs the connection says that there is none
    }
  }
}

const renewalOf = ({ zk_hosts: hosts, node_type, ttl_seconds = 0, refresh_interval: lookMs }: Options) => ({
  hosts,
  ttlMs: node_type.startsWith('persistent') ? ttl_seconds * 1000 : 0,
  lookMs,
})

/** Without the options that say how the znode is looked after, and not which one it is: an edit of those keeps it. */
function withoutCare(config: Options): Partial<Options> {
  const { expose_on_unavailable: _exposing, refresh_interval: _looking, ttl_seconds: _renewing, ...znode } = config
  return znode
}

/** All that a registration says stays as it is, for readers that know no `available`. */
function withdrawn(registration: Buffer): Buffer {
  const payload: unknown = JSON.parse(registration.toString())
  return Buffer.from(JSON.stringify(Object.assign({}, payload, { available: false })))
}

function nodeSpec(desired: Registration, config: Options, service: string, guid: string): OwnNodeSpec | undefined {
  const { payload } = desired
  if (payload === undefined || (desired.kind === 'absent' && !config.expose_on_unavailable)) return undefined
  return specOf(payload, config, service, guid)
}

function specOf(payload: InstancePayload, config: Options, service: string, guid: string): OwnNodeSpec {
  const json = encodePayload(payload)
  const name = config.node_naming === 'airbnb' ? `${payload.name}_` : `${guidNameStart(service, payload)}${guid}`
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
