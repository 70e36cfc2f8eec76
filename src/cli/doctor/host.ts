import { constants } from 'node:fs'
import { access, readFile, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import { readSpool } from '../../nerve/hacheck-spool.ts'
import { type Finding, ok, problem, warning } from './findings.ts'

/** What any machine is looked at for: the runtime, limits, directories, the clock. */

const OLDEST_NODE = [20, 19] as const

export function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const oldest = OLDEST_NODE.join('.')
  const tooOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
  return tooOld ? problem('node', version, `install Node ${oldest} or newer`) : ok('node', version)
}

/** Files that a connection of HAProxy takes: one to the client, one to the server. */
const FILES_PER_CONNECTION = 2
const HAPROXY_FILES = 4096
const NERVE_FILES = 1024
const SPARE_FILES = 100

/** How many files a daemon of this kind needs. `globalLines` are those of HAProxy's section `global`. */
export function filesNeeded(globalLines: readonly string[] | undefined): number {
  if (globalLines === undefined) return NERVE_FILES
  const maxconn = globalLines.flatMap((line) => /^maxconn\s+(\d+)/.exec(line)?.[1] ?? []).map(Number)
  return Math.max(HAPROXY_FILES, ...maxconn.map((count) => count * FILES_PER_CONNECTION + SPARE_FILES))
}

/** The limit that a process may raise itself to. */
export async function examineFileLimit(needed: number): Promise<Finding> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1]
  if (hard === undefined) return ok('file limit', 'this system does not tell')
  const limit = hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
  if (limit >= needed) return ok('file limit', `${hard} open files`)
  return warning('file limit', `${hard} open files, less than ${needed}`, 'raise LimitNOFILE, or ulimit -n')
}

const LITTLE_SPACE = 64 * 1024 * 1024

/** Whether files can be written in a directory, which the daemon would make if it does not exist. */
export async function examineDirectory(area: string, path: string): Promise<Finding> {
  const remedy = `give the user of the daemon the right to write there, or set another ${area}`
  const existing = await nearestExisting(path)
  try {
    if (!(await stat(existing)).isDirectory()) return problem(area, `${existing} is no directory`, remedy)
    await access(existing, constants.W_OK | constants.X_OK)
    const { bavail, blocks, bsize } = await statfs(existing)
    const free = bavail * bsize
    if (blocks > 0 && free < LITTLE_SPACE) {
      return warning(area, `${path}: only ${Math.floor(free / 1024 / 1024)} MB are free`, 'make room on that disk')
    }
  } catch (error) {
    return problem(area, `cannot write in ${existing}: ${messageOf(error)}`, remedy)
  }
  return ok(area, existing === path ? `${path} is writable` : `${path} does not exist and can be made`)
}

/** Whether the spool of Yelp's hacheck can be followed. While it cannot, `hadown` takes nothing down. */
export async function examineSpool(path: string): Promise<Finding> {
  const area = 'hacheck_spool'
  try {
    await stat(path)
    const down = (await readSpool(path)).map(({ target }) => target)
    return ok(area, `${path} can be read${down.length === 0 ? '' : `, and takes down ${down.join(', ')}`}`)
  } catch (error) {
    if (isMissing(error))
      return warning(
        area,
        `${path} does not exist: hadown has no effect`,
        `set ${area} to the directory that hacheck uses`,
      )
    return problem(
      area,
      `cannot read ${path}, so hadown has no effect: ${messageOf(error)}`,
      'give the user of the daemon the right to read the directory and its files',
    )
  }
}

async function nearestExisting(path: string): Promise<string> {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    const parent = dirname(candidate)
    const exists = await stat(candidate).then(
      () => true,
      (error: unknown) => !isMissing(error),
    )
    if (exists || parent === candidate) return candidate
  }
}

const isMissing = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** This code is not older than that; a clock that says so is wrong. */
const EARLIEST = Date.UTC(2025, 0, 1)
/** File systems and people set times by hand; a minute is no harm. */
const TOLERANCE_MS = 60_000
/** More than a daemon that slews the clock moves it in the time of a visit. */
const JUMP_MS = 1_000

export interface ClockReading {
  /** ms since 1970. */
  readonly wallTime: number
  /** ms on a clock that never jumps. */
  readonly now: number
}

/** Whether the time of day can be right, from two looks at it and the times of the configuration files. Pure. */
export function examineClock(first: ClockReading, last: ClockReading, newestFile: number | undefined): Finding {
  const shown = `${new Date(last.wallTime).toISOString().slice(0, 19)}Z`
  const remedy = 'look after NTP (timedatectl, chronyc tracking): TLS and expiry dates go by this clock'
  if (last.wallTime < EARLIEST) return problem('clock', `${shown} is long ago`, remedy)
  const jumped = last.wallTime - first.wallTime - (last.now - first.now)
  if (Math.abs(jumped) > JUMP_MS) {
    return warning('clock', `${shown}; it jumped by ${Math.round(jumped)} ms while I looked`, remedy)
  }
  if (newestFile !== undefined && newestFile > last.wallTime + TOLERANCE_MS) {
    return warning('clock', `${shown}, but a configuration file is from the future`, remedy)
  }
  return ok('clock', shown)
}

/** When the newest of these files was written, ms since 1970; undefined when none can be looked at. */
export async function newestOf(files: readonly string[]): Promise<number | undefined> {
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => Number.NEGATIVE_INFINITY, // whether it can be read is told elsewhere
      ),
    ),
  )
  const newest = Math.max(...times)
  return Number.isFinite(newest) ? newest : undefined
}
