import * as z from 'zod'
import {
  type AdminConfig,
  admin,
  copyNames,
  copyProblems,
  loadTestConcurrency,
  logLevel,
  type StatsdConfig,
  serviceConfDir,
  services,
  statsd,
} from '../core/config/daemon-keys.ts'
import { type Fingerprints, inputsOf } from '../core/config/input-files.ts'
import { type ConfigDialect, type Loaded, type LoadOptions, loadConfig } from '../core/config/load.ts'
import { optionsOf, pluginSchema } from '../core/config/plugin-options.ts'
import type { Problem } from '../core/config/problems.ts'
import { durationMs, port, positiveDurationMs, text, wholeNumber } from '../core/config/schema.ts'
import { problemAt, type Sources } from '../core/config/sources.ts'
import { withYaml11Flags } from '../core/config/yaml-flags.ts'
import { Registry } from '../core/registry.ts'
import type { Json, ServiceInstance } from '../core/service-instance.ts'
import type { BackendsPolicy, LabelFilter } from './backends.ts'
import type { GeneratorType } from './generators/generator.ts'
import * as generatorTypes from './generators/index.ts'
import type { PanicPolicy } from './panic-hold.ts'
import * as watcherTypes from './watchers/index.ts'
import type { WatcherType } from './watchers/watcher.ts'

/** synapse's configuration: Airbnb's keys and meanings, extended (reference airbnb.md 3.2 to 3.8). */
export interface SynapseConfig {
  /** In the order of the files, which is the order of the sections in haproxy.cfg. */
  readonly services: readonly SynapseServiceConfig[]
  /** At least one. */
  readonly generators: readonly GeneratorConfig[]
  readonly admin: AdminConfig
  readonly logLevel: z.output<ReturnType<typeof logLevel>>
  /** For the last known instances. */
  readonly stateDirectory: string
  readonly statsd?: StatsdConfig | undefined
}

export interface SynapseServiceConfig extends BackendsPolicy {
  readonly name: string
  readonly panic: PanicPolicy
  readonly discovery: DiscoveryConfig
  /** Generator to the service's validated options for it; one entry per configured generator. */
  readonly generators: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** How instances are found: the watcher's type, its validated options, and fingerprints of the files these refer to. */
export interface DiscoveryConfig {
  readonly method: string
  readonly options: Readonly<Record<string, unknown>>
  readonly inputs?: Readonly<Record<string, string>>
}

export interface GeneratorConfig {
  readonly type: string
  readonly options: Readonly<Record<string, unknown>>
  /** File to fingerprint, e.g. of the template, so that an edited template is a changed configuration. */
  readonly inputs?: Readonly<Record<string, string>>
}

const watcherRegistry = new Registry<WatcherType>('discovery method', watcherTypes)
const generatorRegistry = new Registry<GeneratorType>('generator', generatorTypes)

const labelFilter = z
  .strictObject({
    label: text.describe('Name of the label.'),
    value: z.json().describe('The value to compare with.'),
    condition: z
      .enum(['equals', 'not-equals'])
      .default('equals')
      .describe('Which instances to keep; a missing label is not the value. Default: equals.'),
  })
  .transform((filter): LabelFilter => ({ ...filter, value: filter.value as Json }))

const discoveryKeys = {
  label_filters: z.array(labelFilter).default([]).describe('Keep the instances that pass all of these. Default: none.'),
  label_filter: labelFilter.optional().meta({ deprecated: true, description: 'Old way to give one of label_filters.' }),
}

const defaultServer = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_.:-]{1,255}$/, 'expected letters, digits and _ . : -')
      .default('')
      .describe('First part of the server name in HAProxy. Default: none.'),
    host: z.string().regex(/^[^\s/]+$/, 'expected a host name or address'),
    port,
    weight: wholeNumber.optional().describe('Default: none.'),
    labels: z.record(z.string(), z.json()).optional().describe('For label filters. Default: none.'),
    haproxy_server_options: z.string().optional().describe('Further options of the server line. Default: none.'),
    haproxy_server_id: wholeNumber
      .optional()
      .describe("HAProxy's numeric id of the server. Default: made from the instance."),
    id: wholeNumber.optional().describe('Rank in leader_election, where the smallest leads. Default: none.'),
  })
  .transform(
    (server): ServiceInstance => ({
      name: server.name,
      host: server.host,
      port: server.port,
      ...(server.weight === undefined ? {} : { weight: server.weight }),
      ...(server.haproxy_server_options ? { haproxyServerOptions: server.haproxy_server_options } : {}),
      ...(server.haproxy_server_id === undefined ? {} : { haproxyServerId: server.haproxy_server_id }),
      ...(server.labels === undefined ? {} : { labels: server.labels as Readonly<Record<string, Json>> }),
      ...(server.id === undefined ? {} : { sequence: server.id }),
    }),
  )

