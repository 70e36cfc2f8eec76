import * as z from 'zod'
import type { Problem } from './problems.ts'
import { port, text } from './schema.ts'
import { problemAt, type Sources } from './sources.ts'

/** Keys that both daemons take at the top level. */

export const serviceConfDir = () =>
  text
    .optional()
    .describe(
      'Directory with one file per service, *.yaml, *.yml or *.json; the file name without its extension is the name of the service, and replaces one of the same name here. ~ is the home directory; a relative path starts at the working directory.',
    )

export const logLevel = () =>
  z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least severe log lines to write. Default: info; the environment variable DEBUG wins.')

export const stateDirectory = () =>
  text.optional().describe('Directory for what must survive a restart. Default: nothing is kept.')

/** Where the admin server listens; undefined: nowhere. */
export type AdminConfig =
  | { readonly host: string; readonly port: number; readonly token?: string | undefined }
  | undefined

/** The admin server, on `defaultPort` unless told otherwise. Parsed: where to listen, or undefined. */
export const admin = (defaultPort: number) =>
  z
    .union(
      [
        z.literal(false),
        z.strictObject({
          host: text
            .default('127.0.0.1')
            .describe('Address to listen on. Default: 127.0.0.1. It shows hosts and paths: keep it on loopback.'),
          port: z
            .union([z.literal(0), port], { error: 'expected a port number, 1 to 65535, or 0 for any free one' })
            .default(defaultPort)
            .describe(`Port to listen on; 0 picks a free one, which the log names. Default: ${defaultPort}.`),
          token: text
            .optional()
            .describe(
              'Lets other machines change something: "Authorization: Bearer TOKEN". Default: only this machine may.',
            ),
        }),
      ],
      { error: 'expected a map with host and port, or false for no admin server' },
    )
    .prefault({})
    .transform((value): AdminConfig => (value === false ? undefined : value))
    .describe('The admin server: /livez, /readyz, /metrics, /state and a status page. false: none.')

export interface StatsdConfig {
  readonly host: string
  readonly port: number
  /** Metric name to the share of its samples that is sent, 0 to 1. */
  readonly sampleRates: Readonly<Record<string, number>>
}

export const statsd = () =>
  z
    .strictObject({
      host: text.default('localhost').describe('Default: localhost.'),
      port: port.default(8125).describe('Default: 8125.'),
      sample_rate: z
        .record(z.string(), z.number().min(0).max(1))
        .default({})
        .describe('Metric name to the share of its samples that is sent, 0 to 1. Default: 1 for every metric.'),
    })
    .transform(({ host, port, sample_rate }): StatsdConfig => ({ host, port, sampleRates: sample_rate }))
    .optional()
    .describe(
      "A StatsD server that metrics with the names of Airbnb's daemons are sent to, in the words of DogStatsD. Default: none.",
    )

const CONTROL_CHARACTER = /\p{Cc}/u

/** The name of a service: a key of `services`, or the name of a file. */
export const serviceName = () =>
  text.refine((name) => !CONTROL_CHARACTER.test(name), 'a service name must not contain control characters')

/** A map of services. A service without a value is told what it lacks, not left out. */
export const services = <Service extends z.ZodType>(service: Service) =>
  z
    .record(
      serviceName(),
      z.preprocess((value) => value ?? {}, service),
    )
    .nullish()
    .transform((map): Readonly<Record<string, z.output<Service>>> => map ?? {})
    .describe('Service name to its keys. Default: none.')

/** Copies per service, `<name>_0` and on, for load tests. */
export const loadTestConcurrency = () =>
  z
    .int()
    .min(1)
    .optional()
    .describe(
      'For load tests: run this many copies of the service, named <name>_0, <name>_1 and so on. Default: the service itself.',
    )

/** The names that a service runs under. */
export function copyNames(name: string, copies: number | undefined): readonly string[] {
  return copies === undefined ? [name] : Array.from({ length: copies }, (_, index) => `${name}_${index}`)
}

/** Finds the copies that would take the place of another service. */
export function copyProblems(
  services: Readonly<Record<string, { readonly load_test_concurrency?: number | undefined }>>,
  sources: Sources,
): readonly Problem[] {
  const runs = new Set(
    Object.entries(services).flatMap(([name, { load_test_concurrency: copies }]) => (copies === undefined ? name : [])),
  )
  return Object.entries(services).flatMap(([name, { load_test_concurrency: copies }]) => {
    const taken = copies === undefined ? undefined : copyNames(name, copies).find((copy) => runs.has(copy))
    if (taken === undefined) return []
    const message = `makes a copy named ${taken}, and there is a service of that name; rename one of them`
    return [problemAt(sources, ['services', name, 'load_test_concurrency'], message)]
  })
}
