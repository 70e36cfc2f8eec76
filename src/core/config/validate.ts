import type * as z from 'zod'
import { type Finding, findMistakes } from './findings.ts'
import { nearestKey } from './nearest-key.ts'
import { type ConfigPath, describeValue, isSecret, type Problem, sortProblems } from './problems.ts'
import { isMap, problemAt, type Sources } from './sources.ts'
import { flagOf } from './yaml-flags.ts'

export type Validation<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export interface ValidateOptions {
  /** Unknown keys are warnings, and left out. */
  readonly lenient: boolean
  /** The case of keys does not count, as where Go reads JSON. Default false. */
  readonly anyCase?: boolean | undefined
}

/**
 * Checks what was read against the schema. Each mistake gives exactly one problem, at its place.
 *
 * Three things are mended before they count: a key without a value counts as not given (unless the schema takes null),
 * words are read as the schema wants them (see `meantInstead`), and ignored keys are left out with a warning.
 */
export function validate<T>(schema: z.ZodType<T>, sources: Sources, options: ValidateOptions): Validation<T> {
  const data: unknown = structuredClone(sources.value)
  const warnings: Problem[] = []
  for (;;) {
    const outcome = findMistakes(schema, data)
    if (outcome.ok) return { ok: true, value: outcome.value, warnings: sortProblems(warnings) }
    let mended = 0
    for (const finding of outcome.findings) {
      const done = mend(finding, data, sources, options)
      if (done === undefined) continue
      mended += 1
      if (done.warning !== undefined) warnings.push(done.warning)
    }
    if (mended === 0) return { ok: false, problems: [...tell(outcome.findings, data, sources), ...warnings] }
  }
}

/** A finding that `mend` dealt with, and what to tell of it. */
interface Mended {
  readonly warning?: Problem
}

/** Changes `data` so that the finding is none any more. Returns undefined when it is a mistake. */
function mend(finding: Finding, data: unknown, sources: Sources, options: ValidateOptions): Mended | undefined {
  const holder = valueAt(data, finding.path.slice(0, -1))
  const key = finding.path.at(-1)
  if (typeof holder !== 'object' || holder === null || key === undefined) return undefined
  const entries = holder as Record<string | number, unknown>
  if (options.anyCase === true && isMap(holder) && respell(finding, entries, key)) return {}
  if (!Object.hasOwn(holder, key)) return undefined
  const meant = meantInstead(finding, entries[key], sources)
  if (meant !== undefined) {
    entries[key] = meant
    return {}
  }
  const leftOut = isMap(holder) ? leaveOut(finding, entries[key], sources, options.lenient) : undefined
  if (leftOut !== undefined) delete entries[key]
  return leftOut
}

/**
 * Gives a key the case that it has in the schema: the unknown one, or the one that stands where another is missing, which
 * may be what tells the kind of its map. Returns whether it did.
 */
function respell(finding: Finding, entries: Record<string | number, unknown>, key: string | number): boolean {
  const isUnknown = finding.kind === 'unknown-key'
  const from = isUnknown ? key : inAnyCase(key, Object.keys(entries))
  const to = isUnknown ? inAnyCase(key, finding.known ?? []) : key
  if (from === undefined || to === undefined) return false
  if (!Object.hasOwn(entries, from) || Object.hasOwn(entries, to)) return false
  entries[to] = entries[from]
  delete entries[from]
  return true
}

const inAnyCase = (key: string | number, known: readonly string[]) =>
  known.find((candidate) => candidate.toLowerCase() === String(key).toLowerCase())

/**
 * What a value means where the schema wants another type. YAML makes a number of a plain `${HOSTNAME}` like 12e5: where
 * text is wanted, the text counts. And `yes`, `no`, `on`, `off`, `y`, `n` are flags in old files, which are YAML 1.1.
 */
function meantInstead({ wants, path }: Finding, value: unknown, sources: Sources): string | boolean | undefined {
  if (wants.includes('boolean') && typeof value === 'string') return flagOf(value) ?? GO_FLAGS[value.toLowerCase()]
  if (!wants.includes('string') || typeof value === 'string') return undefined
  return sources.locate(path).environment?.text || undefined
}

/** Flags to Go's reader of YAML 1.1, where one is wanted; Ruby's takes them for text. */
const GO_FLAGS: Readonly<Record<string, boolean>> = { y: true, n: false }

