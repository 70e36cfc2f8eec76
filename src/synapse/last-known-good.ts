import { mkdir, open, readFile, rename, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { decodePayload, encodePayload, type ServiceInstance } from '../core/service-instance.ts'
import { writePieces } from '../core/write-pieces.ts'
import { WrittenList } from '../core/written-list.ts'

const FORMAT = 1

/** The instances of each service, by its name. */
export type KnownInstances = ReadonlyMap<string, readonly ServiceInstance[]>

/**
 * Remembers on disk what each service last had, so that a synapse that starts while the registry is away serves what it
 * served before. The file is replaced atomically; one that cannot be read is reported and counts as empty.
 */
export class LastKnownGood {
  readonly #path: string
  readonly #clock: Clock
  readonly #onProblem: (message: string) => void
  /** What the file holds, by service; undefined while nobody knows. */
  #written: Parts | undefined
  /** The lines of each service. */
  #lists = new Map<string, WrittenList<ServiceInstance>>()
  #saving: Promise<void> = Promise.resolve()
  /** Said once, until writing works again. */
  #problem: string | undefined

  constructor(directory: string, clock: Clock, onProblem: (message: string) => void) {
    this.#path = join(directory, 'instances.json')
    this.#clock = clock
    this.#onProblem = onProblem
  }

  /** How long ago, ms, the file was last known to be right: some minutes before the end of the last synapse at the most. */
  async age(): Promise<number> {
    const { mtimeMs } = await stat(this.#path).catch(() => ({ mtimeMs: Number.NEGATIVE_INFINITY })) // as old as can be
    return this.#clock.wallTime() - mtimeMs
  }

  async load(): Promise<KnownInstances> {
    try {
      return parse(await readFile(this.#path, 'utf8'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#onProblem(`cannot read ${this.#path}, starting without it: ${messageOf(error)}`)
      }
      return new Map()
    }
  }

  /** Writes what changed, or else shows by the file's time that it is right. A failure is reported, never thrown: traffic does not depend on it. */
  save(known: KnownInstances): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(this.#partsOf(known)))
    return this.#saving
  }

  async #save(parts: Parts): Promise<void> {
    const isSame = this.#written !== undefined && sameParts(parts, this.#written)
    if (isSame && (await this.#touch())) return
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      const candidate = `${this.#path}.tmp`
      const file = await open(candidate, 'w', 0o640)
      try {
        await writePieces(file, piecesOf(parts))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(candidate, this.#path)
      this.#written = parts
      this.#problem = undefined
    } catch (error) {
      const problem = `cannot remember the instances in ${this.#path}: ${messageOf(error)}`
      if (problem !== this.#problem) this.#onProblem(problem)
      this.#problem = problem
    }
  }

  /** False when the file is not there any more, or not ours to touch: it is written anew then. */
  #touch(): Promise<boolean> {
    const now = new Date(this.#clock.wallTime())
    return utimes(this.#path, now, now).then(
      () => true,
      () => false,
    )
  }

  #partsOf(known: KnownInstances): Parts {
    this.#lists = new Map([...known.keys()].map((name) => [name, this.#lists.get(name) ?? new WrittenList(lineOf)]))
    return new Map([...known].map(([name, instances]) => [name, this.#lists.get(name)?.write(instances) ?? NONE]))
  }
}

/** The lines of each service's instances. */
type Parts = ReadonlyMap<string, Buffer>

const NONE = Buffer.alloc(0)
/** Between two instances, the end of each line but the last of a service. */
const COMMA = ',\n'

function lineOf(instance: ServiceInstance): string {
  return `    ${encodeKnown(instance)},`
}

function piecesOf(parts: Parts): readonly Buffer[] {
  const pieces: Buffer[] = [Buffer.from(`{"format": ${FORMAT}, "services": {\n`)]
  for (const [name, lines] of parts) {
    const before = pieces.length === 1 ? '' : COMMA
    pieces.push(Buffer.from(`${before}  ${JSON.stringify(name)}: [\n`))
    pieces.push(lines.subarray(0, Math.max(0, lines.length - COMMA.length)), END_OF_LIST)
  }
  return [...pieces, END]
}

const END_OF_LIST = Buffer.from('\n  ]')
const END = Buffer.from('\n}}\n')

function sameParts(a: Parts, b: Parts): boolean {
  return a.size === b.size && [...a].every(([name, lines]) => b.get(name)?.equals(lines) === true)
}

function encodeKnown({ sequence, ...instance }: ServiceInstance): string {
  const payload = encodePayload(instance)
  return sequence === undefined ? payload : `${payload.slice(0, -1)},"sequence":${sequence}}`
}

function parse(text: string): KnownInstances {
  const { format: version, services } = JSON.parse(text) as { format?: unknown; services?: unknown }
  if (version !== FORMAT || typeof services !== 'object' || services === null) {
    throw new Error(`not a file of format ${FORMAT}`)
  }
  const known = new Map<string, readonly ServiceInstance[]>()
  for (const [name, entries] of Object.entries(services)) {
    if (Array.isArray(entries)) known.set(name, entries.flatMap(decodeKnown))
  }
  return known
}

function decodeKnown(entry: unknown): ServiceInstance[] {
  const decoded = decodePayload(JSON.stringify(entry))
  if (!decoded.ok) return []
  const { sequence } = entry as { sequence?: unknown }
  return [typeof sequence === 'number' ? { ...decoded.instance, sequence } : decoded.instance]
}
