import { splitSeverity } from './answers.ts'
import { columnsOf, Rows } from './rows.ts'

/** Readers of what HAProxy reports on its stats socket. All are pure; columns are found by their names where there are any. */

/** The worker that answers on a stats socket. */
export interface WorkerInfo {
  readonly pid: number
  readonly version: string
  /** It was told to end by a reload or a stop and only serves what it has left. */
  readonly stopping: boolean
  /** Unix time in seconds; with the pid it tells two workers apart. 0 when HAProxy does not say (before 2.3). */
  readonly startedAt: number
}

/** Reads `show info`. @throws SyntaxError when there is no pid in it. */
export function parseInfo(text: string): WorkerInfo {
  const values = new Map<string, string>()
  for (const line of splitSeverity(text).words.split('\n')) {
    const colon = line.indexOf(': ')
    if (colon > 0) values.set(line.slice(0, colon), line.slice(colon + 2).trim())
  }
  const pid = Number(values.get('Pid'))
  if (!Number.isInteger(pid) || pid <= 0) {
    throw new SyntaxError(`not an answer to "show info": ${text.trim().slice(0, 100)}`)
  }
  return {
    pid,
    version: values.get('Version') ?? '',
    stopping: values.get('Stopping') === '1',
    startedAt: Number(values.get('Start_time_sec') ?? 0),
  }
}

/** Connections that hold a server: it cannot be deleted while either is above 0. */
export interface ServerConnections {
  readonly used: number
  readonly idle: number
}

/**
 * Reads `show servers conn [<backend>]`, by `backend/server`. Needs HAProxy 2.3.
 * @param wanted the servers that are asked for, as `backend/server`. Default: all.
 * @throws SyntaxError when the text is anything else.
 */
export function parseServersConn(text: string, wanted?: ReadonlySet<string>): ReadonlyMap<string, ServerConnections> {
  const { words } = splitSeverity(text)
  if (!words.startsWith('# ')) {
    throw new SyntaxError(`not an answer to "show servers conn": ${words.slice(0, 100)}`)
  }
  const rows = new Rows(words, 0, ['bkname/svname', 'used_cur', 'idle_cur'])
  const connections = new Map<string, ServerConnections>()
  while (rows.next()) {
    if (wanted?.has(rows.peek('bkname/svname')) === false) continue
    connections.set(rows.text('bkname/svname'), { used: rows.number('used_cur'), idle: rows.number('idle_cur') })
  }
  return connections
}

/** One row of `show stat`, as far as people ask for it. */
export interface StatRow {
  readonly proxy: string
  /** A server's name, `FRONTEND` or `BACKEND`. */
  readonly server: string
  readonly status: string
  readonly weight: number
  readonly sessions: number
  readonly queued: number
}

const STAT_COLUMNS = ['pxname', 'svname', 'qcur', 'scur', 'status', 'weight'] as const

/** Reads `show stat` (CSV). @throws SyntaxError when the text is anything else. */
export function parseStat(text: string): readonly StatRow[] {
  const [header, ...rows] = splitSeverity(text).words.split('\n')
  if (header === undefined || !header.startsWith('# pxname,')) {
    throw new SyntaxError(`not an answer to "show stat": ${text.trim().slice(0, 100)}`)
  }
  const columns = columnsOf(header.replaceAll(',', ' '), STAT_COLUMNS)
  return rows
    .filter((row) => row !== '')
    .map((row) => row.split(','))
    .map((fields) => ({
      proxy: fields[columns.pxname] ?? '',
      server: fields[columns.svname] ?? '',
      status: fields[columns.status] ?? '',
      weight: Number(fields[columns.weight]),
      sessions: Number(fields[columns.scur]),
      queued: Number(fields[columns.qcur]),
    }))
}

/** What the master process reports of itself and its workers. */
export interface MasterInfo {
  readonly pid: number
  /** Reloads so far, failed ones included. */
  readonly reloads: number
  /** Reloads that failed since the last one that did not. */
  readonly failed: number
  /** Workers that serve. Empty after a failed reload on 3.x, where the serving one is listed among the old. */
  readonly workers: readonly number[]
  /** Workers that end what they have left. */
  readonly oldWorkers: readonly number[]
}

/** Reads `show proc` of the master socket. @throws SyntaxError when there is no master in it. */
export function parseProc(text: string): MasterInfo {
  const workers: number[] = []
  const oldWorkers: number[] = []
  let master: Pick<MasterInfo, 'pid' | 'reloads' | 'failed'> | undefined
  let section = workers
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) section = line.startsWith('# old') ? oldWorkers : workers
    const [, pid, type, reloads, failed] = /^(\d+)\s+(\w+)\s+(\d+)(?: \[failed: (\d+)\])?/.exec(line) ?? []
    if (type === 'master') master = { pid: Number(pid), reloads: Number(reloads), failed: Number(failed ?? 0) }
    else if (type === 'worker') section.push(Number(pid))
  }
  if (master === undefined) throw new SyntaxError(`not an answer to "show proc": ${text.trim().slice(0, 100)}`)
  return { ...master, workers, oldWorkers }
}
