import { splitSeverity } from './answers.ts'
import type { AdminState, ObservedServer } from './model.ts'

/** Readers of what HAProxy reports on its stats socket. All are pure; columns are found by their names where there are any. */

/** Bits of `srv_admin_state`: only what an operator or the Runtime API forced; inherited maintenance is not ours to end. */
const FORCED_MAINT = 0x01
const FORCED_DRAIN = 0x08
/** Bits of `srv_check_state`. */
const CHECK_CONFIGURED = 0x02
const CHECK_ENABLED = 0x04

const STATE_COLUMNS = [
  'be_name',
  'srv_name',
  'srv_id',
  'srv_addr',
  'srv_port',
  'srv_uweight',
  'srv_admin_state',
  'srv_check_state',
] as const

/**
 * Reads `show servers state [<backend>]`: servers by backend, in HAProxy's order. Backends without servers do not appear.
 * undefined: HAProxy has no such backend.
 * @throws SyntaxError when the text is anything else.
 */
export function parseServersState(text: string): ReadonlyMap<string, readonly ObservedServer[]> | undefined {
  const { words } = splitSeverity(text)
  if (/^(?:Can't find backend|No such backend)\.?$/.test(words)) return undefined
  const [version, header, ...rows] = words.split('\n')
  if (version !== '1' || header === undefined || !header.startsWith('# ')) {
    throw new SyntaxError(`not an answer to "show servers state": ${words.slice(0, 100)}`)
  }
  const columns = columnsOf(header, STATE_COLUMNS)
  const backends = new Map<string, ObservedServer[]>()
  const wanted = STATE_COLUMNS.map((name) => columns[name])
  for (const row of rows) {
    if (row === '') continue
    const [backend = '', ...fields] = fieldsOf(row, wanted)
    const servers = backends.get(backend)
    const server = observedServer(fields)
    if (servers === undefined) backends.set(backend, [server])
    else servers.push(server)
  }
  return backends
}

/** The wanted columns of a row, in the order of `wanted`. There may be ten thousand rows: the other columns are not cut out. */
function fieldsOf(row: string, wanted: readonly number[]): string[] {
  const fields: string[] = wanted.map(() => '')
  let start = 0
  for (let column = 0; start <= row.length; column++) {
    const blank = row.indexOf(' ', start)
    const end = blank === -1 ? row.length : blank
    const place = wanted.indexOf(column)
    if (place !== -1) fields[place] = row.slice(start, end)
    start = end + 1
  }
  return fields
}

/** @param fields those of `STATE_COLUMNS` after the first. */
function observedServer([
  name = '',
  id,
  address = '',
  port,
  weight,
  state,
  checkState,
]: readonly string[]): ObservedServer {
  const check = Number(checkState)
  return {
    name,
    address,
    port: Number(port),
    id: Number(id),
    weight: Number(weight),
    adminState: adminState(Number(state)),
    checking: (check & CHECK_CONFIGURED) !== 0 && (check & CHECK_ENABLED) !== 0,
  }
}

function adminState(bits: number): AdminState {
  if ((bits & FORCED_MAINT) !== 0) return 'maint'
  return (bits & FORCED_DRAIN) !== 0 ? 'drain' : 'ready'
}

/** Where each wanted column is in a header line that starts with `#`. */
function columnsOf<Name extends string>(header: string, names: readonly Name[]): Readonly<Record<Name, number>> {
  const found = header.replace(/^#\s*/, '').split(' ')
  const columns = {} as Record<Name, number>
  for (const name of names) {
    const index = found.indexOf(name)
    if (index === -1) throw new SyntaxError(`HAProxy's answer has no column ${name}: ${header}`)
    columns[name] = index
  }
  return columns
}

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
 * @throws SyntaxError when the text is anything else.
 */
export function parseServersConn(text: string): ReadonlyMap<string, ServerConnections> {
  const { words } = splitSeverity(text)
  const [header, ...rows] = words.split('\n')
  if (header === undefined || !header.startsWith('# ')) {
    throw new SyntaxError(`not an answer to "show servers conn": ${words.slice(0, 100)}`)
  }
  const columns = columnsOf(header, ['bkname/svname', 'used_cur', 'idle_cur'])
  return new Map(
    rows
      .filter((row) => row !== '')
      .map((row) => row.split(' '))
      .map((fields) => [
        fields[columns['bkname/svname']] ?? '',
        { used: Number(fields[columns.used_cur]), idle: Number(fields[columns.idle_cur]) },
      ]),
  )
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
