import { readFile, rename, writeFile } from 'node:fs/promises'
import { messageOf } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import type { WorkerInfo } from './observe.ts'
import type { WorkerLink } from './worker-link.ts'

const FORMAT = 1

/** Which workers were started with which structure. */
interface RunningRecord {
  readonly workers: readonly Identity[]
  readonly structure: ReadonlyMap<string, string>
}

/** Remembers on disk what HAProxy was started with, so that the next synapse knows what the HAProxy it finds runs with. */
export class RunningMemory {
  readonly #path: string
  readonly #log: Logger
  #found: RunningRecord | undefined
  #saved = ''

  constructor(path: string, log: Logger) {
    this.#path = path
    this.#log = log
  }

  /** Reads what an earlier synapse left. */
  async load(): Promise<void> {
    this.#found = await readRecord(this.#path)
  }

  /** What an earlier synapse started this worker with; undefined when it did not. */
  structureOf({ worker }: WorkerLink): ReadonlyMap<string, string> | undefined {
    const isIt = ({ pid, startedAt }: Identity) => pid === worker?.pid && startedAt === worker.startedAt
    return this.#found?.workers.some(isIt) ? this.#found.structure : undefined
  }

  /** Writes what runs now, if other workers run than the last time. A failure costs a reload at the next start, no more. */
  async save(links: readonly WorkerLink[]): Promise<void> {
    const workers = links.flatMap(({ worker }) => (worker === undefined ? [] : [worker]))
    const structure = links[0]?.structure
    const identity = workers.map(({ pid, startedAt }) => `${pid} ${startedAt}`).join()
    if (structure === undefined || identity === this.#saved) return
    this.#saved = identity
    try {
      await writeRecord(this.#path, { workers, structure })
    } catch (error) {
      this.#log.warn('cannot write what haproxy was started with', { reason: messageOf(error) })
    }
  }
}

type Identity = Pick<WorkerInfo, 'pid' | 'startedAt'>

/** Reads the record; undefined when there is none or it cannot be understood, which costs one reload and nothing else. */
async function readRecord(path: string): Promise<RunningRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '{}')
  return decodeRecord(text)
}

/** Replaces the record atomically. */
async function writeRecord(path: string, { workers, structure }: RunningRecord): Promise<void> {
  const identities = workers.map(({ pid, startedAt }) => ({ pid, started_at: startedAt }))
  const record = { format: FORMAT, workers: identities, structure: Object.fromEntries(structure) }
  await writeFile(`${path}.tmp`, `${JSON.stringify(record, null, 1)}\n`, { mode: 0o600 })
  await rename(`${path}.tmp`, path)
}

function decodeRecord(text: string): RunningRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined // cut off while it was written: as good as none
  }
  if (!isObject(value) || value['format'] !== FORMAT) return undefined
  const { workers, structure } = value
  if (!Array.isArray(workers) || !isObject(structure)) return undefined
  return {
    workers: workers
      .filter(isObject)
      .map(({ pid, started_at }) => ({ pid: Number(pid), startedAt: Number(started_at) })),
    structure: new Map(Object.entries(structure).map(([header, lines]) => [header, String(lines)])),
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
