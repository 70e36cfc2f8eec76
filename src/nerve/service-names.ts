import type { ConfigPath, Problem } from '../core/config/problems.ts'
import { problemAt, type Sources } from '../core/config/sources.ts'
import { isServerName } from '../core/service-instance.ts'
import { ownTargetOf } from './manual-state.ts'

interface NamedService {
  readonly name: string
  readonly port: number
}

/** Warns of a service whose name means something else where it is said by hand. `path`: where the name is. */
export function nameWarnings(
  service: NamedService,
  all: readonly NamedService[],
  path: ConfigPath,
  sources: Sources,
): readonly Problem[] {
  const message = meaningByHand(service, all)
  return message === undefined ? [] : [problemAt(sources, path, message, { severity: 'warning', atKey: true })]
}

function meaningByHand(service: NamedService, all: readonly NamedService[]): string | undefined {
  const target = ownTargetOf(service)
  if (target !== service.name)
    return `by hand, "${service.name}" means every service (smartstack nerve disable ${service.name}); this one alone is ${target}`
  const [, name, port] = /^(.+):(\d+)$/.exec(service.name) ?? []
  const other = name === undefined ? undefined : all.find((one) => one.name === name && String(one.port) === port)
  if (other === undefined) return undefined
  return `by hand, "${service.name}" means this service (smartstack nerve disable ${service.name}), and not ${other.name} on port ${other.port}, which is "${other.name}"`
}

/** Warns of a published name that keeps an instance out of HAProxy; other readers of the registry may want it all the same. */
export function publishedNameWarnings(name: string, path: ConfigPath, sources: Sources): readonly Problem[] {
  if (isServerName(name)) return []
  const message = `published as ${JSON.stringify(name)}, which HAProxy does not take for the name of a server, so synapse leaves this instance out; it takes up to 255 letters, digits and _ . : -`
  return [problemAt(sources, path, message, { severity: 'warning' })]
}
