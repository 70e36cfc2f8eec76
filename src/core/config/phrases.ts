import type * as z from 'zod'

/** Says what is allowed, in place of zod's own sentences. A message given in the schema still wins over this one. */
export function phrase(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[String(issue['expected'])] ?? issue['expected']}`
    case 'invalid_value':
      return `expected ${oneOf(issue['values'])}`
    case 'too_small':
      return bound(issue, issue['minimum'], issue['inclusive'] ? 'at least' : 'more than')
    case 'too_big':
      return bound(issue, issue['maximum'], issue['inclusive'] ? 'at most' : 'less than')
    case 'invalid_format':
      return `expected text like ${issue['pattern'] ?? issue['format']}`
    case 'not_multiple_of':
      return `expected a multiple of ${issue['divisor']}`
    case 'unrecognized_keys':
      return 'unknown key'
    case 'invalid_union':
      return issue['discriminator'] === undefined ? alternatives(issue) : `expected ${oneOf(issue['options'])}`
    default:
      return 'not allowed'
  }
}

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a map',
  record: 'a map',
  string: 'text',
}

function oneOf(values: unknown): string {
  const known = Array.isArray(values) ? values.filter((value) => value !== undefined).map((value) => String(value)) : []
  return known.length === 1 ? known.join('') : `one of ${known.sort().join(', ')}`
}

function bound({ origin }: z.core.$ZodRawIssue, limit: unknown, comparison: string): string {
  const amount = String(limit)
  switch (origin) {
    case 'string':
      return comparison === 'at least' && amount === '1'
        ? 'must not be empty'
        : `expected ${comparison} ${amount} characters`
    case 'array':
    case 'map':
    case 'set':
      return `expected ${comparison} ${amount} ${amount === '1' ? 'entry' : 'entries'}`
    default:
      return `expected ${comparison} ${amount}`
  }
}

/** `expected text or a list`, of the messages of a union's branches. */
function alternatives(issue: z.core.$ZodRawIssue): string {
  const branches: unknown = issue['errors']
  if (!Array.isArray(branches)) return 'not allowed'
  const messages = branches.flatMap((branch: readonly { message: string }[]) => branch[0]?.message ?? [])
  const expected = messages.filter((message) => message.startsWith('expected ')).map((message) => message.slice(9))
  return expected.length === 0 ? 'not allowed' : `expected ${[...new Set(expected)].join(' or ')}`
}
