import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { phrase } from '../core/config/phrases.ts'
import { messageOf } from '../core/errors.ts'
import type { ManualEntries, ManualEntry } from './manual-state.ts'

const FORMAT = 1
const NAME = 'manual.json'

/** What was found on disk. `problem`: what of it could not be used, and where it was put aside, in words for an operator. */
export interface LoadedManual {
  readonly entries: ManualEntries
  readonly problem?: string | undefined
}

const instant = z.iso.datetime().transform((text) => Date.parse(text))

const common = {
  target: z.string().min(1),
  reason: z.string().default(''),
  by: z.string().optional(),
  since: instant,
  expires_at: instant.optional(),
}

const fileEntry = z
  .discriminatedUnion('says', [
    z.strictObject({ says: z.literal(['enabled', 'disabled', 'forced']), ...common }),
    z.strictObject({ says: z.literal('weight'), weight: z.int().min(1).max(255), ...common }),
  ])
  .transform((entry): ManualEntry => {
    const { target, reason, by, since, expires_at: expiresAt } = entry
    const says = entry.says === 'weight' ? { kind: entry.says, weight: entry.weight } : { kind: entry.says }
    return { target, says, reason, by, since, expiresAt }
  })

const fileContent = z.strictObject({ format: z.literal(FORMAT), entries: z.array(z.unknown()) })

/**
 * Keeps manual state in `manual.json` of a directory. The file is replaced atomically and is on the disk when `save`
 * resolves; a list that is there already is not written again. One that is damaged is put aside, and whatever can still be read of it counts.
 */
export class ManualFile {
  readonly path: string
  readonly #directory: string
  #written: ManualEntries | undefined

  constructor(directory: string) {
    this.#directory = directory
    this.path = join(directory, NAME)
  }

  /** Never rejects: a service that is well must not stay away because of a file. `now`: ms since 1970, for the name of a damaged file. */
  async load(now: number): Promise<LoadedManual> {
    let text: string
    try {
      text = await readFile(this.path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { entries: [] }
      return { entries: [], problem: await this.#putAside(`cannot read ${this.path}: ${messageOf(error)}`, [], now) }
    }
    const { entries, damage } = decodeManual(text)
    if (damage.length === 0) return { entries }
    return { entries, problem: await this.#putAside(`${this.path} is damaged: ${damage.join('; ')}`, entries, now) }
  }

  /** @throws what the file system says. */
  async save(entries: ManualEntries): Promise<void> {
    if (entries === this.#written) return
    this.#written = undefined
    await mkdir(this.#directory, { recursive: true })
    const candidate = `${this.path}.tmp`
    try {
      await writeSynced(candidate, encodeManual(entries))
      await rename(candidate, this.path)
    } catch (error) {
      await rm(candidate, { force: true })
      throw error
    }
    await syncDirectory(this.#directory)
    this.#written = entries
  }

  async #putAside(what: string, entries: ManualEntries, now: number): Promise<string> {
    const aside = `${this.path}.damaged-${new Date(now).toISOString().replaceAll(':', '')}`
    const moved = await rename(this.path, aside).then(
      () => `it was put aside as ${aside}`,
      (error: unknown) => `it could not be put aside: ${messageOf(error)}`,
    )
    const left = entries.length === 0 ? 'nothing of it counts' : `${entries.length} of its entries still count`
    return `${what}; ${moved}, and ${left}. What was disabled may be registered again: look at it, and say it anew with smartstack nerve disable`
  }
}

/** Reads what `encodeManual` wrote. Entries that are not understood are left out, each with a sentence in `damage`. */
export function decodeManual(text: string): { readonly entries: ManualEntries; readonly damage: readonly string[] } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { entries: [], damage: [messageOf(error)] }
  }
  const content = fileContent.safeParse(value, { error: phrase })
  if (!content.success) return { entries: [], damage: [sentenceOf(content.error)] }
  const entries: ManualEntry[] = []
  const damage: string[] = []
  for (const [index, candidate] of content.data.entries.entries()) {
    const entry = fileEntry.safeParse(candidate, { error: phrase })
    if (entry.success) entries.push(entry.data)
    else damage.push(`entry ${index + 1}: ${sentenceOf(entry.error)}`)
  }
  return { entries, damage }
}

export function encodeManual(entries: ManualEntries): string {
  const lines = entries.map((entry) => `    ${JSON.stringify(toFileEntry(entry))}`)
  return `{"format": ${FORMAT}, "entries": [${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}]}\n`
}

function toFileEntry({ target, says, reason, by, since, expiresAt }: ManualEntry) {
  return {
    target,
    says: says.kind,
    ...(says.kind === 'weight' ? { weight: says.weight } : {}),
    reason,
    by,
    since: new Date(since).toISOString(),
    expires_at: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
  }
}

const sentenceOf = ({ issues }: z.ZodError) =>
  issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join(', ')

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o640)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** So that the new name survives a crash of the machine, too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
