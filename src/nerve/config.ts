import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import {
  admin,
  copyNames,
  loadTestConcurrency,
  logLevel,
  serviceConfDir,
  services,
  stateDirectory,
  statsd,
} from '../core/config/daemon-keys.ts'
import { type Fingerprints, inputsOf } from '../core/config/input-files.ts'
import { type ConfigDialect, type Loaded, type LoadOptions, loadConfig } from '../core/config/load.ts'
import { phrase } from '../core/config/phrases.ts'
import { optionsOf, pluginSchema } from '../core/config/plugin-options.ts'
import { formatPath } from '../core/config/problems.ts'
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
import type { Json } from '../core/service-instance.ts'
import { availabilityKeys, availabilityOf, idleKeys } from './availability-keys.ts'
import { blablacarDialect, isBlablacar } from './blablacar/dialect.ts'
import type { ReadOptions } from './blablacar/translate.ts'
import type { CheckType } from './checks/check.ts'
import * as checkTypes from './checks/index.ts'
import type { CheckConfig, NerveConfig, PluginConfig, RateLimitingConfig, ServiceConfig } from './model.ts'
import * as reporterTypes from './reporters/index.ts'
import type { ReporterType } from './reporters/reporter.ts'

export type {
  CheckConfig,
  NerveConfig,
  PluginConfig,
  RateLimitingConfig,
  ServiceConfig,
} from './model.ts'

const checkRegistry = new Registry<CheckType>('check type', checkTypes)
const reporterRegistry = new Registry<ReporterType>('reporter type', reporterTypes)

const HOST_EXPECTED = 'expected a host name or address'
const host = z.string(HOST_EXPECTED).regex(/^[^\s/]+$/, HOST_EXPECTED)
const SERVER_NAME = /^[A-Za-z0-9_.:-]{1,255}$/
const SERVER_NAME_EXPECTED = 'expected letters, digits and _ . : - (it becomes part of a server name in HAProxy)'
const publishedName = z.string().regex(SERVER_NAME, SERVER_NAME_EXPECTED)

/** Airbnb's nerve makes numbers of these keys itself, so old files may have quotes around them. */
const quoted = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((value) => (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value), schema)

const checkKeys = {
  name: text.optional().describe('Name in logs and metrics. Default: made of service, type, host and port.'),
  host: host.optional().describe('Where to check. Default: the host of the service.'),
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
  module: text.optional().describe('Ruby library of a check type. Accepted, not needed.'),
}

