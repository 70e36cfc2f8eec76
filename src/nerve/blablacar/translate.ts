import type { ConfigPath } from '../../core/config/problems.ts'
import type { CheckConfig, HooksConfig, NerveConfig, PluginConfig, ServiceConfig } from '../model.ts'
import { DEFAULT_INTERVALS } from '../warm-up.ts'
import { type Translated, translateCheck, translateReporter } from './plug-ins.ts'
import type { BlablacarCheck, BlablacarConfig, BlablacarService } from './schema.ts'

/** Reads the options of a plug-in of ours, with its defaults. */
export type ReadOptions = (kind: 'check' | 'reporter', plugin: Translated) => OptionsReading

/** What was read, or what the options forbid, by our own keys. */
export type OptionsReading =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly mistakes: readonly { readonly path: ConfigPath; readonly message: string }[] }

/** The top-level keys that people are told of while nerve runs. */
const KEY_NAMES = { 'admin.host': 'apiHost', 'admin.port': 'apiPort', state_directory: 'stateDirectory' }

/** BlaBlaCar's configuration in the words of our own model. @throws RangeError for options that `read` refuses: look for them first. */
export function translate(parsed: BlablacarConfig, instanceId: string, readOptions: ReadOptions): NerveConfig {
  const read: ReadGoodOptions = (kind, plugin) => {
    const reading = readOptions(kind, plugin)
    if (!reading.ok) throw new RangeError(reading.mistakes.map(({ message }) => message).join('; '))
    return reading.value
  }
  const { apiHost, apiPort, apiToken, logLevel, stateDirectory } = parsed
  return {
    instanceId,
    services: parsed.services.map((service) => translateService(service, read)),
    admin: { host: apiHost, port: apiPort, ...(apiToken === undefined ? {} : { token: apiToken }) },
    logLevel,
    drainMs: 0,
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
    keyNames: KEY_NAMES,
  }
}

type ReadGoodOptions = (...args: Parameters<ReadOptions>) => Readonly<Record<string, unknown>>

/** What a service is called: in the API, in metrics and in the name of its znode. */
export const serviceNameOf = ({ name, host, port }: BlablacarService): string => name || `${host}:${port}`

/** What it is called in its payload. */
export const publishedNameOf = (service: BlablacarService): string =>
  service.reporterServiceName || serviceNameOf(service)

/** With neither checks nor reporters given, BlaBlaCar's nerve connects to the port and prints. */
export const DEFAULT_CHECK: BlablacarCheck = {
  type: 'tcp',
  port: undefined,
  timeoutInMilli: 1000,
  rise: 3,
  fall: 2,
  checkIntervalInMilli: 1000,
}

function translateService(service: BlablacarService, read: ReadGoodOptions): ServiceConfig {
  const { host, port, checks, reporters, haproxyServerOptions } = service
  const name = serviceNameOf(service)
  const toPlugin = (plugin: Translated): PluginConfig => ({ type: plugin.type, options: read('reporter', plugin) })
  const usedChecks = checks.length === 0 ? [DEFAULT_CHECK] : checks
  const usedReporters = reporters.length === 0 ? [{ type: 'console' as const }] : reporters
  return {
    name,
    host,
    port,
    publishedPort: port,
    publishedName: publishedNameOf(service),
    checkIntervalMs: usedChecks[0]?.checkIntervalInMilli ?? DEFAULT_CHECK.checkIntervalInMilli,
    checkMocked: false,
    checks: usedChecks.map((check) => buildCheck(name, service, check, read)),
    weight: service.weight,
    haproxyServerOptions: haproxyServerOptions === '' ? undefined : haproxyServerOptions,
    labels: Object.keys(service.labels).length === 0 ? undefined : service.labels,
    reporters: usedReporters.map((reporter) => toPlugin(translateReporter(reporter))),
    publishAvailability: true,
    warmUp: warmUpOf(service),
    hooks: hooksOf(service),
    drain: { minMs: service.disableMinDurationInMilli, maxMs: service.disableMaxDurationInMilli },
    downOnShutdown: service.setServiceAsDownOnShutdown,
    excludeFromGlobalDisable: service.excludeFromGlobalDisable,
    goNerveMetrics: !service.noMetrics,
  }
}

function buildCheck(
  serviceName: string,
  service: BlablacarService,
  check: BlablacarCheck,
  read: ReadGoodOptions,
): CheckConfig {
  const translated = translateCheck(check)
  const options = read('check', translated)
  // A check that knows where it goes by itself says so in its options.
  const host = ownTarget(options['host']) ?? translated.host ?? service.host
  const port = ownTarget(options['port']) ?? translated.port ?? service.port
  const { declared } = translated
  return {
    type: translated.type,
    name: `${serviceName} ${check.type}-${host}:${port}`,
    host: String(host),
    port: Number(port),
    timeoutMs: check.timeoutInMilli,
    deadlineMs: check.timeoutInMilli,
    intervalMs: check.checkIntervalInMilli,
    rise: check.rise,
    fall: check.fall,
    firstVerdict: 'full-streak',
    alias: check.type,
    ...(declared === undefined
      ? {}
      : { declaredTarget: { host: declared.host ?? service.host, port: declared.port ?? service.port } }),
    options,
  }
}

const ownTarget = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? value : undefined)

function warmUpOf(service: BlablacarService): NonNullable<ServiceConfig['warmUp']> {
  const { enableWarmupIntervalInMilli: intervalMs, enableWarmupMaxDurationInMilli, enableCheckStableCommand } = service
  return {
    intervalMs,
    maxDurationMs: enableWarmupMaxDurationInMilli || DEFAULT_INTERVALS * intervalMs,
    stableCommand:
      enableCheckStableCommand === undefined
        ? undefined
        : {
            command: enableCheckStableCommand,
            timeoutMs: service.enableCheckStableMaxDurationInMilli,
            intervalMs: service.enableCheckStableIntervalInMilli,
          },
  }
}

function hooksOf(service: BlablacarService): HooksConfig {
  const { preAvailableCommand, disableShutdownCommand, disableGracefullyDoneCommand } = service
  const command = (argv: readonly string[] | undefined, timeoutMs: number) =>
    argv === undefined ? undefined : { command: argv, timeoutMs }
  const graceMs = service.disableGracefullyDoneIntervalInMilli
  const drained = command(disableGracefullyDoneCommand, graceMs)
  return {
    beforeAvailable: command(preAvailableCommand, service.preAvailableMaxDurationInMilli),
    shutdown: command(disableShutdownCommand, service.disableShutdownMaxDurationInMilli),
    drained: drained === undefined ? undefined : { ...drained, intervalMs: graceMs },
  }
}
