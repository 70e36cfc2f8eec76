import { readFile } from 'node:fs/promises'
import { copyNames, copyProblems } from '../core/config/daemon-keys.ts'
import { type Fingerprints, inputsOf } from '../core/config/input-files.ts'
import { type ConfigDialect, type Loaded, type LoadOptions, loadConfig } from '../core/config/load.ts'
import { phrase } from '../core/config/phrases.ts'
import { optionsOf } from '../core/config/plugin-options.ts'
import { withYaml11Flags } from '../core/config/yaml-flags.ts'
import type { Registry } from '../core/registry.ts'
import type { Json } from '../core/service-instance.ts'
import { availabilityOf, idleKeys } from './availability-keys.ts'
import { isBlablacar } from './blablacar/recognise.ts'
import type { ReadOptions } from './blablacar/translate.ts'
import { loadCheckModules } from './check-modules.ts'
import type { CheckType } from './checks/check.ts'
import { type ConfiguredFile, sharedFileWarnings } from './file-warnings.ts'
import { labelWarnings } from './label-text.ts'
import type { CheckConfig, NerveConfig, PluginConfig, ServiceConfig } from './model.ts'
import { file, noop, zookeeper } from './reporters/index.ts'
import {
  checkRegistry,
  nerveSchemaWith,
  type ParsedCheck,
  type ParsedConfig,
  type ParsedReporter,
  type ParsedService,
  reporterRegistry,
} from './schema.ts'
import { nameWarnings } from './service-names.ts'

export type {
  CheckConfig,
  NerveConfig,
  PluginConfig,
  RateLimitingConfig,
  ServiceConfig,
} from './model.ts'
export { nerveSchema } from './schema.ts'

/** Our own files, with these types of checks. */
function dialectWith(checkTypes: Registry<CheckType>): ConfigDialect<ParsedConfig, NerveConfig> {
  return {
    schema: nerveSchemaWith(checkTypes),
    // Airbnb's nerve reads the JSON files last, so they win (reference airbnb.md 2.2).
    extensions: ['.yaml', '.yml', '.json'],
    check: (parsed, sources) => {
      const services = parsed.services as Readonly<Record<string, ParsedService>>
      const named = Object.entries(services).map(([name, { port }]) => ({ name, port: Number(port) }))
      return [
        ...copyProblems(services, sources),
        ...Object.entries(services).flatMap(([name, service]) => [
          ...idleKeys(name, service, sources),
          ...labelWarnings(name, service.labels, sources),
        ]),
        ...named.flatMap((service) => nameWarnings(service, named, ['services', service.name], sources)),
        ...sharedFileWarnings(Object.entries(services).flatMap(filesOf), sources),
      ]
    },
    build: (parsed, serviceNames, fingerprints) => buildConfig(parsed, serviceNames, { checkTypes, fingerprints }),
  }
}

/** Made for each reading: as long as nothing is read, nothing of it takes memory, which would be more than nerve's own. */
const ownDialect = (): ConfigDialect<ParsedConfig, NerveConfig> => {
  const plain = dialectWith(checkRegistry)
  return {
    ...plain,
    async extend(found) {
      const sources = withYaml11Flags(found, [['services', '*', 'labels']])
      const modules = await loadCheckModules(sources, checkRegistry)
      if (modules === undefined) return { dialect: plain, sources }
      return { dialect: dialectWith(modules.checkTypes), sources: modules.sources }
    },
  }
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
    const { blablacarDialect } = await import('./blablacar/dialect.ts') // no other file needs it
    return loadConfig(blablacarDialect(instanceId ?? environment['HOSTNAME'] ?? 'nerve', readOptions), options)
  }
  return loadConfig(ownDialect(), {
    ...options,
    overrides: instanceId === undefined ? {} : { instance_id: instanceId },
  })
}

/** The options of a check or reporter that another dialect was translated to. */
const readOptions: ReadOptions = (kind, { type, options }) => {
  const plugin = kind === 'check' ? checkRegistry.get(type) : reporterRegistry.get(type)
  const result = plugin.options.safeExtend({}).strict().safeParse(options, { error: phrase })
  if (result.success) return { ok: true, value: result.data }
  const mistakes = result.error.issues.map(({ path, message }) => ({
    path: path.map((step) => (typeof step === 'number' ? step : String(step))),
    message,
  }))
  return { ok: false, mistakes }
}

/** What building the model takes beside what was parsed. */
interface Surroundings {
  readonly checkTypes: Registry<CheckType>
  readonly fingerprints: Fingerprints
}

function buildConfig(parsed: ParsedConfig, serviceNames: readonly string[], around: Surroundings): NerveConfig {
  return {
    instanceId: parsed.instance_id,
    services: serviceNames.flatMap((name) => {
      const service = parsed.services[name] as ParsedService
      return copyNames(name, service.load_test_concurrency).map((copy) => buildService(copy, service, around))
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

function buildService(name: string, parsed: ParsedService, around: Surroundings): ServiceConfig {
  const { fingerprints } = around
  const checks = parsed.checks as readonly ParsedCheck[]
  return {
    name,
    host: parsed.host,
    port: Number(parsed.port),
    publishedPort: parsed.port,
    publishedName: parsed.published_name,
    checkIntervalMs: parsed.check_interval,
    checkMocked: parsed.check_mocked,
    checks: checks.map((check) => buildCheck(name, parsed, check, around)),
    rateLimiting: parsed.rate_limiting,
    haproxyServerOptions: parsed.haproxy_server_options as Json | undefined,
    labels: parsed.labels as Readonly<Record<string, Json>> | undefined,
    reporters: reportersOf(parsed).map(({ type, ...keys }) => buildReporter(type, keys, fingerprints)),
    ...availabilityOf(parsed),
    goNerveMetrics: parsed.go_nerve_metrics,
  }
}

function filesOf([service, parsed]: readonly [string, ParsedService]): readonly ConfiguredFile[] {
  const own = { keys: { ...parsed, type: parsed.reporter_type }, at: ['services', service, 'path'] }
  const listed = parsed.reporters.map((keys, index) => ({
    keys,
    at: ['services', service, 'reporters', index, 'path'],
  }))
  return [own, ...listed].flatMap(({ keys, at }) => {
    if (keys.type !== file.type) return []
    const { path, append } = optionsOf(file, keys)
    return [{ service, path: String(path), append: append === true, at }]
  })
}

/** With others in the list, `reporter_type: noop` is none: it would call the service registered when no other has done it. */
function reportersOf(service: ParsedService): readonly ParsedReporter[] {
  const { reporter_type: type = zookeeper.type, reporters } = service
  return type === noop.type && reporters.length > 0 ? reporters : [{ ...service, type }, ...reporters]
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
  { checkTypes, fingerprints }: Surroundings,
): CheckConfig {
  const { type, host = service.host, port = Number(service.port) } = check
  const checkType = checkTypes.get(type)
  const options = optionsOf(checkType, check)
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
    ...(checkRegistry.has(type) ? {} : { prepare: checkType.prepare }),
  }
}

/** Airbnb's names, which dashboards know: `web tcp-10.0.0.1:80`, and `http-10.0.0.1:80/health` (reference airbnb.md 2.5). */
function checkName(service: string, type: string, address: string, uri: unknown): string {
  return type === 'http' && typeof uri === 'string' ? `http-${address}${uri}` : `${service} ${type}-${address}`
}
