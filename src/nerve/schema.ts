import * as z from 'zod'
import {
  admin,
  loadTestConcurrency,
  logLevel,
  serviceConfDir,
  services,
  stateDirectory,
  statsd,
} from '../core/config/daemon-keys.ts'
import { pluginSchema } from '../core/config/plugin-options.ts'
import {
  count,
  durationMs,
  ignoredKey,
  port,
  portAsWritten,
  positiveDurationMs,
  text,
  wholeNumber,
} from '../core/config/schema.ts'
import { Registry } from '../core/registry.ts'
import { availabilityKeys } from './availability-keys.ts'
import type { CheckType } from './checks/check.ts'
import * as checkTypes from './checks/index.ts'
import type { RateLimitingConfig } from './model.ts'
import * as reporterTypes from './reporters/index.ts'
import { noop, zookeeper } from './reporters/index.ts'
import type { ReporterType } from './reporters/reporter.ts'

/** The check types that are built in. */
export const checkRegistry = new Registry<CheckType>('check type', checkTypes)
export const reporterRegistry = new Registry<ReporterType>('reporter type', reporterTypes)

const HOST_EXPECTED = 'expected a host name or address'
const host = () => z.string(HOST_EXPECTED).regex(/^[^\s/]+$/, HOST_EXPECTED)
const SERVER_NAME = /^[A-Za-z0-9_.:-]{1,255}$/
const SERVER_NAME_EXPECTED = 'expected letters, digits and _ . : - (it becomes part of a server name in HAProxy)'
const publishedName = () => z.string().regex(SERVER_NAME, SERVER_NAME_EXPECTED)

/** Airbnb's nerve makes numbers of these keys itself, so old files may have quotes around them. */
const quoted = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((value) => (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value), schema)

/** `.inf` is how YAML writes no limit. */
const limit = (schema: z.ZodNumber) =>
  z.preprocess((value) => (value === Number.POSITIVE_INFINITY ? null : value), schema.nullable()).optional()

const checkKeys = () => ({
  name: text.optional().describe('Name in logs and metrics. Default: made of service, type, host and port.'),
  host: host().optional().describe('Where to check. Default: the host of the service.'),
  port: port.optional().describe('Where to check. Default: the port of the service.'),
  interval: durationMs.optional().describe("Wait between two runs. Default: the service's check_interval."),
  timeout: quoted(positiveDurationMs).prefault(0.1).describe('Longest time a run may take. Default: 0.1 seconds.'),
  rise: quoted(count(1)).prefault(1).describe('Successes in a row that make a failed check pass. Default: 1.'),
  fall: quoted(count(1)).prefault(1).describe('Failures in a row that make a passing check fail. Default: 1.'),
  initial: z
    .enum(['first_result', 'full_streak'])
    .default('first_result')
    .describe(
      'What the first verdict takes: the first result, whatever rise and fall say, or rise or fall of them in a row, as any later one. Default: first_result.',
    ),
  module: text
    .optional()
    .describe(
      'Where a type that is not built in comes from: the path of an ES module, from the folder of this file, or a package in node_modules there or above. Default: the package nerve-watcher-<type>.',
    ),
})

const rateLimiting = () =>
  z
    .strictObject({
      average_rate: limit(z.number().nonnegative()).describe(
        'Changes per second in the long run; 0 lets none through. Default: no limit.',
      ),
      max_burst: limit(z.number().min(1)).describe('Changes that a quiet time saves up for. Default: no limit.'),
      shadow_mode: z
        .boolean()
        .default(true)
        .describe('Only log and count what would have been held back. Default: true.'),
    })
    .transform(
      ({ average_rate, max_burst, shadow_mode }): RateLimitingConfig => ({
        averageRate: average_rate ?? Number.POSITIVE_INFINITY,
        maxBurst: max_burst ?? Number.POSITIVE_INFINITY,
        shadowMode: shadow_mode,
      }),
    )
    .optional()
    .describe('Limits how often the registration may change. A change that is held back is made as soon as it may be.')

/** The plug-ins that a service may have. */
interface Plugins {
  readonly check: z.ZodType
  readonly reporter: z.ZodType
}

const serviceKeys = ({ check, reporter }: Plugins) => ({
  host: host().describe('Published address, and where checks go unless they say otherwise.'),
  port: portAsWritten.describe('Published port, with the type it is written with, and where checks go.'),
  checks: z
    .array(check)
    .default([])
    .describe('All must pass for the service to be registered. Default: none, always registered.'),
  check_interval: durationMs.prefault(0.5).describe('Wait between two runs of a check. Default: 0.5 seconds.'),
  check_mocked: z.boolean().default(false).describe('Run no checks and call the service healthy. Default: false.'),
  rate_limiting: rateLimiting(),
  weight: wholeNumber.optional().describe("Published weight, for synapse's load balancing. Default: none."),
  haproxy_server_options: z.json().optional().describe("Published options for HAProxy's server line. Default: none."),
  labels: z
    .record(z.string(), z.json())
    .optional()
    .describe('Published labels, for filters of watchers. Default: none.'),
  published_name: publishedName()
    .optional()
    .describe('Published as the name, and so part of the name of the znode. Default: the instance_id.'),
  ...availabilityKeys(),
  go_nerve_metrics: z
    .boolean()
    .default(false)
    .describe("Keep the metrics of BlaBlaCar's nerve for this service beside our own. Default: false."),
  load_test_concurrency: loadTestConcurrency(),
  reporters: z
    .array(reporter)
    .default([])
    .describe(
      'Reporters beside the one of reporter_type, or in its place where neither that nor a key of ZooKeeper is given; each with its own keys and its own retries. Default: none.',
    ),
  name: ignoredKey('a service is named by its key or its file'),
  instance_id: ignoredKey('only the one at the top level counts'),
  max_repeated_report_failures: ignoredKey('registrations are retried for as long as it takes'),
})

