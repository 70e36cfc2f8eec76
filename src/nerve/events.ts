import type { LifeEvent, StopCause } from '../core/telemetry.ts'
import type { ZooKeeperEvent } from '../zookeeper/observed-pool.ts'
import type { Renewal } from './reporters/reporter.ts'

/** What happens in nerve, for whoever counts it. Those who tell do not know who listens. */
export type NerveEvent =
  | LifeEvent
  | { readonly kind: 'configured' }
  /** A service is taken up, from an edit of its configuration or because it is new. */
  | { readonly kind: 'service-launched'; readonly service: string; readonly reason: 'new' | 'update' }
  /** A service, or its configuration of before an edit, is given up; not told when nerve itself stops. */
  | { readonly kind: 'service-reaped'; readonly service: string; readonly reason: 'old' | 'update' }
  | { readonly kind: 'service-started'; readonly service: string }
  | { readonly kind: 'service-stopped'; readonly service: string; readonly cause: StopCause }
  /** A look whether the registries of a service are well. */
  | { readonly kind: 'ping'; readonly service: string; readonly ok: boolean }
  /** A run of a check, with what rise and fall make of it. */
  | { readonly kind: 'check'; readonly service: string; readonly check: string; readonly status: 'up' | 'down' }
  /** A change was brought to a registry, or could not be. */
  | { readonly kind: 'report'; readonly service: string; readonly ok: boolean }
  /** A registry says something new of the service. */
  | { readonly kind: 'transition'; readonly service: string; readonly status: 'up' | 'down' }
  | { readonly kind: 'throttled'; readonly service: string; readonly shadowMode: boolean }
  | ({ readonly kind: 'renewal' } & Renewal)
  | { readonly kind: 'zookeeper'; readonly operation: ZooKeeperEvent }
