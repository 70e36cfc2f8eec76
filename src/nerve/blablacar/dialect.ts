import type { ConfigDialect } from '../../core/config/load.ts'
import type { Problem } from '../../core/config/problems.ts'
import { problemAt, type Sources } from '../../core/config/sources.ts'
import { parseTemplatedFile } from '../../core/config/templated-file.ts'
import { type ConfiguredFile, sharedFileWarnings } from '../file-warnings.ts'
import { withLabelsAsWritten } from '../label-text.ts'
import type { NerveConfig } from '../model.ts'
import { nameWarnings, publishedNameWarnings } from '../service-names.ts'
import { MIN_INTERVALS } from '../warm-up.ts'
import { type Translated, translateCheck, translateReporter } from './plug-ins.ts'
import { type BlablacarConfig, type BlablacarService, blablacarSchema } from './schema.ts'
import { publishedNameOf, type ReadOptions, serviceNameOf, translate } from './translate.ts'

/** What a `datasource` may refer to: BlaBlaCar's nerve took it for variables of the environment, unless it was escaped twice. */
const DATASOURCE_FIELDS = ['Host', 'Password', 'Port', 'TimeoutInMilli', 'Username', 'Vhost']

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
  const named = services.map((service) => ({ name: serviceNameOf(service), port: service.port }))
  const ofServices = services.flatMap((service, index) => {
    const name = serviceNameOf(service)
    const first = named.findIndex((one) => one.name === name)
    const twice = `the name ${name} is taken by services[${first}]; a name must be unique`
    return [
      ...(first === index ? [] : [problemAt(sources, ['services', index, 'name'], twice)]),
      ...nameWarnings({ name, port: service.port }, named, ['services', index, 'name'], sources),
      ...publishedNameProblems(service, index, sources),
      ...warmUpProblems(service, index, sources),
      ...pluginProblems(service, index, sources, read),
      ...silentDefaults(service, index, sources),
    ]
  })
  return [...ofServices, ...sharedFileWarnings(services.flatMap(filesOf), sources)]
}

function filesOf(service: BlablacarService, index: number): readonly ConfiguredFile[] {
  return service.reporters.flatMap((reporter, at) => {
    if (reporter.type !== 'file') return []
    const { path, append } = reporter
    return [{ service: serviceNameOf(service), path, append, at: ['services', index, 'reporters', at] }]
  })
}

/** Of what goes to a registry that synapse may read. */
function publishedNameProblems(service: BlablacarService, index: number, sources: Sources): readonly Problem[] {
  if (!service.reporters.some(({ type }) => type === 'zookeeper')) return []
  const key = service.reporterServiceName ? 'reporterServiceName' : 'name'
  return publishedNameWarnings(publishedNameOf(service), ['services', index, key], sources)
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
  const mistakesOf = (kind: 'check' | 'reporter', plugin: Translated, at: number): readonly Problem[] => {
    const reading = read(kind, plugin)
    if (reading.ok) return []
    return reading.mistakes.map(({ path: [key = '', ...inside], message }) => {
      const path = ['services', index, `${kind}s`, at, theirWords(String(key), plugin), ...inside]
      return problemAt(sources, path, theirWords(message, plugin))
    })
  }
  return [
    ...checks.flatMap((check, at) => mistakesOf('check', translateCheck(check), at)),
    ...reporters.flatMap((reporter, at) => mistakesOf('reporter', translateReporter(reporter), at)),
  ]
}

/** A text with the keys of BlaBlaCar's file in place of our own. */
const theirWords = (text: string, { theirKeys = {} }: Translated): string =>
  text.replace(/\w+/g, (word) => theirKeys[word] ?? word)

function silentDefaults({ checks, reporters }: BlablacarService, index: number, sources: Sources): readonly Problem[] {
  const warn = (message: string) => problemAt(sources, ['services', index], message, { severity: 'warning' })
  return [
    ...(checks.length > 0 ? [] : [warn('no checks: the port is checked with a tcp check')]),
    ...(reporters.length > 0 ? [] : [warn('no reporters: the service is only printed, not registered anywhere')]),
  ]
}
