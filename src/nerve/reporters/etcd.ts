import * as z from 'zod'
import { durationMs, port, text } from '../../core/config/schema.ts'
import { encodePayload } from '../../core/service-instance.ts'
import { tls } from '../../zookeeper/ensemble-options.ts'
import { EtcdGateway } from './etcd-gateway.ts'
import { defineReporter, type Registration, type Reporter, type ReporterContext } from './reporter.ts'

/** A lease is kept alive this many times in its life, so that one lost request does no harm. */
const KEEP_ALIVES_PER_TTL = 3
const MAX_REQUEST_MS = 2_000

const keys = () =>
  z.object({
    etcd_host: z
      .union([text.transform((host) => [host]), z.array(text).min(1, 'needs at least one host')], {
        error: 'expected a host, or a list of hosts',
      })
      .describe('A member of etcd (3.4 or newer), or a list of members.'),
    etcd_port: port.default(2379).describe('Port for clients of the members. Default: 2379.'),
    etcd_path: z
      .string()
      .default('/')
      .transform((path) => path.split('/').filter((segment) => segment !== ''))
      .describe('What the keys of this service start with: <etcd_path>/<instance_id>/<lease>. Default: /.'),
    etcd_ttl: durationMs
      .refine((ms) => ms >= 3_000, 'expected at least 3 seconds')
      .prefault(10)
      .describe('How long the registration outlives a silent process, rounded up to seconds. Default: 10 seconds.'),
    etcd_username: text.optional().describe('User of etcd. Default: none.'),
    etcd_password: text.optional().describe('The password of the user.'),
    etcd_tls: tls().describe('Speak TLS with etcd. Default: no TLS.').optional(),
  })

const options = () =>
  keys().superRefine(({ etcd_username, etcd_password }, context) => {
    if (etcd_password === undefined || etcd_username !== undefined) return
    context.addIssue({ code: 'custom', path: ['etcd_password'], message: 'needs etcd_username' })
  })

type Options = z.output<ReturnType<typeof options>>

/** A registration in etcd: the key lives as long as the lease. */
interface Held {
  readonly lease: string
  /** Without the lease. */
  readonly directory: string
}

/**
 * Registers the service as a key of etcd v3, which a lease removes when nerve is silent. The options are those of Airbnb's
 * reporter for etcd v2 (reference airbnb.md 2.8), whose API newer servers no longer have. Each registration has a key of
 * its own, named by its lease, so that a nerve which follows another never removes the key of its successor.
 */
export const etcd = defineReporter({
  type: 'etcd',
  description: 'Registers the service as a key in etcd, version 3.4 or newer.',
  options,
  create: createEtcdReporter,
})

function createEtcdReporter({ clock, random, log }: ReporterContext, config: Options): Reporter {
  const ttlSeconds = Math.ceil(config.etcd_ttl / 1000)
  const everyMs = (ttlSeconds * 1000) / KEEP_ALIVES_PER_TTL
  const gateway = new EtcdGateway({
    hosts: config.etcd_host,
    port: config.etcd_port,
    timeoutMs: Math.min(MAX_REQUEST_MS, everyMs),
    user:
      config.etcd_username === undefined
        ? undefined
        : { name: config.etcd_username, password: config.etcd_password ?? '' },
    tls: config.etcd_tls,
    clock,
  })
  let held: Held | undefined
  /** Leases whose registration is no longer wanted. */
  const garbage = new Set<string>()

  const retire = () => {
    if (held !== undefined) garbage.add(held.lease)
    held = undefined
  }

  /** Our key in `directory` says `value`. */
  const makePresent = async (directory: string, value: string, signal: AbortSignal) => {
    if (held !== undefined && held.directory !== directory) retire()
    if (held !== undefined && !(await gateway.keepAlive(held.lease, signal))) {
      log.warn('lease of etcd has ended', { path: keyOf(held) })
      held = undefined
    }
    held ??= { lease: await gateway.grantLease(ttlSeconds, signal), directory }
    const found = await gateway.get(keyOf(held), signal)
    if (found?.value !== value || found.lease !== held.lease) await gateway.put(keyOf(held), value, held.lease, signal)
  }

  return {
    async reconcile(desired, signal) {
      if (desired.kind === 'absent') retire()
      else await makePresent(directoryOf(desired, config), encodePayload(desired.payload), signal)
      for (const lease of [...garbage]) {
        await gateway.revokeLease(lease, signal)
        garbage.delete(lease)
      }
      // Spread, so that a fleet which a restarted etcd set in step falls out of step again.
      return held === undefined ? {} : { requeueAfterMs: everyMs * (0.8 + 0.2 * random()) }
    },
    state: () => ({ type: 'etcd', path: held === undefined ? null : keyOf(held), endpoint: gateway.endpoint }),
    close: async () => {},
  }
}

function directoryOf({ payload }: Registration & { readonly kind: 'present' }, { etcd_path: segments }: Options) {
  return `/${[...segments, payload.name].join('/')}`
}

const keyOf = ({ directory, lease }: Held) => `${directory}/${lease}`
