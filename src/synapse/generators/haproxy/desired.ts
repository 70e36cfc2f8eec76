import type { Backends } from '../../backends.ts'
import type { GeneratorService } from '../generator.ts'
import type { Capabilities } from './capabilities.ts'
import { checkServices } from './check-services.ts'
import type { HaproxyOptions, HaproxyServiceOptions } from './config.ts'
import type { FileText } from './file-text.ts'
import { defaultsLines, globalLines, idleClose } from './global-lines.ts'
import { splitLines } from './keywords.ts'
import { fill, type Layout, layOut, withoutServers } from './layout.ts'
import type { DesiredState, ObservedServer } from './model.ts'
import type { ConfigTemplate, ConfigView, ServiceView } from './render.ts'
import { sectionsOf } from './sections.ts'
import { shorten } from './server-options.ts'
import { type BuiltService, buildService, type ServerCache, type ServiceResult, type Warning } from './service.ts'

export type { BuiltService, Warning } from './service.ts'

const NO_LINES = Buffer.alloc(0)

export interface DesiredInput {
  readonly options: HaproxyOptions
  /** In configuration order. */
  readonly services: readonly GeneratorService<HaproxyServiceOptions>[]
  readonly capabilities: Capabilities
  readonly template: ConfigTemplate
  /** The servers in HAProxy now, so that no id in use is given again. Default: none. */
  readonly running?: ReadonlyMap<string, readonly ObservedServer[]>
  /** Used when the configuration has no `server_order_seed`. Default: 0. */
  readonly orderSeed?: number
  /** Spares the work for services that did not change since the last call with it. Never changes the result. */
  readonly cache?: DesiredCache
}

export interface Desired {
  readonly state: DesiredState
  /** Where in the file the servers stand; undefined when only the template knows. */
  readonly layout: Layout | undefined
  readonly services: readonly BuiltService[]
  readonly warnings: readonly Warning[]
}

/**
 * Works out what HAProxy shall be. A service that cannot be built is left out with a warning; the others go on.
 * @throws SmartStackError HAPROXY_CONFIG when the template cannot be filled.
 */
export function buildDesired(input: DesiredInput): Desired {
  const { template } = input
  const { built, view, warnings } = buildAll(input)
  const views = built.map((service) => service.view)
  const layout = layOut(template, view, views)
  let text: string | undefined
  const state = {
    /** Made when somebody asks for it. */
    get configText() {
      text ??= layout === undefined ? template(view(views)) : fillWith(layout, built).toString()
      return text
    },
    structure: sectionsOf(layout?.frame ?? template(view(views.map(withoutServers)))),
    backends: new Map(built.map(({ backend }) => [backend.name, backend])),
  }
  return { state, layout, services: built, warnings }
}

function fillWith(layout: Layout, services: readonly BuiltService[]): FileText {
  const byName = new Map(services.map((service) => [service.view.name, service]))
  return fill(layout, (service) => byName.get(service)?.serverLines ?? NO_LINES)
}

/** The services alone: for those of which nothing but servers changed. */
export function buildServices(input: Omit<DesiredInput, 'template'>): Pick<Desired, 'services' | 'warnings'> {
  const { built, warnings } = buildAll(input)
  return { services: built, warnings }
}

/** The text of the file alone. @throws SmartStackError HAPROXY_CONFIG when the template cannot be filled. */
export function renderDesired(input: DesiredInput): string {
  const { built, view } = buildAll(input)
  return input.template(view(built.map((service) => service.view)))
}

function buildAll(input: Omit<DesiredInput, 'template'>) {
  const { options } = input
  const warnings: Warning[] = []
  const clashes = new Map(checkServices(options, input.services).map(({ service, message }) => [service, message]))
  const built: BuiltService[] = []
  for (const service of input.services) {
    if (service.options.disabled) continue
    const clash = clashes.get(service.name)
    const result: ServiceResult = clash === undefined ? cachedService(service, input) : { ok: false, reason: clash }
    if (result.ok) {
      built.push(result)
      for (const warning of result.warnings) warnings.push(warning)
    } else warnings.push({ service: service.name, kind: 'service', message: `left out of HAProxy: ${result.reason}` })
  }
  const shared = sharedFrontend(options, built, warnings)
  const view = (services: readonly ServiceView[]): ConfigView => ({
    global: globalLines(options),
    defaults: defaultsLines(options),
    sections: Object.entries(options.extra_sections).map(([header, lines]) => ({ header, lines })),
    services,
    sharedFrontend: shared,
  })
  return { built, view, warnings }
}

/** What was built from these backends, and from what else; and the servers of each service. */
export interface DesiredCache {
  readonly services: WeakMap<Backends, CacheEntry>
  readonly servers: ServerCache
}

interface CacheEntry {
  /** Compared by identity. */
  readonly madeFrom: readonly unknown[]
  readonly result: BuiltService
  /** Made when they are asked for. */
  ids?: ServerIds
}

interface ServerIds {
  readonly names: ReadonlyMap<number, string>
  readonly ids: ReadonlyMap<string, number>
}

export function createDesiredCache(): DesiredCache {
  return { services: new WeakMap(), servers: new WeakMap() }
}

function cachedService(
  service: GeneratorService<HaproxyServiceOptions>,
  input: Omit<DesiredInput, 'template'>,
): ServiceResult {
  const { options, capabilities, cache, orderSeed = 0 } = input
  const running = input.running?.get(service.options.backend_name ?? service.name) ?? []
  const madeFrom = [service.name, service.options, options, capabilities.version, orderSeed]
  const entry = cache?.services.get(service.backends)
  if (entry?.madeFrom.every((part, index) => part === madeFrom[index]) && idsHold(entry, running)) return entry.result
  const result = buildService({ options, service, capabilities, running, orderSeed, cache: cache?.servers })
  if (result.ok) cache?.services.set(service.backends, { madeFrom, result })
  return result
}

/** Whether the ids would be given in the same way again: they neither meet those in HAProxy nor differ from them. */
function idsHold(entry: CacheEntry, running: readonly ObservedServer[]): boolean {
  entry.ids ??= idsOf(entry.result)
  const { ids, names } = entry.ids
  return running.every(({ name, id }) => (ids.get(name) ?? id) === id && (names.get(id) ?? name) === name)
}

function idsOf({ backend }: BuiltService): ServerIds {
  return {
    ids: new Map(backend.servers.map(({ name, id }) => [name, id])),
    names: new Map(backend.servers.map(({ name, id }) => [id, name])),
  }
}

function sharedFrontend(
  options: HaproxyOptions,
  services: readonly BuiltService[],
  warnings: Warning[],
): ConfigView['sharedFrontend'] {
  const lines: string[] = []
  const add = (service: string | undefined, wanted: readonly string[]) => {
    const { known, unknown } = splitLines('frontend', wanted)
    lines.push(...known)
    for (const line of unknown) {
      warnings.push({
        service,
        kind: 'line',
        message: `"${shorten(line)}" is left out: HAProxy has no such line in a frontend`,
      })
    }
  }
  add(undefined, options.shared_frontend ?? [])
  for (const { view, sharedLines } of services) {
    if (options.shared_frontend !== undefined) add(view.name, sharedLines)
    else if (sharedLines.length > 0) {
      warnings.push({
        service: view.name,
        kind: 'line',
        message: 'its shared_frontend is left out: the top level of haproxy has none',
      })
    }
  }
  if (options.shared_frontend === undefined) return null
  return { name: 'shared-frontend', lines: [...lines, ...idleClose(options, lines)] }
}
