import type { AttemptFailure } from './connect-schedule.ts'

/** What a client, and the connection in it, tells its owner. Every method must return soon and not throw. */
export interface ClientListener {
  /** A session is open, and authenticated where there are credentials: a new one, or the old one on another connection. */
  onConnected(): void
  /** The link is gone. The next attempt is on its way. */
  onDisconnected(reason: string): void
  /** An attempt ended without a session. `passDone`: every server was tried since the last success. */
  onAttemptFailed(failure: AttemptFailure, reason: string, passDone: boolean): void
  /** The session is over for good, and the client with it. */
  onEnded(cause: 'expired' | 'auth_failed', reason: string): void
}
