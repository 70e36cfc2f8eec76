import * as z from 'zod'
import { createBackoff } from '../../core/backoff.ts'
import { durationMs } from '../../core/config/schema.ts'
import { createChildrenCache } from '../../zookeeper/children-cache.ts'
import { watchData } from '../../zookeeper/data-watch.ts'
import { digest, ensembleOptions, hosts, sessionTimeoutMs, tls, znodePath } from '../../zookeeper/ensemble-options.ts'
import { decodeChildName } from '../../zookeeper/names.ts'
import type { ChildrenSnapshot } from '../../zookeeper/zookeeper.ts'
import { createInstanceDecoder, decodeGeneratorConfig } from './registrations.ts'
import { type Discovery, defineWatcher, type WatcherContext } from './watcher.ts'

const RESYNC_MS = 300_000

const options = () =>
  z.object({
    hosts: hosts(),
    path: znodePath().describe('Parent of the registrations; created when missing.'),
    decode: z
      .discriminatedUnion('method', [
        z.strictObject({ method: z.literal('nerve') }),
        z.strictObject({
          method: z.literal('serverset'),
          endpoint_name: z
            .string()
            .optional()
            .describe('Use this additional endpoint instead of the service endpoint.'),
        }),
      ])
      .default({ method: 'nerve' })
      .describe("How registrations are written: nerve's JSON (default), or Finagle's serverset."),
    generator_config_path: z
      .union([z.literal('disabled'), znodePath()])
      .optional()
      .describe(
        'Znode whose data may hold generator options for this service. Default: the path itself. `disabled`: read none.',
      ),
    discovery_jitter: durationMs
      .optional()
      .describe("Accepted for Airbnb's files. Not needed: only what changed is read, and bursts are merged."),
    retry_policy: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        "Accepted for Airbnb's files. Not needed: every read is retried with a growing delay for as long as it takes.",
      ),
    session_timeout: sessionTimeoutMs(),
    digest: digest().optional(),
    tls: tls().optional(),
  })

type Options = z.output<ReturnType<typeof options>>

/** Watches the children of a znode: one registration each, as nerve writes them. */
export const zookeeper = defineWatcher({
  type: 'zookeeper',
  description: 'Watches the registrations below a znode in ZooKeeper.',
  options,
  create: (context, config) => createZookeeperWatcher(context, config),
})

function createZookeeperWatcher(context: WatcherContext, config: Options) {
  const { clock, log, metrics, random, sessions, service, onUnreadable } = context
  const session = sessions.acquire(ensembleOptions({ ...config, sessionTimeoutMs: config.session_timeout }))
  const bad = metrics.counter(
    'synapse_bad_registrations_total',
    'Registrations that could not be used, or not all of them.',
    ['service'],
  )
  bad.inc({ service }, 0)
  const decode = createInstanceDecoder(config.decode, ({ child, reason, isLeftOut }) => {
    const message = isLeftOut ? 'registration left out' : 'registration used without what makes no sense'
    log.warn(message, { path: `${config.path}/${child}`, reason })
    if (isLeftOut) onUnreadable('registration')
    bad.inc({ service })
  })
  const separateConfig = config.generator_config_path !== undefined && config.generator_config_path !== config.path
  let known = 0

  return {
    async run(publish: (discovery: Discovery) => void, signal: AbortSignal): Promise<void> {
      let snapshot: ChildrenSnapshot | undefined
      let foreignConfig: Buffer | undefined
      const emit = (eventAt: number) => {
        if (snapshot === undefined) return
        const generatorConfig = readConfig(separateConfig ? foreignConfig : snapshot.data)
        const registrations = decode(snapshot.children)
        known = registrations.instances.length
        publish({ ...registrations, ...(generatorConfig === undefined ? {} : { generatorConfig }), eventAt })
      }
      const cache = createChildrenCache({
        session,
        path: config.path,
        clock,
        random,
        log,
        dataInName: decodeChildName,
      })
      const runs = [
        cache.run((next) => {
          snapshot = next
          emit(next.eventAt)
        }, signal),
      ]
      if (separateConfig && config.generator_config_path !== 'disabled' && config.generator_config_path !== undefined) {
        const backoff = createBackoff({ initialMs: 200, maxMs: 10_000, random })
        const watch = { session, path: config.generator_config_path, clock, backoff, log, resyncMs: RESYNC_MS }
        runs.push(
          watchData(
            watch,
            (data) => {
              foreignConfig = data
              emit(clock.now())
            },
            signal,
          ),
        )
      }
      try {
        await Promise.all(runs)
      } finally {
        await session.release()
      }
    },
    // As Airbnb's: a short cut of the connection is no illness.
    isWell: () => session.state.status !== 'lost' && session.state.status !== 'closed',
    isAway: () => session.state.status === 'connecting' && session.state.reason !== undefined,
    state: () => ({ method: 'zookeeper', path: config.path, instances: known, session: session.state }),
  }

  function readConfig(data: Buffer | undefined) {
    return decodeGeneratorConfig(data, (reason) => {
      log.warn('generator options of the registry left out', {
        path: config.generator_config_path ?? config.path,
        reason,
      })
      onUnreadable('generator-options')
    })
  }
}
