import type * as z from 'zod'
import { phrase } from './phrases.ts'
import type { ConfigPath } from './problems.ts'

/** One mistake that the schema found: a zod issue, with unions resolved and unknown keys one by one. */
export interface Finding {
  readonly kind: 'type' | 'unknown-key' | 'ignored-key' | 'bad-key' | 'other'
  readonly path: ConfigPath
  readonly message: string
  /** The keys that the map of an unknown key takes. */
  readonly known?: readonly string[]
  /** The types that would have been right here; empty unless the type is the mistake. */
  readonly wants: readonly string[]
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/** Checks plain data against a schema. */
export function findMistakes<T>(schema: z.ZodType<T>, data: unknown): Outcome<T> {
  // The issue of an unknown key does not say which keys are known; the schema that raised it does.
  const knownKeys = new WeakMap<object, readonly string[]>()
  const result = schema.safeParse(data, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') knownKeys.set(issue.keys, keysOf(issue.inst))
      return phrase(issue)
    },
  })
  if (result.success) return { ok: true, value: result.data }
  return { ok: false, findings: result.error.issues.flatMap((issue) => toFindings(issue, [], knownKeys)) }
}

function toFindings(
  issue: z.core.$ZodIssue,
  prefix: ConfigPath,
  knownKeys: WeakMap<object, readonly string[]>,
): readonly Finding[] {
  const path = [...prefix, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  const { message } = issue
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys.get(issue.keys) ?? []
      return issue.keys.map((key) => ({ kind: 'unknown-key', path: [...path, key], message, known, wants: [] }))
    }
    case 'invalid_union': {
      const branch = likelyBranch(issue)
      if (branch !== undefined) return branch.flatMap((inner) => toFindings(inner, path, knownKeys))
      const wants = issue.errors.flat().flatMap((inner) => (inner.path.length === 0 ? wanted(inner) : []))
      return [{ kind: wants.length > 0 ? 'type' : 'other', path, message, wants }]
    }
    case 'invalid_key':
      return [{ kind: 'bad-key', path, message: issue.issues[0]?.message ?? message, wants: [] }]
    case 'invalid_type':
      return [{ kind: 'type', path, message, wants: wanted(issue) }]
    default:
      return [{ kind: isIgnoredKey(issue) ? 'ignored-key' : 'other', path, message, wants: [] }]
  }
}

/**
 * The branch of a union that was meant, so that a mistake in it is told alone: one whose own type fits, and of those the
 * one with the fewest complaints. undefined when none fits: then the union's own message lists them all.
 */
function likelyBranch({ errors }: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined {
  const fitting = errors.filter((branch) => branch.length > 0 && !branch.some(isOfWrongType))
  return fitting.toSorted((a, b) => weight(a) - weight(b))[0]
}

const isOfWrongType = ({ code, path }: z.core.$ZodIssue) =>
  path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')

// A literal that differs means that another branch was meant, whatever else is wrong in this one.
const weight = (branch: readonly z.core.$ZodIssue[]) =>
  branch.length + 100 * branch.filter(({ code }) => code === 'invalid_value').length

const wanted = (issue: z.core.$ZodIssue): readonly string[] => (issue.code === 'invalid_type' ? [issue.expected] : [])

const isIgnoredKey = (issue: z.core.$ZodIssue) => issue.code === 'custom' && issue.params?.['ignoredKey'] === true

function keysOf(schema: z.core.$ZodType | z.core.$ZodCheck | undefined): readonly string[] {
  const definition: unknown = schema?._zod.def
  const hasShape = typeof definition === 'object' && definition !== null && 'shape' in definition
  if (!hasShape) return []
  const shape = Object.entries(definition.shape as Readonly<Record<string, z.ZodType>>)
  return shape.filter(([, key]) => key.meta()?.['deprecated'] !== true).map(([name]) => name)
}
