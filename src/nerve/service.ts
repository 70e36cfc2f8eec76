import type { InstancePayload } from '../core/service-instance.ts'
import type { HealthState } from './health.ts'
import type { ServiceConfig } from './model.ts'
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

/** What somebody asked for by hand. */
export type ManualState =
  /** The checks decide. */
  | { readonly kind: 'enabled' }
  /** Taken down, whatever the checks say. */
  | { readonly kind: 'disabled'; readonly reason?: string | undefined }
  /** Available, whatever the checks say. */
  | { readonly kind: 'forced'; readonly reason?: string | undefined }

/** What the checks say, unless somebody said otherwise. */
export function effectiveHealth(health: ServiceHealth, manual: ManualState): ServiceHealth {
  switch (manual.kind) {
    case 'enabled':
      return health
    case 'disabled':
      return { status: 'down', reason: withReason('Service is disabled', manual.reason) }
    case 'forced':
      return { status: 'up' }
  }
}

/** Why a service is up though its checks may say otherwise. */
export const forcedReason = (manual: ManualState): string | undefined =>
  manual.kind === 'forced' ? withReason('forced by hand, whatever the checks say', manual.reason) : undefined

const withReason = (sentence: string, reason = '') => (reason === '' ? sentence : `${sentence}: ${reason}`)

/** What of a service is published. */
export type Published = Pick<
  ServiceConfig,
  'host' | 'publishedPort' | 'publishedName' | 'haproxyServerOptions' | 'labels' | 'publishAvailability'
>

/** The payload of a service that is up. `weight` undefined: none is published. */
export function payloadOf(service: Published, instanceId: string, weight: number | undefined): InstancePayload {
  const { host, publishedPort, publishedName = instanceId, haproxyServerOptions, labels, publishAvailability } = service
  const payload = { host, port: publishedPort, name: publishedName, weight, haproxyServerOptions, labels }
  return publishAvailability === true ? { available: true, ...payload } : payload
}

interface Absence {
  readonly reason: string
  readonly isByHand?: boolean
  readonly ifPresent?: InstancePayload
}

/** What to remove, or to say instead where unavailable services stay visible. */
export function absence(
  service: Published,
  instanceId: string,
  { reason, isByHand = false, ifPresent }: Absence,
): Registration {
  const absent: Registration = {
    kind: 'absent',
    ...(isByHand ? { byHand: true } : {}),
    ...(ifPresent === undefined ? {} : { ifPresent }),
  }
  if (service.publishAvailability !== true) return absent
  const payload = payloadOf(service, instanceId, 0)
  return { ...absent, payload: { ...payload, available: false, unavailableReason: reason } }
}

/**
 * What the registry shall say. undefined while there is no verdict: a nerve that restarts, or whose checks were edited,
 * neither registers nor removes until it knows.
 */
export function registration(
  health: ServiceHealth,
  payload: InstancePayload,
  absent: (reason: string) => Registration = () => ({ kind: 'absent' }),
): Registration | undefined {
  switch (health.status) {
    case 'unknown':
      return undefined
    case 'up':
      return { kind: 'present', payload }
    case 'down':
      return absent(health.reason)
  }
}
