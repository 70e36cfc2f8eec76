import type { ConfigPath, Problem } from '../core/config/problems.ts'
import { problemAt, type Sources } from '../core/config/sources.ts'
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
