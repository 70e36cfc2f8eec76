import type { ConfigPath, Problem } from '../core/config/problems.ts'
import { problemAt, type Sources } from '../core/config/sources.ts'
import { isServerName } from '../core/service-instance.ts'
import { ownTargetOf } from './manual-state.ts'

/** Warns of a service whose name means something else where it is said by hand. `path`: where the name is. */
export function nameWarnings(
  service: { readonly name: string; readonly port: number },
  path: ConfigPath,
  sources: Sources,
): readonly Problem[] {
  const target = ownTargetOf(service)
  if (target === service.name) return []
  const message = `by hand, "${service.name}" means every service (smartstack nerve disable ${service.name}); this one alone is ${target}`
  return [problemAt(sources, path, message, { severity: 'warning', atKey: true })]
}

/** Warns of a published name that keeps an instance out of HAProxy; other readers of the registry may want it all the same. */
export function publishedNameWarnings(name: string, path: ConfigPath, sources: Sources): readonly Problem[] {
  if (isServerName(name)) return []
  const message = `published as ${JSON.stringify(name)}, which HAProxy does not take for the name of a server, so synapse leaves this instance out; it takes up to 255 letters, digits and _ . : -`
  return [problemAt(sources, path, message, { severity: 'warning' })]
}