function leaveOut(finding: Finding, value: unknown, sources: Sources, lenient: boolean): Mended | undefined {
  switch (finding.kind) {
    case 'bad-key':
      return undefined
    case 'ignored-key':
      return { warning: problemAt(sources, finding.path, finding.message, { severity: 'warning', atKey: true }) }
    case 'unknown-key':
      return lenient ? { warning: unknownKeyLeftOut(finding, sources) } : undefined
    default:
      return value === null ? {} : undefined
  }
}

/** The problems of findings. What only follows from another mistake is left out. */
function tell(findings: readonly Finding[], data: unknown, sources: Sources): readonly Problem[] {
  const distinct = new Map(findings.map((finding) => [JSON.stringify([finding.path, finding.message]), finding]))
  return [...distinct.values()]
    .filter((finding) => !followsFromAnother(finding, findings, data, sources))
    .map((finding) => toProblem(finding, data, sources))
}

function followsFromAnother(finding: Finding, all: readonly Finding[], data: unknown, sources: Sources): boolean {
  const { environment } = sources.locate(finding.path)
  if (environment !== undefined && environment.text === undefined) return true // the variable is missing: told already
  if (!isMissing(finding, data)) return false
  const siblings = all.filter(({ kind, path }) => kind === 'unknown-key' && sameMap(path, finding.path))
  return siblings.some(
    (sibling) => nearestKey(String(sibling.path.at(-1)), sibling.known ?? []) === finding.path.at(-1),
  )
}

const sameMap = (a: ConfigPath, b: ConfigPath) =>
  a.length === b.length && a.slice(0, -1).every((step, index) => step === b[index])

function toProblem(finding: Finding, data: unknown, sources: Sources): Problem {
  const { kind, path, message } = finding
  if (kind === 'unknown-key') return unknownKey(finding, sources)
  if (kind === 'bad-key') return problemAt(sources, path, `bad key: ${message}`, { atKey: true })
  const value = valueAt(data, path)
  if (isMissing(finding, data)) return missing(finding, data, sources)
  const container = typeof value === 'object' && value !== null
  if (container && !message.startsWith('expected ')) return problemAt(sources, path, message)
  const { environment } = sources.locate(path)
  const origin = environment === undefined ? '' : ` (from ${environment.source})`
  const found = isSecret(path) ? 'found a value that is not shown' : `found ${describeValue(value)}${origin}`
  const suggestion = typeof value === 'string' ? nearestKey(value, listedIn(message)) : undefined
  const inQuotes = message === 'expected text' && !container ? '; put it in quotes' : ''
  return problemAt(sources, path, `${found}, ${message}${inQuotes}`, { suggestion })
}

function unknownKey({ path, known = [] }: Finding, sources: Sources): Problem {
  const suggestion = nearestKey(String(path.at(-1)), known)
  const own = path.length === 1 ? ', and x-anything for your own' : ''
  const hint = suggestion === undefined && known.length > 0 ? `; known are ${known.toSorted().join(', ')}${own}` : ''
  return problemAt(sources, path, `unknown key${hint}`, { suggestion, atKey: true })
}

function unknownKeyLeftOut({ path, known = [] }: Finding, sources: Sources): Problem {
  const suggestion = nearestKey(String(path.at(-1)), known)
  return problemAt(sources, path, 'unknown key, left out', { severity: 'warning', suggestion, atKey: true })
}

function missing({ path, message }: Finding, data: unknown, sources: Sources): Problem {
  const key = String(path.at(-1))
  const parent = valueAt(data, path.slice(0, -1))
  const misspelt = isMap(parent) ? nearestKey(key, Object.keys(parent)) : undefined
  if (misspelt !== undefined) {
    const options = { suggestion: key, atKey: true }
    return problemAt(sources, [...path.slice(0, -1), misspelt], 'unknown key', options)
  }
  const { environment } = sources.locate(path)
  if (environment !== undefined) return problemAt(sources, path, `${environment.source} is empty, ${message}`)
  const { file, path: inside, ...place } = sources.locate(path)
  return { severity: 'error', file, position: place.key, path: inside, message: `missing, ${message}` }
}

/** Whether the finding says that a key is not there. */
const isMissing = ({ kind, path }: Finding, data: unknown) =>
  kind !== 'unknown-key' && path.length > 0 && valueAt(data, path) === undefined

/** The words of `expected one of a, b, c` and `expected a or b`. */
function listedIn(message: string): readonly string[] {
  const list = /^expected (?:one of )?([\w., -]+)$/.exec(message)?.[1] ?? ''
  return list.split(/, | or /).filter((word) => word !== '' && !word.includes(' '))
}

function valueAt(data: unknown, path: ConfigPath): unknown {
  let value = data
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}