const serviceKeys = {
  discovery: pluginSchema(watcherRegistry, { key: 'method', common: discoveryKeys }).describe(
    'How the instances are found.',
  ),
  default_servers: z
    .array(defaultServer)
    .default([])
    .describe('Instances to use until the first are found, and whenever none are. Default: none.'),
  keep_default_servers: z
    .boolean()
    .default(false)
    .describe('Use the default servers beside those that are found. Default: false.'),
  use_previous_backends: z
    .boolean()
    .default(true)
    .describe('Keep the last instances when discovery says that there are none. Default: true.'),
  backend_port_override: port.optional().describe('Port of every instance, whatever it registered. Default: its own.'),
  leader_election: z.boolean().default(false).describe('Use only the instance that registered first. Default: false.'),
  panic_threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(
      'Keep vanished instances for a while when more than this share of them, and more than two, vanish at once: the registry is then to be doubted, and health checks of the proxy decide. Only where server_options say `check`. 1: never. Default: 0.5.',
    ),
  panic_window: positiveDurationMs.prefault(30).describe('What counts as at once. Default: 30 s.'),
  panic_hold: durationMs
    .prefault(300)
    .describe('How long vanished instances are kept at the most; after that the registry is believed. Default: 5 min.'),
  load_test_concurrency: loadTestConcurrency(),
}

const service = z.strictObject({
  ...serviceKeys,
  ...generatorKeys(({ serviceOptions, description }) => serviceOptions.strict().prefault({}).describe(description)),
})

/** What synapse.yaml may say. */
export const synapseSchema = z.strictObject({
  services: services(service),
  service_conf_dir: serviceConfDir(),
  ...generatorKeys(({ options, description }) => options.strict().optional().describe(description)),
  admin: admin(3210),
  log_level: logLevel(),
  state_directory: text
    .default('/var/lib/synapse')
    .describe(
      'Where the last known instances are kept, so that a synapse that starts while ZooKeeper is away serves what it served before. Default: /var/lib/synapse.',
    ),
  statsd: statsd(),
})

function generatorKeys(schema: (type: GeneratorType) => z.ZodType): Record<string, z.ZodType> {
  return Object.fromEntries(generatorRegistry.all().map((type) => [type.type, schema(type)]))
}

type GeneratorOptions = Readonly<Record<string, unknown>>
type ParsedService = z.output<z.ZodObject<typeof serviceKeys>> & {
  readonly discovery: z.output<z.ZodObject<typeof discoveryKeys>> & { readonly method: string }
}

interface Parsed {
  readonly services: Readonly<Record<string, ParsedService>>
  readonly admin: AdminConfig
  readonly log_level: z.output<ReturnType<typeof logLevel>>
  readonly state_directory: string
  readonly statsd?: StatsdConfig | undefined
}

const dialect: ConfigDialect<Parsed, SynapseConfig> = {
  // The generators' keys are only known at run time.
  schema: synapseSchema as unknown as z.ZodType<Parsed>,
  // Airbnb's synapse reads the YAML files last, so they win (reference airbnb.md 3.2).
  extensions: ['.json', '.yml', '.yaml'],
  check: checkConfig,
  build: buildConfig,
}

/** Where labels are, and what they are compared with: what a file says must be what nerve publishes of the same words. */
const LABELS = [
  ['services', '*', 'discovery', 'label_filters', '*', 'value'],
  ['services', '*', 'discovery', 'label_filter', 'value'],
  ['services', '*', 'default_servers', '*', 'labels'],
]

/**
 * Reads and checks synapse's configuration.
 * @throws ConfigError with all problems of all files.
 */
export function loadSynapseConfig(options: Omit<LoadOptions, 'overrides'>): Promise<Loaded<SynapseConfig>> {
  const extend = async (sources: Sources) => ({ dialect, sources: withYaml11Flags(sources, LABELS) })
  return loadConfig({ ...dialect, extend }, options)
}

