import { isDeepStrictEqual } from 'node:util'
import type { GeneratorService } from '../generator.ts'
import type { Capabilities } from './capabilities.ts'
import type { HaproxyOptions, HaproxyServiceOptions } from './config.ts'
import {
  type BuiltService,
  buildDesired,
  buildServices,
  createDesiredCache,
  type DesiredCache,
  renderDesired,
  type Warning,
} from './desired.ts'
import { FileText } from './file-text.ts'
import { fill, type Layout } from './layout.ts'
import type { Backend, ObservedServer } from './model.ts'
import type { ProvenParts } from './proof.ts'
import type { ConfigTemplate } from './render.ts'

export type HaproxyService = GeneratorService<HaproxyServiceOptions>

/** What is the same for all services. */
export interface DesiredContext {
  readonly options: HaproxyOptions
  readonly capabilities: Capabilities
  readonly template: ConfigTemplate
  readonly orderSeed: number
}

/** The servers in HAProxy now. */
type Running = ReadonlyMap<string, readonly ObservedServer[]>

interface KnownService {
  readonly service: HaproxyService
  /** undefined: it is disabled, or cannot be built. */
  readonly built: BuiltService | undefined
  readonly warnings: readonly Warning[]
}

export interface ModelFile extends ProvenParts {
  readonly structure: ReadonlyMap<string, string>
  readonly services: readonly HaproxyService[]
}

/**
 * What HAProxy shall be, kept from pass to pass: when only the instances of one service changed, only its servers are worked
 * out, and the text of the whole file not before somebody asks for it.
 */
export class DesiredModel {
  readonly #cache: DesiredCache
  #context: DesiredContext | undefined
  #services = new Map<string, KnownService>()
  #layout: Layout | undefined
  #structure: ReadonlyMap<string, string> = new Map()
  #backends: ReadonlyMap<string, Backend> = new Map()
  #fileState: ModelFile | undefined
  #topWarnings: readonly Warning[] = []

  constructor(cache: DesiredCache = createDesiredCache()) {
    this.#cache = cache
  }

  /** An empty one, which shares with this one what was worked out of the services' options. */
  another(): DesiredModel {
    return new DesiredModel(this.#cache)
  }

  /** By section name. An unchanged backend is the same object as before. */
  get backends(): ReadonlyMap<string, Backend> {
    return this.#backends
  }

  /** undefined: the service is disabled, or cannot be built. */
  backendOf(service: string): Backend | undefined {
    return this.#services.get(service)?.built?.backend
  }

  /** What only a reload can change. The same object until something of it may have changed. */
  get structure(): ReadonlyMap<string, string> {
    return this.#structure
  }

  get warnings(): readonly Warning[] {
    return [...this.#topWarnings, ...[...this.#services.values()].flatMap(({ warnings }) => warnings)]
  }

  /** Takes the services of this pass. @throws SmartStackError HAPROXY_CONFIG when the template cannot be filled. */
  update(services: readonly HaproxyService[], context: DesiredContext, running: Running): void {
    if (this.#context !== undefined && sameContext(this.#context, context) && this.#sameStructure(services)) {
      this.#updateServers(services, context, running)
    } else this.#rebuild(services, context, running)
    this.#context = context
  }

  /** What the model is made from. */
  get services(): readonly HaproxyService[] {
    return [...this.#services.values()].map(({ service }) => service)
  }

  /** What the file says of the model. The same object until the model changes. */
  get fileState(): ModelFile {
    this.#fileState ??= {
      structure: this.#structure,
      backends: this.#backends,
      services: this.services,
      frame: this.#frame,
    }
    return this.#fileState
  }

  /** The text of the whole file, as the model is. */
  render(running: Running): FileText {
    const layout = this.#layout
    if (layout === undefined || this.#frame === undefined) return this.renderOther(this.services, running)
    return fill(layout, (service) => this.#services.get(service)?.built?.serverLines ?? NO_LINES)
  }

  /** The text of the whole file, as other services would make it. */
  renderOther(services: readonly HaproxyService[], running: Running): FileText {
    if (this.#context === undefined) return FileText.of('')
    return FileText.of(renderDesired({ ...this.#context, services, running, cache: this.#cache }))
  }

  /** The file without servers; undefined when it is not made of that and of servers. */
  get #frame(): string | undefined {
    const isWhole = this.#layout?.pieces.every(
      ({ service }) => service === undefined || this.#services.get(service)?.built !== undefined,
    )
    return isWhole === true ? this.#layout?.frame : undefined
  }

  #sameStructure(services: readonly HaproxyService[]): boolean {
    if (services.length !== this.#services.size) return false
    const now = services.values()
    for (const { service: before } of this.#services.values()) {
      const { name, options } = now.next().value ?? {}
      if (name !== before.name) return false
      if (options !== before.options && !isDeepStrictEqual(options, before.options)) return false
    }
    return true
  }

  #rebuild(services: readonly HaproxyService[], context: DesiredContext, running: Running): void {
    const {
      state,
      layout,
      services: allBuilt,
      warnings,
    } = buildDesired({
      ...context,
      services,
      running,
      cache: this.#cache,
    })
    const byService = new Map(allBuilt.map((built) => [built.view.name, built]))
    this.#topWarnings = warnings.filter(({ service }) => service === undefined)
    this.#services = new Map(
      services.map((service) => [
        service.name,
        {
          service,
          built: byService.get(service.name),
          warnings: warnings.filter((warning) => warning.service === service.name),
        },
      ]),
    )
    this.#layout = layout
    this.#structure = state.structure
    this.#collectBackends()
  }

  #updateServers(services: readonly HaproxyService[], context: DesiredContext, running: Running): void {
    let changed = false
    for (const service of services) {
      const known = this.#services.get(service.name)
      // Without a backend it is disabled or was left out: that depends on its options, which are the same.
      if (known === undefined || known.service.backends === service.backends || known.built === undefined) continue
      changed = true
      const changedService = { ...service, options: known.service.options } // equal, and known to the cache
      const alone = { ...context, services: [changedService], running, cache: this.#cache }
      const {
        services: [built],
        warnings,
      } = buildServices(alone)
      this.#services.set(service.name, { service: changedService, built, warnings })
    }
    if (changed) this.#collectBackends()
  }

  #collectBackends(): void {
    const backends = new Map<string, Backend>()
    for (const { built } of this.#services.values())
      if (built !== undefined) backends.set(built.backend.name, built.backend)
    this.#backends = backends
    this.#fileState = undefined
  }
}

const NO_LINES = Buffer.alloc(0)

function sameContext(a: DesiredContext, b: DesiredContext): boolean {
  return (
    a.options === b.options &&
    a.template === b.template &&
    a.orderSeed === b.orderSeed &&
    (a.capabilities === b.capabilities || isDeepStrictEqual(a.capabilities, b.capabilities))
  )
}