const rateLimiting = z
  .strictObject({
    average_rate: z
      .number()
      .nonnegative()
      .nullish()
      .describe('Changes per second in the long run; 0 lets none through. Default: no limit.'),
    max_burst: z.number().min(1).nullish().describe('Changes that a quiet time saves up for. Default: no limit.'),
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

const serviceKeys = {
  host: host.describe('Published address, and where checks go unless they say otherwise.'),
  port: portAsWritten.describe('Published port, with the type it is written with, and where checks go.'),
  checks: z
    .array(pluginSchema(checkRegistry, { key: 'type', common: checkKeys }).meta({ id: 'check' }))
    .default([])
    .describe('All must pass for the service to be registered. Default: none, always registered.'),
  check_interval: durationMs.prefault(0.5).describe('Wait between two runs of a check. Default: 0.5 seconds.'),
  check_mocked: z.boolean().default(false).describe('Run no checks and call the service healthy. Default: false.'),
  rate_limiting: rateLimiting,
  weight: wholeNumber.optional().describe("Published weight, for synapse's load balancing. Default: none."),
  haproxy_server_options: z.json().optional().describe("Published options for HAProxy's server line. Default: none."),
  labels: z
    .record(z.string(), z.json())
    .optional()
    .describe('Published labels, for filters of watchers. Default: none.'),
  published_name: publishedName
    .optional()
    .describe('Published as the name, and so part of the name of the znode. Default: the instance_id.'),
  ...availabilityKeys,
  go_nerve_metrics: z
    .boolean()
    .default(false)
    .describe("Keep the metrics of BlaBlaCar's nerve for this service beside our own. Default: false."),
  load_test_concurrency: loadTestConcurrency,
  reporters: z
    .array(pluginSchema(reporterRegistry, { key: 'type', common: {} }).meta({ id: 'reporter' }))
    .default([])
    .describe('Reporters beside the one of reporter_type, each with its own keys and its own retries. Default: none.'),
  name: ignoredKey('a service is named by its key or its file'),
  instance_id: ignoredKey('only the one at the top level counts'),
  max_repeated_report_failures: ignoredKey('registrations are retried for as long as it takes'),
}

const service = z.preprocess(
  lowerCaseReporterType,
  pluginSchema(reporterRegistry, { key: 'reporter_type', common: serviceKeys, fallback: 'zookeeper' }),
)

/** Airbnb's nerve takes the type in any case. */
function lowerCaseReporterType(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('reporter_type' in value)) return value
  const { reporter_type: type } = value
  return typeof type === 'string' ? { ...value, reporter_type: type.toLowerCase() } : value
}

/** What nerve.yaml may say. */
export const nerveSchema = z.strictObject({
  instance_id: z
    .string({
      error: ({ input }) =>
        input === undefined ? 'expected a name for this machine; -i or NERVE_INSTANCE_ID can give it' : undefined,
    })
    .regex(SERVER_NAME, SERVER_NAME_EXPECTED)
    .describe('Name of this machine or pod, published with every registration. -i and NERVE_INSTANCE_ID win.'),
  services: services(service),
  service_conf_dir: serviceConfDir,
  admin: admin(3211),
  log_level: logLevel,
  drain: durationMs
    .default(0)
    .describe('Wait between de-registering and the end, so that clients see it before the service goes. Default: 0.'),
  state_directory: stateDirectory,
  hacheck_spool: text
    .optional()
    .describe(
      "Directory of the spool of Yelp's hacheck: a file all, SERVICE or SERVICE:PORT in it takes that down. Default: none is looked at.",
    ),
  heartbeat_path: text.optional().describe('File that is touched while nerve is alive. Default: none.'),
  statsd,
  max_repeated_report_failures: z
    .int()
    .optional()
    .describe('Accepted, not needed: a registration is retried until it holds, however often it fails.'),
  listen_port: ignoredKey('nothing has ever listened on it; see admin'),
})

type Parsed = z.output<typeof nerveSchema>
type ParsedCheck = z.output<z.ZodObject<typeof checkKeys>> & { readonly type: string }
type ParsedReporter = { readonly type: string } & Readonly<Record<string, unknown>>
type ParsedService = Omit<z.output<z.ZodObject<typeof serviceKeys>>, 'reporters'> & {
  readonly reporter_type?: string
  readonly reporters: readonly ParsedReporter[]
}

const dialect: ConfigDialect<Parsed, NerveConfig> = {
  schema: nerveSchema,
  // Airbnb's nerve reads the JSON files last, so they win (reference airbnb.md 2.2).
  extensions: ['.yaml', '.yml', '.json'],
  check: ({ services }, sources) =>
    Object.entries(services).flatMap(([name, service]) => idleKeys(name, service as ParsedService, sources)),
  build: buildConfig,
}

export interface NerveLoadOptions extends Omit<LoadOptions, 'overrides'> {
  /** From the command line or NERVE_INSTANCE_ID. */
  readonly instanceId?: string | undefined
}

/**
 * Reads and checks nerve's configuration, ours or BlaBlaCar's, which is told by its shape.
 * @throws ConfigError with all problems of all files.
 */
export async function loadNerveConfig({ instanceId, ...options }: NerveLoadOptions): Promise<Loaded<NerveConfig>> {
  const { file, environment } = options
  const text = await readFile(file, 'utf8').catch(() => '') // that it cannot be read is told below
  if (isBlablacar(file, text, environment)) {
    return loadConfig(blablacarDialect(instanceId ?? environment['HOSTNAME'] ?? 'nerve', readOptions), options)
  }
  return loadConfig(dialect, { ...options, overrides: instanceId === undefined ? {} : { instance_id: instanceId } })
}

/** The options of a check or reporter that another dialect was translated to. @throws Error that says what they forbid. */
const readOptions: ReadOptions = (kind, { type, options }) => {
  const plugin = kind === 'check' ? checkRegistry.get(type) : reporterRegistry.get(type)
  const result = plugin.options.safeExtend({}).strict().safeParse(options, { error: phrase })
  if (result.success) return result.data
  const told = result.error.issues.map((issue) => {
    const path = issue.code === 'unrecognized_keys' ? issue.keys : issue.path.map(String)
    return `${formatPath(path)}: ${issue.message}`
  })
  throw new Error(told.join('; '))
}

function buildConfig(parsed: Parsed, serviceNames: readonly string[], fingerprints: Fingerprints): NerveConfig {
  return {
    instanceId: parsed.instance_id,
    services: serviceNames.flatMap((name) => {
      const service = parsed.services[name] as ParsedService
      return copyNames(name, service.load_test_concurrency).map((copy) => buildService(copy, service, fingerprints))
    }),
    admin: parsed.admin,
    logLevel: parsed.log_level,
    drainMs: parsed.drain,
    stateDirectory: parsed.state_directory,
    hacheckSpool: parsed.hacheck_spool,
    heartbeatPath: parsed.heartbeat_path,
    statsd: parsed.statsd,
  }
}

function buildService(name: string, parsed: ParsedService, fingerprints: Fingerprints): ServiceConfig {
  const checks = parsed.checks as readonly ParsedCheck[]
  return {
    name,
    host: parsed.host,
    port: Number(parsed.port),
    publishedPort: parsed.port,
    publishedName: parsed.published_name,
    checkIntervalMs: parsed.check_interval,
    checkMocked: parsed.check_mocked,
    checks: checks.map((check) => buildCheck(name, parsed, check, fingerprints)),
    rateLimiting: parsed.rate_limiting,
    haproxyServerOptions: parsed.haproxy_server_options as Json | undefined,
    labels: parsed.labels as Readonly<Record<string, Json>> | undefined,
    reporters: [
      buildReporter(parsed.reporter_type ?? 'zookeeper', parsed, fingerprints),
      ...parsed.reporters.map((reporter) => buildReporter(reporter.type, reporter, fingerprints)),
    ],
    ...availabilityOf(parsed),
    goNerveMetrics: parsed.go_nerve_metrics,
  }
}

function buildReporter(
  type: string,
  parsed: Readonly<Record<string, unknown>>,
  fingerprints: Fingerprints,
): PluginConfig {
  const options = optionsOf(reporterRegistry.get(type), parsed)
  return { type, options, ...inputsOf(options, fingerprints) }
}

function buildCheck(
  serviceName: string,
  service: ParsedService,
  check: ParsedCheck,
  fingerprints: Fingerprints,
): CheckConfig {
  const { type, host = service.host, port = Number(service.port) } = check
  const options = optionsOf(checkRegistry.get(type), check)
  return {
    type,
    name: check.name ?? checkName(serviceName, type, `${host}:${port}`, options['uri']),
    host,
    port,
    timeoutMs: check.timeout,
    intervalMs: check.interval ?? service.check_interval,
    rise: check.rise,
    fall: check.fall,
    firstVerdict: check.initial === 'full_streak' ? 'full-streak' : 'first-result',
    options,
    ...inputsOf(options, fingerprints),
  }
}

/** Airbnb's names, which dashboards know: `web tcp-10.0.0.1:80`, and `http-10.0.0.1:80/health` (reference airbnb.md 2.5). */
function checkName(service: string, type: string, address: string, uri: unknown): string {
  return type === 'http' && typeof uri === 'string' ? `http-${address}${uri}` : `${service} ${type}-${address}`
}
