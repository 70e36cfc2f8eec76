import type { ServiceInstance } from '../../../core/service-instance.ts'
import { WrittenList } from '../../../core/written-list.ts'
import type { GeneratorService } from '../generator.ts'
import { type BackendTraits, readBackendLines } from './backend-lines.ts'
import type { Capabilities } from './capabilities.ts'
import type { HaproxyOptions, HaproxyServiceOptions } from './config.ts'
import { effectiveDefaults, idleClose } from './global-lines.ts'
import { splitLines } from './keywords.ts'
import type { Backend, ObservedServer, Server } from './model.ts'
import { orderServers } from './order.ts'
import type { BackendView, ServerView, ServiceView } from './render.ts'
import { assignIds, type IdRequest } from './server-id.ts'
import {
  type BuiltServer,
  createServerBuilder,
  formatServerLine,
  inspectTemplate,
  type ServerTemplate,
  serverName,
  type TemplateFindings,
} from './server-line.ts'
import { shorten } from './server-options.ts'

/** Everything about one service that its sections and servers are made from. */
export interface ServiceInput {
  readonly options: HaproxyOptions
  readonly service: GeneratorService<HaproxyServiceOptions>
  readonly capabilities: Capabilities
  /** The servers in HAProxy's backend now. */
  readonly running: readonly ObservedServer[]
  readonly orderSeed: number
  /** Spares the work for instances that did not change. Never changes the result. */
  readonly cache?: ServerCache | undefined
}

/** What was built, by the options of a service. */
export type ServerCache = WeakMap<HaproxyServiceOptions, CachedServers>

interface CachedServers {
  readonly outline: Outline
  readonly draft: (instance: ServiceInstance) => Draft
  /** The lines of the file. */
  readonly lines: WrittenList<Server>
}

/** What was built of an instance, with the id that it got the last time: the same object for the same server, so that it is known to be unchanged. */
type Draft = BuiltServer & { numbered?: Server }

/** All of a service that does not depend on its instances. */
interface Outline {
  /** What it was made from, compared by identity. */
  readonly madeFrom: readonly unknown[]
  readonly template: ServerTemplate
  readonly traits: BackendTraits
  readonly reloadOnly: string | undefined
  readonly frontend: ServiceView['frontend']
  readonly backendLines: readonly string[]
  readonly warnings: readonly Warning[]
}

/** Something in the configuration or the registry that HAProxy does not get as it stands there. */
export interface Warning {
  /** undefined: the top level. */
  readonly service: string | undefined
  /** `line` left out, `option` of a server left out or changed, `instance` or whole `service` left out. */
  readonly kind: 'line' | 'option' | 'instance' | 'service'
  readonly message: string
}

export type ServiceResult = BuiltService | { readonly ok: false; readonly reason: string }

export interface BuiltService {
  readonly ok: true
  readonly view: ServiceView
  readonly backend: Backend
  /** `view.backend.serverLines`, made when somebody asks for them. The same object as long as the servers are the same. */
  readonly serverLines: Buffer
  readonly sharedLines: readonly string[]
  readonly warnings: readonly Warning[]
}

/** Works out the sections of one service and its servers, or why it cannot be in HAProxy. */
export function buildService(input: ServiceInput): ServiceResult {
  const { options, name } = input.service
  const invalid = invalidName(name)
  if (invalid !== undefined) return { ok: false, reason: invalid }
  const cached = cachedServers(input)
  const { outline } = cached
  const warnings = [...outline.warnings]
  const servers = buildServers(input, cached, (kind, message) => warnings.push({ service: name, kind, message }))
  if (!servers.ok) return servers
  const backendName = options.backend_name ?? name
  return {
    ok: true,
    warnings,
    sharedLines: options.shared_frontend,
    backend: {
      name: backendName,
      service: name,
      servers: servers.servers,
      reloadOnly: outline.reloadOnly,
      staticBalance: outline.traits.staticBalance !== undefined,
      fixedServers: outline.traits.fixedServers,
    },
    view: {
      name,
      frontend: outline.frontend,
      backend: backendView(backendName, outline.backendLines, servers.servers, cached.lines),
    },
    get serverLines() {
      return cached.lines.write(servers.servers)
    },
  }
}

