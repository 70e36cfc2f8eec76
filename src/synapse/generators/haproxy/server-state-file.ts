import { rename, writeFile } from 'node:fs/promises'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import { carryOver, NOTHING_CARRIED } from './carry-over.ts'
import type { Backend } from './model.ts'
import type { WorkerLink } from './worker-link.ts'

export interface ServerStateFileOptions {
  /** What `server-state-file` of the configuration names. */
  readonly path: string
  readonly links: () => readonly WorkerLink[]
  /** What the new worker shall be. */
  readonly backends: () => ReadonlyMap<string, Backend>
  readonly log: Logger
}

/**
 * HAProxy's server-state file: through it a new worker learns which servers the one before knows to be down. It says so
 * during a reload only. A HAProxy that starts after a crash finds nothing in it, since by then some of them may be up again.
 */
export class ServerStateFile {
  readonly #options: ServerStateFileOptions

  constructor(options: ServerStateFileOptions) {
    this.#options = options
  }

  /** Empties the file, or makes it: HAProxy warns of one that is missing. */
  async clear(): Promise<void> {
    await this.#write(async () => NOTHING_CARRIED)
  }

  /** Reloads with the file filled. A file that cannot be written, or a worker that does not say, keeps nobody from that. */
  async during(reload: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { links, backends } = this.#options
    const link = links().find(({ connected }) => connected)
    if (link !== undefined)
      await this.#write(async () => carryOver(await link.serversState(signal), backends(), link.ledger))
    try {
      signal.throwIfAborted()
      await reload()
    } finally {
      await this.clear()
    }
  }

  async #write(text: () => Promise<string>): Promise<void> {
    const { path, log } = this.#options
    try {
      await writeFile(`${path}.tmp`, await text())
      await rename(`${path}.tmp`, path)
    } catch (error) {
      log.warn('cannot tell the next worker of haproxy which servers are down', { path, reason: messageOf(error) })
    }
  }
}
