import type { LifeEvent, StopCause } from '../core/telemetry.ts'
import type { ZooKeeperEvent } from '../zookeeper/observed-pool.ts'
import type { GeneratorEvent } from './generators/generator.ts'

/** What happens in synapse, for whoever counts it. Those who tell do not know who listens. */
export type SynapseEvent =
  | LifeEvent
  | GeneratorEvent
  /** Every watcher has been started, which took so long. */
  | { readonly kind: 'watchers-started'; readonly ms: number }
  /** A generator is given changed backends. */
  | { readonly kind: 'generator-pass'; readonly generator: string }
  | { readonly kind: 'generator-failed'; readonly generator: string }
  | { readonly kind: 'watcher-started'; readonly service: string }
  | { readonly kind: 'watcher-stopped'; readonly service: string; readonly cause: StopCause }
  /** A look whether a watcher is well. */
  | { readonly kind: 'ping'; readonly service: string; readonly ok: boolean }
  | { readonly kind: 'registration-unreadable'; readonly service: string }
  | { readonly kind: 'generator-options-unreadable'; readonly service: string }
  | { readonly kind: 'zookeeper'; readonly service: string; readonly operation: ZooKeeperEvent }