function cachedServers(input: ServiceInput): CachedServers {
  const { options, capabilities, cache, service } = input
  const madeFrom = [service.name, options, capabilities.version]
  const known = cache?.get(service.options)
  if (known?.outline.madeFrom.every((part, index) => part === madeFrom[index])) return known
  const outline = outlineOf(input, madeFrom)
  const build = createServerBuilder(outline.template)
  const drafts = new WeakMap<ServiceInstance, Draft>()
  const fresh = {
    outline,
    lines: new WrittenList((server: Server) => `\t${formatServerLine(server)}`),
    draft(instance: ServiceInstance) {
      const before = drafts.get(instance)
      if (before !== undefined) return before
      const draft: Draft = build(instance)
      drafts.set(instance, draft)
      return draft
    },
  }
  cache?.set(service.options, fresh)
  return fresh
}

function outlineOf(input: ServiceInput, madeFrom: readonly unknown[]): Outline {
  const { options, name } = input.service
  const warnings: Warning[] = []
  const warn: Warn = (kind, message) => warnings.push({ service: name, kind, message })
  const lines = serviceLines(options, warn)
  const traits = readBackendLines(effectiveDefaults(input.options), lines.backend)
  const template = serverTemplate(input, traits)
  const findings = inspectTemplate(template, input.capabilities)
  for (const problem of findings.problems) warn('option', problem)
  const preload = findings.preload.length === 0 ? [] : [`default-server ${findings.preload.join(' ')}`]
  return {
    madeFrom,
    template,
    traits,
    reloadOnly: reloadOnlyReason(traits, findings, input.capabilities),
    frontend: frontendView(input, options.backend_name ?? name, lines.frontend),
    backendLines: [...lines.backend, ...preload],
    warnings,
  }
}

type Warn = (kind: Warning['kind'], message: string) => void

/** The service's own lines for each section; `listen` lines follow them wherever HAProxy takes them. */
function serviceLines(options: HaproxyServiceOptions, warn: Warn) {
  const frontend = splitLines('frontend', options.frontend)
  const backend = splitLines('backend', options.backend)
  const listenFrontend = splitLines('frontend', options.listen)
  const listenBackend = splitLines('backend', options.listen)
  const nowhere = listenFrontend.unknown.filter((line) => listenBackend.unknown.includes(line))
  for (const line of frontend.unknown)
    warn('line', `"${shorten(line)}" is left out: HAProxy has no such line in a frontend`)
  for (const line of backend.unknown)
    warn('line', `"${shorten(line)}" is left out: HAProxy has no such line in a backend`)
  for (const line of nowhere) {
    warn('line', `"${shorten(line)}" is left out: HAProxy has no such line in a frontend or a backend`)
  }
  return {
    frontend: [...frontend.known, ...listenFrontend.known],
    backend: [...backend.known, ...listenBackend.known],
  }
}

function serverTemplate({ service: { options }, ...input }: ServiceInput, traits: BackendTraits): ServerTemplate {
  return {
    inherited: traits.defaultServer,
    serverOptions: options.server_options,
    useNerveWeights: options.use_nerve_weights ?? input.options.use_nerve_weights,
    cookieValue: traits.cookie === 'server' ? options.cookie_value_method : undefined,
    http: traits.http,
  }
}

function reloadOnlyReason(
  traits: BackendTraits,
  findings: TemplateFindings,
  capabilities: Capabilities,
): string | undefined {
  if (!capabilities.runtimeServers) return `HAProxy ${capabilities.version} cannot add servers at run time`
  if (traits.staticBalance !== undefined) return `"${traits.staticBalance}" cannot take servers at run time`
  if (traits.cookie === 'server' && !capabilities.serverCookie) {
    return `HAProxy ${capabilities.version} cannot give an added server its cookie; from 3.0 it can`
  }
  if (traits.cookie === 'dynamic' && !capabilities.dynamicCookie) {
    return `HAProxy ${capabilities.version} cannot give an added server its dynamic cookie; from 3.0 it can`
  }
  return findings.reloadOnly
}

