import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { isConnectionLost } from './failure.ts'

/** The options of a check that logs in to a database: where it connects to, and for how long. */
export const connectionOptions = () => ({
  unix_socket: text.optional().describe('Path of a unix socket to connect to instead of host and port'),
  keep_alive: z.boolean().default(false).describe('Keep one connection for all runs instead of a fresh login for each'),
})

export interface KeptOptions<C> {
  /** Whether a connection is used for more than one run. */
  readonly keep: boolean
  open(signal: AbortSignal): Promise<C>
  /** Whether a kept connection can be used once more. */
  isOpen(connection: C): boolean
  /** Ends a connection whose run went well, politely. */
  end(connection: C): void
  /** Ends a connection at once. Harmless when it has ended. */
  destroy(connection: C): void
}

/** Lends connections to runs: a fresh one for each, or one that is kept from run to run as long as the runs go well. */
export interface Kept<C> {
  /**
   * Runs `work` on a connection. If a kept one turns out to have been closed meanwhile, which says nothing of the
   * server's health, `work` runs again on a fresh one.
   */
  use(signal: AbortSignal, work: (connection: C) => Promise<void>): Promise<void>
  close(): void
}

export function createKept<C>({ keep, open, isOpen, end, destroy }: KeptOptions<C>): Kept<C> {
  let kept: C | undefined
  let closed = false

  const run = async (connection: C, signal: AbortSignal, work: (connection: C) => Promise<void>) => {
    const onAbort = () => destroy(connection)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      signal.throwIfAborted()
      await work(connection)
    } catch (error) {
      destroy(connection)
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    if (keep && !closed && isOpen(connection)) kept = connection
    else end(connection)
  }

  return {
    async use(signal, work) {
      const old = kept
      kept = undefined
      if (old !== undefined && isOpen(old)) {
        try {
          return await run(old, signal, work)
        } catch (error) {
          if (signal.aborted || !isConnectionLost(error)) throw error
        }
      }
      await run(await open(signal), signal, work)
    },
    close() {
      closed = true
      if (kept !== undefined) end(kept)
      kept = undefined
    },
  }
}