type ServiceKeys = ReturnType<typeof serviceKeys>

const serviceOfType = (common: ServiceKeys) =>
  pluginSchema(reporterRegistry, { key: 'reporter_type', common, fallback: zookeeper.type })

const service = (keys: ServiceKeys) =>
  z.preprocess((value) => reportersAlone(lowerCaseReporterType(value)), serviceOfType(keys))

/** Airbnb's nerve takes the type in any case. */
function lowerCaseReporterType(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('reporter_type' in value)) return value
  const { reporter_type: type } = value
  return typeof type === 'string' ? { ...value, reporter_type: type.toLowerCase() } : value
}

/** `reporters` alone is the whole list, as in BlaBlaCar's files: nothing else asks for ZooKeeper. */
function reportersAlone(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || 'reporter_type' in value || !('reporters' in value)) return value
  const isList = Array.isArray(value.reporters) && value.reporters.length > 0
  const wantsZookeeper = Object.keys(value).some((key) => key.startsWith('zk_') || key in zookeeper.options.shape)
  return isList && !wantsZookeeper ? { ...value, reporter_type: noop.type } : value
}

/** The same for editors. */
const serviceWithReportersAlone = ({ reporters, ...keys }: ServiceKeys) => {
  const list = reporters
    .unwrap()
    .min(1)
    .describe(reporters.description ?? '')
  return z.strictObject({ ...keys, reporters: list }).describe('Registers the service with these reporters alone.')
}

/** Keys at the top level beside the services. */
const topKeys = () => ({
  instance_id: z
    .string({
      error: ({ input }) =>
        input === undefined ? 'expected a name for this machine; -i or NERVE_INSTANCE_ID can give it' : undefined,
    })
    .regex(SERVER_NAME, SERVER_NAME_EXPECTED)
    .describe('Name of this machine or pod, published with every registration. -i and NERVE_INSTANCE_ID win.'),
  service_conf_dir: serviceConfDir(),
  admin: admin(3211),
  log_level: logLevel(),
  drain: durationMs
    .default(0)
    .describe('Wait between de-registering and the end, so that clients see it before the service goes. Default: 0.'),
  state_directory: stateDirectory(),
  hacheck_spool: text
    .optional()
    .describe(
      "Directory of the spool of Yelp's hacheck: a file all, SERVICE or SERVICE:PORT in it takes that down. Default: none is looked at.",
    ),
  heartbeat_path: text.optional().describe('File that is touched while nerve is alive. Default: none.'),
  statsd: statsd(),
  max_repeated_report_failures: z
    .int()
    .optional()
    .describe('Accepted, not needed: a registration is retried until it holds, however often it fails.'),
  listen_port: ignoredKey('nothing has ever listened on it; see admin'),
})

const nerve = (service: z.ZodType) => z.strictObject({ ...topKeys(), services: services(service) })
const checkOf = (types: Registry<CheckType>) => pluginSchema(types, { key: 'type', common: checkKeys() })
const reporterOf = () => pluginSchema(reporterRegistry, { key: 'type', common: {} })

/** What nerve.yaml may say where there are these types of checks. */
export const nerveSchemaWith = (types: Registry<CheckType>) =>
  nerve(service(serviceKeys({ check: checkOf(types), reporter: reporterOf() })))

const checkOfModule = () =>
  z
    .looseObject({ ...checkKeys(), type: text.describe('A type of your own.'), module: checkKeys().module.unwrap() })
    .describe('A check of a type that a module has, with whatever options that type takes.')

/**
 * The same for editors, which do not know the options of the types that modules have. Only here have parts a name: zod keeps
 * what has one for good.
 */
export const nerveSchema = () => {
  const keys = serviceKeys({
    check: z.union([checkOf(checkRegistry), checkOfModule()]).meta({ id: 'check' }),
    reporter: reporterOf().meta({ id: 'reporter' }),
  })
  return nerve(z.union([...serviceOfType(keys).options, serviceWithReportersAlone(keys)]))
}

export type ParsedConfig = z.output<ReturnType<typeof nerve>>
export type ParsedCheck = z.output<z.ZodObject<ReturnType<typeof checkKeys>>> & { readonly type: string }
export type ParsedReporter = { readonly type: string } & Readonly<Record<string, unknown>>
export type ParsedService = Omit<z.output<z.ZodObject<ServiceKeys>>, 'reporters'> & {
  readonly reporter_type?: string
  readonly reporters: readonly ParsedReporter[]
}
