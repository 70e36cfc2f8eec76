import * as z from 'zod'
import { OWN_KEYS } from './own-keys.ts'

type JsonSchema = z.core.JSONSchema.JSONSchema

/** How the values of a file may come from the environment: `${NAME}` anywhere, or `{{ .NAME }}` in a text. */
export type Expressions = 'environment' | 'template'

/**
 * The JSON Schema (draft 2020-12) of what people may write, for editors. Wherever a number, a flag or a set word is
 * expected, an expression that takes it from the environment is accepted too.
 */
export function toConfigSchema(schema: z.ZodType, title: string, expressions: Expressions = 'environment'): string {
  const { $schema, $defs, ...root } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => tidy(jsonSchema),
  })
  const allow = (node: unknown) => allowEnvironment(node, expressions)
  const definitions = { ...(allow($defs ?? {}) as object), environment: EXPRESSIONS[expressions] }
  const json = {
    $schema,
    title,
    ...(allow(root) as object),
    patternProperties: { [OWN_KEYS]: {} },
    $defs: definitions,
  }
  return `${JSON.stringify(json, undefined, 2)}\n`
}

const EXPRESSIONS = {
  environment: {
    type: 'string',
    pattern: '\\$\\{|<%=',
    description: `A value from the environment: \${NAME}, \${NAME:-default}.`,
  },
  template: {
    type: 'string',
    pattern: '\\{\\{',
    description: 'A value from the environment: {{ .NAME }}. A number or a flag is written without quotes.',
  },
} as const

const EXPRESSION = { $ref: '#/$defs/environment' } as const

/** Limits that only say "a safe integer" help nobody. */
function tidy(json: JsonSchema): void {
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum
}

/** Rewrites every schema of a scalar that the text of an expression would not match. */
function allowEnvironment(node: unknown, expressions: Expressions): unknown {
  if (Array.isArray(node)) return node.map((item) => allowEnvironment(item, expressions))
  if (typeof node !== 'object' || node === null) return node
  const rewritten: Readonly<Record<string, unknown>> = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      PLAIN_VALUES.has(key) ? value : allowEnvironment(value, expressions),
    ]),
  )
  const { description, default: fallback, deprecated, ...rules } = rewritten
  const about = { description, default: fallback, deprecated }
  if (refusesExpressions(rules, expressions)) return given({ ...about, anyOf: [rules, EXPRESSION] })
  return Array.isArray(rules['anyOf']) ? given({ ...about, ...rules, anyOf: flatten(rules['anyOf']) }) : rewritten
}

/** Keywords that hold plain values, not schemas. */
const PLAIN_VALUES: ReadonlySet<string> = new Set(['default', 'const', 'enum', 'examples', 'required'])

function refusesExpressions(
  { type, pattern, const: word, enum: words }: Readonly<Record<string, unknown>>,
  expressions: Expressions,
): boolean {
  if (word !== undefined) return false // it says which alternative is meant
  if (expressions === 'template') return pattern !== undefined || words !== undefined
  return type === 'number' || type === 'integer' || type === 'boolean' || pattern !== undefined || words !== undefined
}

/** Alternatives of alternatives are alternatives; an expression is one of them at most once, and last. */
function flatten(alternatives: readonly unknown[]): readonly unknown[] {
  const all = alternatives.flatMap((alternative) => {
    const isNested =
      typeof alternative === 'object' && alternative !== null && Object.keys(alternative).join() === 'anyOf'
    return isNested ? (alternative as { readonly anyOf: readonly unknown[] }).anyOf : [alternative]
  })
  const own = all.filter((alternative) => alternative !== EXPRESSION)
  return own.length === all.length ? own : [...own, EXPRESSION]
}

const given = (entries: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined))
