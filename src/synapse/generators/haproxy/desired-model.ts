import { isDeepStrictEqual } from 'node:util'
import type { GeneratorService } from '../generator.ts'
import type { Capabilities } from './capabilities.ts'
import type { HaproxyOptions, HaproxyServiceOptions } from './config.ts'
import { buildBackends, buildDesired, createDesiredCache, renderDesired, type Warning } from './desired.ts'
import type { Backend, ObservedServer } from './model.ts'
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

interface BuiltService {
  readonly service: HaproxyService
  readonly backend: Backend | undefined
  readonly warnings: readonly Warning[]
}

/**
 * What HAProxy shall be, kept from pass to pass: when only the instances of one service changed, only its servers are worked
 * out, and the text of the whole file not before somebody asks for it.
 */
export class DesiredModel {
  readonly #cache = createDesiredCache()
  #context: DesiredContext | undefined
  #services = new Map<string, BuiltService>()
  #structure: ReadonlyMap<string, string> = new Map()
  #backends: ReadonlyMap<string, Backend> = new Map()
  #topWarnings: readonly Warning[] = []

  /** By section name. An unchanged backend is the same object as before. */
  get backends(): ReadonlyMap<string, Backend> {
    return this.#backends
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

  /** The text of the whole file, as the model is, or as other services would make it. */
  render(running: Running, services: readonly HaproxyService[] = this.services): string {
    if (this.#context === undefined) return ''
    return renderDesired({ ...this.#context, services, running, cache: this.#cache })
  }

  #sameStructure(services: readonly HaproxyService[]): boolean {
    if (services.length !== this.#services.size) return false
    const names = [...this.#services.keys()]
    return services.every(({ name, options }, index) => {
      const known = this.#services.get(name)?.service.options
      return names[index] === name && (known === options || isDeepStrictEqual(known, options))
    })
  }

  #rebuild(services: readonly HaproxyService[], context: DesiredContext, running: Running): void {
    const { state, warnings } = buildDesired({ ...context, services, running, cache: this.#cache })
    const byService = new Map([...state.backends.values()].map((backend) => [backend.service, backend]))
    this.#topWarnings = warnings.filter(({ service }) => service === undefined)
    this.#services = new Map(
      services.map((service) => [
        service.name,
        {
          service,
          backend: byService.get(service.name),
          warnings: warnings.filter((warning) => warning.service === service.name),
        },
      ]),
    )
    this.#structure = state.structure
    this.#collectBackends()
  }

  #updateServers(services: readonly HaproxyService[], context: DesiredContext, running: Running): void {
    let changed = false
    for (const service of services) {
      const known = this.#services.get(service.name)
      // Without a backend it is disabled or was left out: that depends on its options, which are the same.
      if (known === undefined || known.service.backends === service.backends || known.backend === undefined) continue
      changed = true
      const changedService = { ...service, options: known.service.options } // equal, and known to the cache
      const alone = { ...context, services: [changedService], running, cache: this.#cache }
      const { backends, warnings } = buildBackends(alone)
      this.#services.set(service.name, {
        service: changedService,
        warnings,
        backend: backends.get(known.backend.name),
      })
    }
    if (changed) this.#collectBackends()
  }

  #collectBackends(): void {
    const backends = [...this.#services.values()].flatMap(({ backend }) => (backend === undefined ? [] : [backend]))
    this.#backends = new Map(backends.map((backend) => [backend.name, backend]))
  }
}

function sameContext(a: DesiredContext, b: DesiredContext): boolean {
  return (
    a.options === b.options &&
    a.template === b.template &&
    a.orderSeed === b.orderSeed &&
    (a.capabilities === b.capabilities || isDeepStrictEqual(a.capabilities, b.capabilities))
  )
}