const configured = (parsed: Parsed): readonly GeneratorType[] =>
  generatorRegistry.all().filter(({ type }) => generatorPart(parsed, type) !== undefined)

/** The part of a generator, at the top level or in a service. */
const generatorPart = (parsed: Parsed | ParsedService, type: string) =>
  (parsed as unknown as Readonly<Record<string, GeneratorOptions | undefined>>)[type]

function checkConfig(parsed: Parsed, sources: Sources): readonly Problem[] {
  const names = sources.serviceNames.filter((name) => Object.hasOwn(parsed.services, name))
  const generators = configured(parsed)
  return [
    ...(generators.length === 0 ? [noGenerator(sources)] : []),
    ...copyProblems(parsed.services, sources),
    ...names.flatMap((name) => deprecations(name, parsed.services[name], sources)),
    ...generators.flatMap((generator) => checkGenerator(generator, parsed, names, sources)),
  ]
}

function noGenerator(sources: Sources): Problem {
  const known = generatorRegistry.types().join(' or ')
  return problemAt(sources, [], `no generator, so nothing would use what is discovered; add the key ${known}`)
}

function deprecations(name: string, service: ParsedService | undefined, sources: Sources): readonly Problem[] {
  if (service?.discovery.label_filter === undefined) return []
  const path = ['services', name, 'discovery', 'label_filter']
  return [problemAt(sources, path, 'old; label_filters takes a list', { severity: 'warning', atKey: true })]
}

function checkGenerator(
  generator: GeneratorType,
  parsed: Parsed,
  names: readonly string[],
  sources: Sources,
): readonly Problem[] {
  const { type } = generator
  const all = names.flatMap((name) => {
    const service = parsed.services[name]
    return service === undefined ? [] : [{ name, options: generatorPart(service, type) }]
  })
  const problems = generator.check?.(generatorPart(parsed, type), all) ?? []
  return problems.map(({ service, path, message }) => problemAt(sources, ['services', service, type, ...path], message))
}

function buildConfig(parsed: Parsed, serviceNames: readonly string[], fingerprints: Fingerprints): SynapseConfig {
  const generators = configured(parsed)
  return {
    services: serviceNames.flatMap((name) => {
      const service = parsed.services[name]
      if (service === undefined) return []
      const config = buildService(parsed, service, generators, fingerprints)
      return copyNames(name, service.load_test_concurrency).map((copy) => ({ name: copy, ...config }))
    }),
    generators: generators.map(({ type }) => {
      const options = generatorPart(parsed, type) ?? {}
      return { type, options, ...inputsOf(options, fingerprints) }
    }),
    admin: parsed.admin,
    logLevel: parsed.log_level,
    stateDirectory: parsed.state_directory,
    statsd: parsed.statsd,
  }
}

function buildService(
  parsed: Parsed,
  service: ParsedService,
  generators: readonly GeneratorType[],
  fingerprints: Fingerprints,
): Omit<SynapseServiceConfig, 'name'> {
  const { method, label_filters: filters, label_filter: filter } = service.discovery
  const options = optionsOf(watcherRegistry.get(method), service.discovery)
  // Airbnb's older place for the port, which counts when the newer one is not given (reference airbnb.md 3.4).
  const oldPort = generatorPart(service, 'haproxy')?.['server_port_override']
  return {
    discovery: { method, options, ...inputsOf(options, fingerprints) },
    labelFilters: filter === undefined ? filters : [...filters, filter],
    defaultServers: service.default_servers,
    keepDefaultServers: service.keep_default_servers,
    usePreviousBackends: service.use_previous_backends,
    backendPortOverride: service.backend_port_override ?? (typeof oldPort === 'number' ? oldPort : undefined),
    leaderElection: service.leader_election,
    panic: {
      threshold: findsDeadInstances(parsed, service, generators) ? service.panic_threshold : 1,
      windowMs: service.panic_window,
      holdMs: service.panic_hold,
    },
    generators: Object.fromEntries(generators.map(({ type }) => [type, generatorPart(service, type) ?? {}])),
  }
}

/** Instances may only be kept against the word of the registry where something else finds the dead ones. */
function findsDeadInstances(parsed: Parsed, service: ParsedService, generators: readonly GeneratorType[]): boolean {
  return generators.every(
    (type) =>
      type.findsDeadInstances?.(generatorPart(parsed, type.type) ?? {}, generatorPart(service, type.type) ?? {}) ??
      false,
  )
}
