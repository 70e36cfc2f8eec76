import type { InstancePayload } from '../core/service-instance.ts'
import type { HealthState } from './health.ts'
import type { Registration } from './reporters/reporter.ts'

/** What a service's checks say together. */
export type ServiceHealth =
  | { readonly status: 'unknown'; readonly reason: string }
  | { readonly status: 'up' }
  | { readonly status: 'down'; readonly reason: string }

/** All checks must be up; one that is down decides at once, with its reason. A service without checks is up. */
export function serviceHealth(checks: ReadonlyMap<string, HealthState>): ServiceHealth {
  const down: string[] = []
  const waiting: string[] = []
  for (const [name, state] of checks) {
    if (state.status === 'down') down.push(`${name}: ${state.reason}`)
    if (state.status === 'unknown') waiting.push(name)
  }
  if (down.length > 0) return { status: 'down', reason: down.join('; ') }
  if (waiting.length > 0) return { status: 'unknown', reason: `no verdict yet of ${waiting.join(', ')}` }
  return { status: 'up' }
}

/**
 * What the registry shall say. undefined while there is no verdict: a nerve that restarts, or whose checks were edited,
 * neither registers nor removes until it knows.
 */
export function registration(health: ServiceHealth, payload: InstancePayload): Registration | undefined {
  switch (health.status) {
    case 'unknown':
      return undefined
    case 'up':
      return { kind: 'present', payload }
    case 'down':
      return { kind: 'absent' }
  }
}
