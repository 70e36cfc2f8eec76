import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, Pauses } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Task } from '../core/tasks.ts'
import { withDeadline } from '../core/time-limit.ts'
import { type ManualEntries, type ManualEntry, splitExpired } from './manual-state.ts'

const EVERY_MS = 1_000
/** A disk that hangs holds up the start of the services for so long. */
const READ_MS = 5_000
/** What an entry of the spool shows as its author. */
export const HACHECK = 'hacheck'

export interface HacheckSpoolOptions {
  readonly clock: Clock
  readonly log: Logger
  /** The spool's directory as configured now; undefined: none is looked at. */
  readonly directory: () => string | undefined
  /** Gets what stands in the spool, when that has changed. */
  readonly onChange: (entries: ManualEntries) => void
}

/**
 * Follows the spool of Yelp's hacheck (reference blablacar-yelp.md 3.1), so that `hadown` and `haup` go on working: a file
 * named `all`, `<service>` or `<service>:<port>` takes that down. It is only read; expired files are hacheck's to delete.
 * While it cannot be read, what it said last holds.
 */
export class HacheckSpool {
  readonly #options: HacheckSpoolOptions
  #known: ManualEntries = []
  /** Said once, until it can be read again. */
  #problem: string | undefined
  /** The read that is under way: while one hangs there is no other, or all threads for files would come to hang. */
  #reading: { readonly path: string; readonly found: Promise<ManualEntries> } | undefined

  constructor(options: HacheckSpoolOptions) {
    this.#options = options
  }

  /** Reads the spool now. Never rejects. */
  async look(): Promise<void> {
    const { clock, log, directory, onChange } = this.#options
    const path = directory()
    try {
      const found = path === undefined ? [] : await this.#read(path)
      this.#problem = undefined
      const { standing } = splitExpired(found, clock.wallTime())
      if (isDeepStrictEqual(standing, this.#known)) return
      this.#known = standing
      onChange(standing)
    } catch (error) {
      const problem = messageOf(error)
      if (problem !== this.#problem) log.warn('cannot read hacheck_spool, what it said last holds', { reason: problem })
      this.#problem = problem
    }
  }

  async #read(path: string): Promise<ManualEntries> {
    if (this.#reading?.path !== path) {
      const found = readSpool(path).finally(() => {
        if (this.#reading?.found === found) this.#reading = undefined
      })
      this.#reading = { path, found }
    }
    const { found } = this.#reading
    const never = new AbortController().signal
    return withDeadline(this.#options.clock, READ_MS, `reading ${path}`, never, () => found)
  }

  /** Looks again and again. */
  get task(): Task {
    return {
      name: 'hacheck spool',
      run: async (signal) => {
        const pauses = new Pauses(this.#options.clock, signal)
        while (!signal.aborted) {
          await pauses.next(EVERY_MS)
          if (!signal.aborted) await this.look()
        }
      },
    }
  }
}

/** What stands in a spool. @throws when the directory, or a file that stays in it, cannot be read. One that does not exist says nothing. */
export async function readSpool(directory: string): Promise<ManualEntries> {
  const files = (await readdir(directory, { withFileTypes: true }).catch(nothingIfMissing)) ?? []
  const entries = await Promise.all(
    files
      .filter((file) => !file.isDirectory() && !file.name.startsWith('.'))
      .map(({ name }) => name)
      .sort()
      .map(async (name) => {
        const path = join(directory, name)
        const [text, times] = await Promise.all([
          readFile(path, 'utf8').catch(nothingIfMissing),
          stat(path).catch(nothingIfMissing),
        ])
        return text === undefined || times === undefined ? [] : [decodeSpoolFile(name, text, Math.round(times.mtimeMs))]
      }),
  )
  return entries.flat()
}

function nothingIfMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

const MAX_REASON = 500

/**
 * Times are seconds since 1970. A text that is no such JSON is the reason alone, as for hacheck; then it is said since the
 * file was written, `writtenAt` in ms since 1970.
 */
export function decodeSpoolFile(target: string, text: string, writtenAt: number): ManualEntry {
  const { reason, expiration, creation } = contentOf(text)
  const expiresAt = instantOf(expiration)
  return {
    ...{ target, says: { kind: 'disabled' }, by: HACHECK, since: instantOf(creation) ?? writtenAt, expiresAt },
    reason: String(reason ?? '')
      .replaceAll(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, MAX_REASON),
  }
}

function contentOf(text: string): { reason?: unknown; expiration?: unknown; creation?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { reason: text }
  } catch {
    return { reason: text } // older hadowns wrote nothing else
  }
}

/** The last instant that has a date. */
const MAX_INSTANT = 8.64e15

/** ms of a number of seconds; undefined for what is none. */
function instantOf(seconds: unknown): number | undefined {
  const ms = typeof seconds === 'number' ? Math.round(seconds * 1000) : Number.NaN
  return ms > 0 && ms <= MAX_INSTANT ? ms : undefined
}
