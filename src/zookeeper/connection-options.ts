import type { Clock } from '../core/clock.ts'
import type { ClientListener } from './client-listener.ts'
import type { Server } from './connection-string.ts'
import type { Dial } from './dial.ts'
import type { WatchedPaths } from './watch-table.ts'

export interface ConnectionListener extends ClientListener {
  onNotification(type: number, path: string): void
  /** The watches to set again on a new connection. */
  watchedPaths(): WatchedPaths
}

export interface ConnectionOptions {
  /** Tried in this order. */
  readonly servers: readonly Server[]
  /** One of them that may be starting just now: it may take a connection and never answer it. */
  readonly starting?: Server | undefined
  readonly sessionTimeoutMs: number
  /** `user:password`. */
  readonly digest: string | undefined
  readonly dial: Dial
  readonly clock: Clock
  /** Spreads the waits between attempts. */
  readonly random: () => number
  readonly listener: ConnectionListener
}
