import type { Environment } from '../../core/config/environment.ts'
import type { ConfigDialect } from '../../core/config/load.ts'
import type { Problem } from '../../core/config/problems.ts'
import { isMap, problemAt, type Sources } from '../../core/config/sources.ts'
import { parseTemplatedFile } from '../../core/config/templated-file.ts'
import { messageOf } from '../../core/errors.ts'
import { withLabelsAsWritten } from '../label-text.ts'
import type { NerveConfig } from '../model.ts'
import { MIN_INTERVALS } from '../warm-up.ts'
import { translateCheck, translateReporter } from './plug-ins.ts'
import { type BlablacarConfig, type BlablacarService, blablacarSchema } from './schema.ts'
import { type ReadOptions, serviceNameOf, translate } from './translate.ts'

/** A top-level key that only our own files have: there, a list of services is a slip. */
const OUR_KEY = 'instance_id'
const STARTS_WITH_OUR_KEY = /^(?:---\s|\s|#.*\n)*instance_id[ \t]*:/
/** What a `datasource` may refer to: BlaBlaCar's nerve took it for variables of the environment, unless it was escaped twice. */
const DATASOURCE_FIELDS = ['Host', 'Password', 'Port', 'TimeoutInMilli', 'Username', 'Vhost']
/** Top-level keys that only BlaBlaCar's nerve has. */
const OWN_KEYS = ['apiHost', 'apiPort', 'logLevel', 'templatedConfigPath']

/** A list of services, in a text that cannot be understood. */
const LIST_OF_SERVICES = /^\s*"?services"?\s*:\s*(?:#.*\s*)*(?:-\s|\[)/im

/**
 * Whether a file is one of BlaBlaCar's nerve: its services are a list, where ours are a map. Without any services, the
 * keys beside them tell.
 */
export function isBlablacar(file: string, text: string, environment: Environment): boolean {
  if (STARTS_WITH_OUR_KEY.test(text)) return false // a large file of ours need not be parsed to know it
  const { value } = parseTemplatedFile(file, text, lenient(environment))
  if (value === undefined) return LIST_OF_SERVICES.test(text) && !text.includes(OUR_KEY)
  if (!isMap(value) || Object.hasOwn(value, OUR_KEY)) return false
  const keyLike = (wanted: string) =>
    Object.keys(value).find((key) => key.toLowerCase() === wanted.toLowerCase()) ?? wanted
  const services = value[keyLike('services')]
  if (services !== undefined && services !== null) return Array.isArray(services)
  return OWN_KEYS.some((key) => Object.hasOwn(value, keyLike(key)))
}

/** For a first look: a missing variable is told later, and must not hide what kind of file it is. */
function lenient(environment: Environment): Environment {
  return new Proxy(environment, {
    get: (target, name) => (typeof name === 'string' ? (target[name] ?? '') : undefined),
  })
}

/** BlaBlaCar's files. `instanceId` names this nerve on its status page. */
export function blablacarDialect(instanceId: string, read: ReadOptions): ConfigDialect<BlablacarConfig, NerveConfig> {
  const dialect: ConfigDialect<BlablacarConfig, NerveConfig> = {
    schema: blablacarSchema,
    anyCase: true,
    extensions: [],
    parse: (file, text, environment) => parseTemplatedFile(file, text, environment, DATASOURCE_FIELDS),
    check: (parsed, sources) => findProblems(parsed, sources, read),
    build: (parsed) => translate(parsed, instanceId, read),
  }
  return {
    ...dialect,
    extend: async (sources) => ({ dialect, sources: { ...sources, value: withLabelsAsWritten(sources) } }),
  }
}

function findProblems({ services }: BlablacarConfig, sources: Sources, read: ReadOptions): readonly Problem[] {
  const names = services.map(serviceNameOf)
  return services.flatMap((service, index) => {
    const first = names.indexOf(serviceNameOf(service))
    const twice = `the name ${serviceNameOf(service)} is taken by services[${first}]; a name must be unique`
    return [
      ...(first === index ? [] : [problemAt(sources, ['services', index, 'name'], twice)]),
      ...warmUpProblems(service, index, sources),
      ...pluginProblems(service, index, sources, read),
      ...silentDefaults(service, index, sources),
    ]
  })
}

function warmUpProblems(service: BlablacarService, index: number, sources: Sources): readonly Problem[] {
  const { enableWarmupMaxDurationInMilli: maxMs, enableWarmupIntervalInMilli: intervalMs } = service
  if (maxMs === 0 || maxMs >= MIN_INTERVALS * intervalMs) return []
  const message = `found ${maxMs}, expected at least ${MIN_INTERVALS} times enableWarmupIntervalInMilli: ${MIN_INTERVALS * intervalMs}`
  return [problemAt(sources, ['services', index, 'enableWarmupMaxDurationInMilli'], message)]
}

/** What the options of our own checks and reporters forbid and theirs did not say. */
function pluginProblems(
  { checks, reporters }: BlablacarService,
  index: number,
  sources: Sources,
  read: ReadOptions,
): readonly Problem[] {
  const attempt = (path: readonly (string | number)[], use: () => unknown): readonly Problem[] => {
    try {
      use()
      return []
    } catch (error) {
      return [problemAt(sources, ['services', index, ...path], messageOf(error))]
    }
  }
  return [
    ...checks.flatMap((check, at) => attempt(['checks', at], () => read('check', translateCheck(check)))),
    ...reporters.flatMap((reporter, at) =>
      attempt(['reporters', at], () => read('reporter', translateReporter(reporter))),
    ),
  ]
}

function silentDefaults({ checks, reporters }: BlablacarService, index: number, sources: Sources): readonly Problem[] {
  const warn = (message: string) => problemAt(sources, ['services', index], message, { severity: 'warning' })
  return [
    ...(checks.length > 0 ? [] : [warn('no checks: the port is checked with a tcp check')]),
    ...(reporters.length > 0 ? [] : [warn('no reporters: the service is only printed, not registered anywhere')]),
  ]
}
