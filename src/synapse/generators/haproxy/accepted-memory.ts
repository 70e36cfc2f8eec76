import { readFile, rename, writeFile } from 'node:fs/promises'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import { type HaproxyServiceOptions, haproxyServiceOptions } from './config.ts'
import type { AcceptedOptions } from './quarantine.ts'

const FORMAT = 1

/** Remembers on disk with which options HAProxy took each service, so that the next synapse can fall back to them. */
export class AcceptedMemory {
  readonly #path: string
  readonly #log: Logger
  #written = ''

  constructor(path: string, log: Logger) {
    this.#path = path
    this.#log = log
  }

  /** What an earlier synapse left. Without a readable record a service that HAProxy refuses is left out; nothing else. */
  async load(): Promise<AcceptedOptions> {
    this.#written = await readFile(this.#path, 'utf8').catch(() => '')
    return decode(this.#written)
  }

  /** Writes what changed. A failure is reported, never thrown: traffic does not depend on it. */
  async save(accepted: AcceptedOptions): Promise<void> {
    const text = encode(accepted)
    if (text === this.#written) return
    try {
      await writeFile(`${this.#path}.tmp`, text, { mode: 0o600 })
      await rename(`${this.#path}.tmp`, this.#path)
      this.#written = text
    } catch (error) {
      this.#log.warn('cannot write what haproxy took', { reason: messageOf(error) })
    }
  }
}

function encode(accepted: AcceptedOptions): string {
  const services = Object.fromEntries(accepted)
  return `${JSON.stringify({ format: FORMAT, services }, null, 1)}\n`
}

function decode(text: string): AcceptedOptions {
  let record: unknown
  try {
    record = JSON.parse(text)
  } catch {
    return new Map() // none, or cut off while it was written
  }
  const { format, services } = (record ?? {}) as { readonly format?: unknown; readonly services?: unknown }
  if (format !== FORMAT || typeof services !== 'object' || services === null) return new Map()
  return new Map(
    Object.entries(services).flatMap(([name, options]): [string, HaproxyServiceOptions][] => {
      const parsed = haproxyServiceOptions.safeParse(options)
      return parsed.success ? [[name, parsed.data]] : []
    }),
  )
}
