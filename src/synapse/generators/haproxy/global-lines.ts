import { configPath, type HaproxyOptions, isManaged } from './config.ts'

// A HAProxy of ours without a limit of its own reserves memory for as many connections as the process may have files,
// which a container often leaves at a billion. A `maxconn` in its place would keep HAProxy from starting where fewer
// files are allowed; this only bounds what it computes (half of it becomes maxconn).
const FILE_LIMIT = 'fd-hard-limit 40000'
const DEFAULT_DEFAULTS = [
  'timeout connect 1s',
  'timeout client 1m',
  'timeout server 1m',
  'timeout queue 10s',
  'retries 3',
  'option redispatch',
]

/** The stats sockets that synapse talks to. Several only where somebody else's HAProxy has several processes. */
export function socketPaths(options: HaproxyOptions): readonly string[] {
  const { socket_file_path: paths } = options
  if (paths !== undefined) return typeof paths === 'string' ? [paths] : paths
  return isManaged(options) ? [`${options.run_directory}/haproxy.sock`] : []
}

/** Several sockets belong to several processes: in a file that they share, each would take the sockets of the others. */
function ownSocketPaths(options: HaproxyOptions): readonly string[] {
  const paths = socketPaths(options)
  return isManaged(options) || paths.length === 1 ? paths : []
}

const STATE_FILE = 'server-state-file'
const LOAD_STATE = 'load-server-state-from-file'

/**
 * Where synapse tells the next worker what the present one knows of its servers; undefined when it does not: it cannot ask
 * HAProxy, somebody else reloads it, the user's own lines deal with the matter, or `zero-warning` would make of each server
 * that is down a HAProxy that does not start.
 * @see https://docs.haproxy.org/2.6/configuration.html#load-server-state-from-file
 */
export function serverStatePath(options: HaproxyOptions): string | undefined {
  const { do_writes: writes, do_reloads: reloads, do_socket: asks, global = [] } = options
  if (!writes || !reloads || !asks || ownDefaultsSection(options) !== undefined) return undefined
  const own = [...global, ...givenDefaults(options)].map((line) => line.split(/\s+/)[0] ?? '')
  return own.some((word) => STATE_WORDS.has(word)) ? undefined : `${configPath(options)}.servers`
}

const STATE_WORDS: ReadonlySet<string> = new Set([STATE_FILE, 'server-state-base', LOAD_STATE, 'zero-warning'])

/** The lines of `global`: the user's, and what synapse's driver needs where they do not have it. */
export function globalLines(options: HaproxyOptions): readonly string[] {
  const managed = isManaged(options)
  const own = options.global ?? []
  const has = (...keywords: readonly string[]) =>
    own.some((line) => keywords.every((keyword, index) => line.split(/\s+/)[index] === keyword))
  const lines = [...own]
  if (managed && !has('maxconn') && !has('fd-hard-limit') && !has('ulimit-n')) lines.push(FILE_LIMIT)
  if (options.do_socket || managed) lines.push(...socketLines(options, has))
  const statePath = serverStatePath(options)
  if (statePath !== undefined) lines.push(`${STATE_FILE} ${statePath}`)
  if (managed && options.hard_stop_after !== null && !has('hard-stop-after')) {
    lines.push(`hard-stop-after ${formatTime(options.hard_stop_after)}`)
  }
  if (managed && options.mworker_max_reloads !== undefined && !has('mworker-max-reloads')) {
    lines.push(`mworker-max-reloads ${options.mworker_max_reloads}`)
  }
  return lines
}

/** What the driver needs to talk to HAProxy, unless the user has such a socket. */
function socketLines(options: HaproxyOptions, has: (...keywords: readonly string[]) => boolean): readonly string[] {
  const missing = ownSocketPaths(options).filter((path) => !has('stats', 'socket', path))
  const lines = missing.map((path) => `stats socket ${path} mode 600 level admin expose-fd listeners`)
  // One idle connection of synapse stays open; HAProxy's own default would close it after 10 seconds.
  if (missing.length > 0 && !has('stats', 'timeout')) lines.push('stats timeout 1h')
  if (missing.length > 0 && !has('stats', 'maxconn')) lines.push('stats maxconn 20')
  return lines
}

/** In the largest unit that divides it: HAProxy takes whole numbers only. */
function formatTime(ms: number): string {
  const [unit, size] = UNITS.find(([, each]) => ms % each === 0) ?? ['ms', 1]
  return `${Math.max(1, Math.round(ms / size))}${unit}`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** The lines of `defaults`: the user's, or else ours, and what makes a new worker learn from the one before. */
export function defaultsLines(options: HaproxyOptions): readonly string[] {
  const lines = givenDefaults(options)
  return serverStatePath(options) === undefined ? lines : [...lines, `${LOAD_STATE} global`]
}

function givenDefaults(options: HaproxyOptions): readonly string[] {
  return options.defaults ?? (isManaged(options) ? DEFAULT_DEFAULTS : [])
}

/** The `defaults` that services live under: those of the last such section before them. */
export function effectiveDefaults(options: HaproxyOptions): readonly string[] {
  return ownDefaultsSection(options) ?? givenDefaults(options)
}

/** The lines of the last `defaults` among `extra_sections`, which takes the place of ours. */
function ownDefaultsSection({ extra_sections: sections }: HaproxyOptions): readonly string[] | undefined {
  return Object.entries(sections).findLast(([header]) => /^defaults\b/.test(header.trim()))?.[1]
}

const IDLE_CLOSE = 'option idle-close-on-response'

/**
 * What an HTTP frontend of a HAProxy that synapse reloads needs so that no request is lost: an old worker answers on its
 * idle connections once more before it closes them, where a client may be sending at this moment. They end with the next
 * answer or `timeout client`, and at the latest with `hard-stop-after`. Whatever the user says of this option stands.
 */
export function idleClose(options: HaproxyOptions, frontend: readonly string[]): readonly string[] {
  if (!isManaged(options)) return []
  const lines = [...effectiveDefaults(options), ...frontend].map((line) =>
    line.trim().toLowerCase().replaceAll(/\s+/g, ' '),
  )
  const mode = lines.findLast((line) => line.startsWith('mode '))
  return mode === 'mode http' && !lines.some((line) => line.endsWith(IDLE_CLOSE)) ? [IDLE_CLOSE] : []
}
