import { readFile, rename, writeFile } from 'node:fs/promises'
import type { WorkerInfo } from './observe.ts'

const FORMAT = 1

/** Which workers were started with which structure: so a synapse that starts anew knows what the HAProxy it finds runs with. */
export interface RunningRecord {
  readonly workers: readonly Pick<WorkerInfo, 'pid' | 'startedAt'>[]
  readonly structure: ReadonlyMap<string, string>
}

/** Reads the record; undefined when there is none or it cannot be understood, which costs one reload and nothing else. */
export async function readRecord(path: string): Promise<RunningRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '{}')
  return decodeRecord(text)
}

/** Replaces the record atomically. */
export async function writeRecord(path: string, { workers, structure }: RunningRecord): Promise<void> {
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
