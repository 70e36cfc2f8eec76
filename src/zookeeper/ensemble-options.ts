import * as z from 'zod'
import { positiveDurationMs, text } from '../core/config/schema.ts'
import { messageOf } from '../core/errors.ts'
import { parseEnsemble } from './connection-string.ts'
import { pathProblem } from './znode-path.ts'
import type { EnsembleOptions } from './zookeeper.ts'

/** Finds hosts that no session could be made of, while they still have a place in a file. For superRefine(). */
export function refineHosts(hosts: readonly string[], context: z.RefinementCtx): void {
  try {
    parseEnsemble(hosts)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
  }
}

/** Finds a path that ZooKeeper would refuse at each registration. For superRefine(). */
export function refineZnodePath(path: string, context: z.RefinementCtx): void {
  const problem = pathProblem(path)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `no path of a znode: ${problem}` })
}

/** `host:port` entries, as a list (Airbnb) or one comma-separated string. */
export const hosts = () =>
  z
    .union([z.array(text).min(1, 'needs at least one host'), text.transform((list) => list.split(','))], {
      error: 'expected a list of host:port entries',
    })
    .superRefine(refineHosts)
    .describe(
      'ZooKeeper servers, host:port each (port 2181 if none). A chroot may follow the last one: zk2:2181/chroot.',
    )

/** A ZooKeeper path without a slash at the end. */
export const znodePath = () =>
  z
    .string()
    .regex(/^\/(?:[^/]+(?:\/[^/]+)*)?$/, {
      error: 'expected a path that starts with / and does not end with one, e.g. /services/web',
      abort: true, // what ZooKeeper says of it would be the same once more
    })
    .superRefine(refineZnodePath)

export const sessionTimeoutMs = () =>
  positiveDurationMs
    .default(10_000)
    .describe(
      'How long the session outlives a silent process; a crashed host is gone after this time. The ensemble may bound it. Default 10 s.',
    )

export const digest = () =>
  z
    .string()
    .regex(/^[^:]+:.+$/, 'expected user:password')
    .describe('Digest credentials, user:password.')

export const tls = () =>
  z
    .strictObject({
      ca_file: text
        .optional()
        .describe('PEM file of the authorities that the server is checked against. Default: those of Node.'),
      cert_file: text.optional().describe('PEM file of our certificate, for mutual TLS.'),
      key_file: text.optional().describe('PEM file of our key, for mutual TLS.'),
      verify: z.boolean().default(true).describe('Check the certificate of the server. Default true.'),
    })
    .superRefine(({ cert_file, key_file }, context) => {
      if ((cert_file === undefined) === (key_file === undefined)) return
      const [given, lacking] = cert_file === undefined ? ['key_file', 'cert_file'] : ['cert_file', 'key_file']
      context.addIssue({ code: 'custom', path: [given], message: `needs ${lacking}` })
    })
    .describe('Speak TLS with the ensemble.')

interface EnsembleKeys {
  readonly hosts: readonly string[]
  readonly sessionTimeoutMs: number
  readonly digest?: string | undefined
  readonly tls?: z.output<ReturnType<typeof tls>> | undefined
}

/** Builds what a session needs from the keys of a service. */
export function ensembleOptions({ hosts, sessionTimeoutMs, digest, tls }: EnsembleKeys): EnsembleOptions {
  return {
    hosts,
    sessionTimeoutMs,
    ...(digest === undefined ? {} : { digest }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            verify: tls.verify,
            ...(tls.ca_file === undefined ? {} : { caFile: tls.ca_file }),
            ...(tls.cert_file === undefined ? {} : { certFile: tls.cert_file }),
            ...(tls.key_file === undefined ? {} : { keyFile: tls.key_file }),
          },
        }),
  }
}
