import * as z from 'zod'
import { count } from '../../core/config/schema.ts'
import { encodePayload } from '../../core/service-instance.ts'
import { digest, ensembleOptions, hosts, sessionTimeoutMs, tls, znodePath } from '../../zookeeper/ensemble-options.ts'
import { createOwnNode } from '../../zookeeper/ephemeral-node.ts'
import { encodeChildName } from '../../zookeeper/names.ts'
import type { OwnNodeSpec } from '../../zookeeper/zookeeper.ts'
import { defineReporter, type Registration } from './reporter.ts'

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
      'Write a persistent registration again this often, so that a cleaner can tell it from a dead one. Ephemeral ones need none.',
    ),
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

/** Registers the service as a znode, by default an ephemeral sequential one: Airbnb's layout (reference airbnb.md 2.8). */
export const zookeeper = defineReporter({
  type: 'zookeeper',
  description: 'Registers the service as a znode in ZooKeeper.',
  options,
  create({ sessions, clock, random, log, onDisturbed, service }, config) {
    const session = sessions.acquire(
      ensembleOptions({
        hosts: config.zk_hosts,
        sessionTimeoutMs: config.zk_session_timeout,
        digest: config.zk_digest,
        tls: config.zk_tls,
      }),
    )
    const node = createOwnNode({ session, random, log, onDisturbed, id: service })
    const ttlMs = config.node_type.startsWith('persistent') ? (config.ttl_seconds ?? 0) * 1000 : 0
    let writtenAt = clock.now()
    return {
      async reconcile(desired, signal) {
        const spec = nodeSpec(desired, config)
        const before = node.path
        await node.reconcile(spec, signal)
        if (spec === undefined || node.path === undefined || ttlMs === 0) return {}
        if (node.path !== before) writtenAt = clock.now()
        if (clock.now() - writtenAt >= ttlMs) {
          await session.setData(node.path, spec.data, signal)
          writtenAt = clock.now()
        }
        return { requeueAfterMs: writtenAt + ttlMs - clock.now() }
      },
      state: () => ({ type: 'zookeeper', path: node.path ?? null, session: session.state }),
      async close() {
        node.close()
        await session.release()
      },
    }
  },
})

function nodeSpec(desired: Registration, config: z.output<typeof options>): OwnNodeSpec | undefined {
  if (desired.kind === 'absent') return undefined
  const json = encodePayload(desired.payload)
  return {
    parent: config.zk_path,
    prefix: config.use_path_encoding ? encodeChildName(desired.payload.name, json) : `${desired.payload.name}_`,
    data: Buffer.from(json),
    mode: config.node_type,
    restrict: config.zk_restrict,
  }
}
