import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { decodePayload, encodePayload, type ServiceInstance } from '../core/service-instance.ts'

const FORMAT = 1

/** The instances of each service, by its name. */
export type KnownInstances = ReadonlyMap<string, readonly ServiceInstance[]>

/**
 * Remembers on disk what each service last had, so that a synapse that starts while the registry is away serves what it
 * served before. The file is replaced atomically; one that cannot be read is reported and counts as empty.
 */
export class LastKnownGood {
  readonly #path: string
  readonly #onProblem: (message: string) => void
  /** What the file holds, one part per service; undefined while nobody knows. */
  #written: readonly Buffer[] | undefined
  /**
   * The part of each service. A list of instances never changes, so what was worked out for it holds as long as it lives. As
   * bytes, which the garbage collector does not have to look through.
   */
  readonly #parts = new WeakMap<readonly ServiceInstance[], { readonly name: string; readonly part: Buffer }>()
  #saving: Promise<void> = Promise.resolve()
  /** Said once, until writing works again. */
  #problem: string | undefined

  constructor(directory: string, onProblem: (message: string) => void) {
    this.#path = join(directory, 'instances.json')
    this.#onProblem = onProblem
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

  /** Writes what changed. A failure is reported, never thrown: traffic does not depend on it. */
  save(known: KnownInstances): Promise<void> {
    this.#saving = this.#saving.then(() =>
      this.#save([...known].map(([name, instances]) => this.#part(name, instances))),
    )
    return this.#saving
  }

  async #save(parts: readonly Buffer[]): Promise<void> {
    if (this.#written !== undefined && sameParts(parts, this.#written)) return
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      const candidate = `${this.#path}.tmp`
      const file = await open(candidate, 'w', 0o640)
      try {
        await writeAll(file, piecesOf(parts))
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

  #part(name: string, instances: readonly ServiceInstance[]): Buffer {
    const known = this.#parts.get(instances)
    if (known?.name === name) return known.part
    const part = Buffer.from(`  ${JSON.stringify(name)}: [\n${encodeInstances(instances)}\n  ]`)
    this.#parts.set(instances, { name, part })
    return part
  }
}

const START = Buffer.from(`{"format": ${FORMAT}, "services": {\n`)
const BETWEEN = Buffer.from(',\n')
const END = Buffer.from('\n}}\n')

function piecesOf(parts: readonly Buffer[]): readonly Buffer[] {
  return [START, ...parts.flatMap((part, index) => (index === 0 ? [part] : [BETWEEN, part])), END]
}

/** Writes the pieces without a copy of them: of ten thousand instances it would be two megabytes each time. */
async function writeAll(file: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  const { bytesWritten } = await file.writev(pieces)
  const total = pieces.reduce((sum, { length }) => sum + length, 0)
  if (bytesWritten !== total) throw new Error(`only ${bytesWritten} of ${total} bytes could be written`)
}

function sameParts(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index] || part.equals(b[index] ?? END))
}

function encodeInstances(instances: readonly ServiceInstance[]): string {
  return instances.map((instance) => `    ${encodeKnown(instance)}`).join(',\n')
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
