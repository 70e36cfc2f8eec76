import type { ServiceProblem } from '../generator.ts'
import type { HaproxyOptions, HaproxyServiceOptions } from './config.ts'

interface NamedService {
  readonly name: string
  readonly options: HaproxyServiceOptions
}

/** Finds what only shows when all services are seen together: one listening address or one section name used twice. */
export function checkServices(options: HaproxyOptions, services: readonly NamedService[]): readonly ServiceProblem[] {
  const binds = new Map<string, string>()
  const sections = reservedSections(options)
  return services
    .filter((service) => !service.options.disabled)
    .flatMap((service) => [...bindProblems(options, service, binds), ...sectionProblems(service, sections)])
}

function bindProblems(
  options: HaproxyOptions,
  { name, options: service }: NamedService,
  binds: Map<string, string>,
): readonly ServiceProblem[] {
  const bind = bindKey(options, service)
  const other = bind === undefined ? undefined : claim(binds, bind, name)
  if (other === undefined) return []
  const message = `${bind} is the address of service ${other} already; connections would go to either of them`
  return [{ service: name, path: ['port'], message }]
}

function sectionProblems({ name, options }: NamedService, sections: Map<string, string>): readonly ServiceProblem[] {
  const problems: ServiceProblem[] = []
  const look = (header: string, path: readonly string[]) => {
    const owner = claim(sections, header, name)
    if (owner === undefined) return
    const whose = owner === TOP_LEVEL ? 'the top level of haproxy' : `service ${owner}`
    problems.push({ service: name, path, message: `the section "${header}" belongs to ${whose} already` })
  }
  look(`backend ${options.backend_name ?? name}`, options.backend_name === undefined ? [] : ['backend_name'])
  if (options.port !== undefined) look(`frontend ${name}`, [])
  return problems
}

const TOP_LEVEL = ''

/** Gives `key` to `owner` if nobody has it, else says who has. */
function claim(owners: Map<string, string>, key: string, owner: string): string | undefined {
  const first = owners.get(key)
  if (first === undefined) owners.set(key, owner)
  return first
}

function reservedSections(options: HaproxyOptions): Map<string, string> {
  const sections = new Map<string, string>()
  for (const header of Object.keys(options.extra_sections)) {
    const [kind, name] = header.trim().split(/\s+/)
    const kinds = kind === 'listen' ? ['frontend', 'backend'] : [kind]
    for (const each of kinds) sections.set(`${each} ${name}`, TOP_LEVEL)
  }
  if (options.shared_frontend !== undefined) sections.set('frontend shared-frontend', TOP_LEVEL)
  return sections
}

function bindKey(options: HaproxyOptions, service: HaproxyServiceOptions): string | undefined {
  if (service.port === undefined) return undefined
  const address = (service.bind_address ?? options.bind_address).replace(/^(?:ipv4@)?localhost$/, '127.0.0.1')
  const host = address === '*' || address === '' ? '0.0.0.0' : address
  return service.port === null ? host : `${host}:${service.port}`
}
