import type { Clock } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import { createMetrics } from '../../core/metrics.ts'
import { withDeadline } from '../../core/time-limit.ts'
import type { NerveConfig } from '../../nerve/config.ts'
import type { SynapseConfig } from '../../synapse/config.ts'
import { formatEnsemble, formatServer, parseEnsemble } from '../../zookeeper/connection-string.ts'
import { ensembleOptions } from '../../zookeeper/ensemble-options.ts'
import { createSessionPool } from '../../zookeeper/session-pool.ts'
import { type EnsembleOptions, type Session, type SessionPool, ZooKeeperError } from '../../zookeeper/zookeeper.ts'
import { collectingLog } from '../collecting-log.ts'
import { plural } from '../table.ts'
import { type Finding, ok, problem, warning } from './findings.ts'

/** Short: an ensemble that takes longer than this to say hello is in trouble. */
const DEADLINE_MS = 5_000

/** An ensemble of a configuration with the paths below which its services are. */
export interface ConfiguredEnsemble {
  readonly name: string
  readonly options: EnsembleOptions
  readonly paths: readonly string[]
}

/** Every ensemble that synapse would watch, once. */
export function ensemblesOfSynapse({ services }: SynapseConfig): readonly ConfiguredEnsemble[] {
  return grouped(
    services.flatMap(({ discovery: { method, options } }) => {
      if (method !== 'zookeeper') return []
      const { hosts, path, session_timeout: sessionTimeoutMs, digest, tls } = options as unknown as WatcherKeys
      return [{ options: ensembleOptions({ hosts, sessionTimeoutMs, digest, tls }), path }]
    }),
  )
}

/** Every ensemble that nerve would register in, once. */
export function ensemblesOfNerve({ services }: NerveConfig): readonly ConfiguredEnsemble[] {
  return grouped(
    services
      .flatMap(({ reporters }) => reporters)
      .flatMap(({ type, options }) => {
        if (type !== 'zookeeper') return []
        const keys = options as unknown as ReporterKeys
        const {
          zk_hosts: hosts,
          zk_path: path,
          zk_session_timeout: sessionTimeoutMs,
          zk_digest: digest,
          zk_tls: tls,
        } = keys
        return [{ options: ensembleOptions({ hosts, sessionTimeoutMs, digest, tls }), path }]
      }),
  )
}

type EnsembleKeys = Parameters<typeof ensembleOptions>[0]

interface WatcherKeys extends Pick<EnsembleKeys, 'hosts' | 'digest' | 'tls'> {
  readonly path: string
  readonly session_timeout: number
}

interface ReporterKeys {
  readonly zk_hosts: EnsembleKeys['hosts']
  readonly zk_path: string
  readonly zk_session_timeout: number
  readonly zk_digest?: EnsembleKeys['digest']
  readonly zk_tls?: EnsembleKeys['tls']
}

function grouped(
  uses: readonly { readonly options: EnsembleOptions; readonly path: string }[],
): readonly ConfiguredEnsemble[] {
  const ensembles = new Map<string, { readonly options: EnsembleOptions; readonly paths: Set<string> }>()
  for (const { options, path } of uses) {
    const key = JSON.stringify({ ...options, hosts: formatEnsemble(parseEnsemble(options.hosts)) })
    const known = ensembles.get(key)
    if (known === undefined) ensembles.set(key, { options, paths: new Set([path]) })
    else known.paths.add(path)
  }
  return [...ensembles.values()].map(({ options, paths }) => ({
    name: formatEnsemble(parseEnsemble(options.hosts)),
    options,
    paths: [...paths],
  }))
}

export interface ZooKeeperContext {
  readonly clock: Clock
  readonly random: () => number
}

/** Connects to every member by itself, with a session of its own that is closed again, and looks for the paths. */
export async function examineEnsemble(
  { options, paths }: ConfiguredEnsemble,
  context: ZooKeeperContext,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { servers, chroot } = parseEnsemble(options.hosts)
  const members = await Promise.all(
    servers.map(async (server) => {
      const name = formatServer(server)
      return visit(name, { ...options, hosts: [`${name}${chroot}`] }, paths, context, signal)
    }),
  )
  const first = members.find(({ reached }) => reached)
  return [
    ...members.map(({ name, reached, what }) => {
      if (reached) return ok('zookeeper', `${name}: ${what}`)
      const remedy = `start it, or see whether this machine may reach ${name} (firewall, name, TLS)`
      const others = first === undefined ? '' : '; other members answer'
      return (first === undefined ? problem : warning)('zookeeper', `${name}: ${what}${others}`, remedy)
    }),
    ...(first?.paths ?? []),
  ]
}

interface Visit {
  readonly name: string
  readonly reached: boolean
  readonly what: string
  readonly paths: readonly Finding[]
}

async function visit(
  name: string,
  options: EnsembleOptions,
  paths: readonly string[],
  { clock, random }: ZooKeeperContext,
  signal: AbortSignal,
): Promise<Visit> {
  const complaints: string[] = []
  const log = collectingLog((sentence) => complaints.push(sentence))
  const pool: SessionPool = createSessionPool({ clock, random, log, metrics: createMetrics() })
  const started = clock.now()
  try {
    const session = pool.acquire(options)
    return await withDeadline(clock, DEADLINE_MS, 'connecting', signal, async (limited) => {
      await session.connected(limited)
      const ms = Math.round(clock.now() - started)
      const findings: Finding[] = []
      for (const path of paths) findings.push(await examinePath(session, path, limited))
      return { name, reached: true, what: `a session in ${ms} ms`, paths: findings }
    })
  } catch (error) {
    signal.throwIfAborted()
    const [state] = pool.state()
    const what = state?.session.reason ?? complaints[0] ?? messageOf(error)
    return { name, reached: false, what: what.replace(`${name}: `, ''), paths: [] }
  } finally {
    await pool.close()
  }
}

async function examinePath(session: Session, path: string, signal: AbortSignal): Promise<Finding> {
  try {
    const { children } = await session.getChildren(path, signal)
    return ok('registry path', `${path}: ${plural(children.length, 'registration')}`)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ZooKeeperError && error.code === 'NO_NODE') {
      return warning(
        'registry path',
        `${path} does not exist yet`,
        'no nerve has registered there; see zk_path and the chroot',
      )
    }
    return problem('registry path', `${path}: ${messageOf(error)}`, 'see the digest and the ACL of the path')
  }
}