function buildServers(
  { service, running, options: top, orderSeed }: ServiceInput,
  { outline: { traits }, draft: draftOf }: CachedServers,
  warn: Warn,
): { readonly ok: true; readonly servers: readonly Server[] } | { readonly ok: false; readonly reason: string } {
  const requests: IdRequest[] = []
  const drafts: (Draft & { readonly ok: true })[] = []
  for (const instance of distinct(service.backends.instances, traits.fixedServers, warn)) {
    const draft = draftOf(instance)
    if (!draft.ok) {
      warn('instance', `instance ${label(instance)} is left out: ${draft.reason}`)
      continue
    }
    const { server, wantedId, problems } = draft
    requests.push({ name: server.name, wanted: wantedId })
    drafts.push(draft)
    if (problems.length > 0) warn('option', `server ${server.name}: ${problems.join('; ')}`)
  }
  const taken = new Map(running.map(({ name, id }) => [name, id]))
  for (const [index, id] of traits.fixedIds.entries()) taken.set(`fixed server ${index}`, id)
  const { max_server_id: maxId, server_order_seed: seed = orderSeed } = top
  if (drafts.length + taken.size > maxId)
    return { ok: false, reason: `max_server_id ${maxId} is too low for its servers` }
  const { ids, conflicts } = assignIds(requests, maxId, taken)
  for (const name of conflicts)
    warn('option', `server ${name}: the id that it asks for is taken, it gets ${ids.get(name)}`)
  const servers = drafts.map((draft) => withId(draft, ids.get(draft.server.name) ?? 0))
  return { ok: true, servers: orderServers(servers, service.options.backend_order, seed) }
}

function withId(draft: Draft & { readonly ok: true }, id: number): Server {
  const { numbered } = draft
  if (numbered?.id === id) return numbered
  const server = { ...draft.server, id }
  draft.numbered = server
  return server
}

/** Leaves out what would be the same server twice; the first one counts, as in Airbnb's synapse. */
function distinct(
  instances: readonly ServiceInstance[],
  fixed: ReadonlySet<string>,
  warn: Warn,
): readonly ServiceInstance[] {
  const names = new Set<string>()
  return instances.filter((instance) => {
    const name = serverName(instance)
    if (fixed.has(name)) warn('instance', `instance ${label(instance)} is left out: a line of the backend has its name`)
    if (fixed.has(name) || names.has(name)) return false
    names.add(name)
    return true
  })
}

function label(instance: ServiceInstance): string {
  return shorten(serverName(instance))
}

/** Makes the lines of the file when somebody asks for them: most changes are written together with later ones. */
function backendView(
  name: string,
  lines: readonly string[],
  servers: readonly Server[],
  written: WrittenList<Server>,
): BackendView {
  let views: readonly ServerView[] | undefined
  return {
    name,
    lines,
    get servers() {
      views ??= servers.map(serverView)
      return views
    },
    get serverLines() {
      return written.write(servers).toString()
    },
  }
}

function serverView(server: Server): ServerView {
  const { name, host, port, id, weight } = server
  return { name, host, port, id, weight, line: formatServerLine(server) }
}

function frontendView(
  { service: { name, options }, options: top }: ServiceInput,
  backendName: string,
  lines: readonly string[],
): ServiceView['frontend'] {
  if (options.port === undefined) return null
  const address = options.bind_address ?? top.bind_address
  const bind = ['bind', options.port === null ? address : `${address}:${options.port}`]
  if (options.bind_options !== undefined) bind.push(options.bind_options)
  return { name, lines: [...lines, ...idleClose(top, lines), bind.join(' '), `default_backend ${backendName}`] }
}

function invalidName(name: string): string | undefined {
  return /^[A-Za-z0-9_.:-]+$/.test(name)
    ? undefined
    : `HAProxy does not take "${shorten(name)}" as the name of a section`
}
