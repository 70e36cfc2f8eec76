/** Where in a configuration: keys of maps and indexes of lists, from the top. */
export type ConfigPath = readonly (string | number)[]

/** A place in a file, counted from 1 as editors do. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One mistake in a configuration. */
export interface Problem {
  /** A warning does not keep the configuration from being used. */
  readonly severity: 'error' | 'warning'
  /** As the operator wrote it. */
  readonly file: string
  /** Absent when the whole file is meant, e.g. because it cannot be read. */
  readonly position?: Position | undefined
  /** Inside the file. */
  readonly path: ConfigPath
  /** What was found and what is allowed; no full stop at the end. */
  readonly message: string
  /** The word that was most likely meant. */
  readonly suggestion?: string | undefined
}

/** `file:line:column key.path: what was found, what is allowed. Did you mean "x"?`, on one line. */
export function formatProblem({ file, position, path, message, suggestion }: Problem): string {
  const place = position === undefined ? file : `${file}:${position.line}:${position.column}`
  const where = path.length === 0 ? place : `${place} ${formatPath(path)}`
  return `${where}: ${message}${suggestion === undefined ? '' : `. Did you mean "${suggestion}"?`}`
}

/** `services.web.checks[0].timeout`; keys that are not plain words are quoted: `services["a b"]`. */
export function formatPath(path: ConfigPath): string {
  return path.map(formatStep).join('')
}

function formatStep(step: string | number, index: number): string {
  if (typeof step === 'number') return `[${step}]`
  if (!/^[A-Za-z0-9_-]+$/.test(step)) return `[${JSON.stringify(step)}]`
  return index === 0 ? step : `.${step}`
}

/** By file, then line and column. One mistake that shows at several paths (a YAML alias) is kept once. */
export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  const byPlace = new Map(problems.toReversed().map((problem) => [placeAndMessage(problem), problem]))
  return [...byPlace.values()]
    .reverse()
    .sort(
      (a, b) =>
        compare(a.file, b.file) ||
        (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
        (a.position?.column ?? 0) - (b.position?.column ?? 0),
    )
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))

const placeAndMessage = ({ file, position, path, message }: Problem) =>
  JSON.stringify([file, position?.line ?? formatPath(path), position?.column, path.at(-1), message])

/** A found value in a few words: `"eighty"`, `70000`, `a list`, `nothing`. */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null || value === '') return value === '' ? '""' : 'nothing'
  if (typeof value === 'string')
    return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value)
  if (Array.isArray(value)) return 'a list'
  if (typeof value !== 'object') return String(value)
  return value instanceof Date ? 'a date' : 'a map'
}

const MAX_SHOWN = 60

const SECRET = /password|passwd|secret|token|digest|credential|authorization|cookie$|auth$|access_key/i

/** Whether the value at this path must never be printed. Paths of files (`password_file`) may. */
export function isSecret(path: ConfigPath): boolean {
  const key = path.findLast((step) => typeof step === 'string')
  return typeof key === 'string' && SECRET.test(key) && !key.endsWith('_file')
}
