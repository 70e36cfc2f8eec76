/** Values from the environment inside configuration files: `${NAME}`, and the ERB that synapse's files carry. Pure. */

export type Environment = Readonly<Record<string, string | undefined>>

/** What one expression in a text stands for. */
export type Expression =
  | { readonly kind: 'variable'; readonly source: string; readonly name: string; readonly fallback: string | undefined }
  | { readonly kind: 'literal'; readonly source: string; readonly text: string }
  | { readonly kind: 'bad'; readonly source: string; readonly reason: string }

/**
 * A text whose expressions are masked: each is replaced by as many harmless characters, so that quotes and brackets in
 * them do not confuse a YAML parser and every offset stays what it is in the file.
 */
export interface MaskedText {
  readonly text: string
  readonly expressions: readonly Expression[]
}

// Noncharacters: Unicode gives them to programs for internal use, and they never occur in interchanged text.
const MARK = '\uFDD0'
const FILL = '\uFDD1'
const NONCHARACTERS = /[\uFDD0-\uFDEF]/
const MASK = /\uFDD0([^\uFDD1]{2})\uFDD1*/g
// Two characters of the index follow the mark, so that the shortest expression, `$${`, has room for all.
const BASE = 5000
const FIRST = 0x4e00

// On one line only: what is never closed must not swallow the lines below it. See `unclosedExpression`.
const EXPRESSION = /\$\$\{|\$\{[^}\n]*\}|<%[^\n]*?%>/g

/** The offset of a character that configuration files must not hold, or -1. */
export const forbiddenCharacter = (text: string): number => text.search(NONCHARACTERS)

export function mask(text: string): MaskedText {
  const expressions: Expression[] = []
  const masked = text.replaceAll(EXPRESSION, (source) => {
    const index = expressions.push(parseExpression(source)) - 1
    const digits = String.fromCharCode(FIRST + Math.floor(index / BASE), FIRST + (index % BASE))
    return `${MARK}${digits}`.padEnd(source.length, FILL)
  })
  return { text: masked, expressions }
}

/** The start of an expression that is not closed on its line, in a masked text. */
export const unclosedExpression = (text: string): string | undefined => /\$\{|<%/.exec(text)?.[0]

export const isMasked = (text: string): boolean => text.includes(MARK)

/** Puts something for every masked expression of `text`. */
export function unmask(
  text: string,
  expressions: readonly Expression[],
  replace: (expression: Expression) => string = ({ source }) => source,
): string {
  return text.replaceAll(MASK, (whole, digits: string) => {
    const expression = expressions[(digits.charCodeAt(0) - FIRST) * BASE + digits.charCodeAt(1) - FIRST]
    return expression === undefined ? whole : replace(expression)
  })
}

/** The value of an expression, or why it has none. */
export function evaluate(
  expression: Expression,
  environment: Environment,
): { readonly ok: true; readonly value: string } | { readonly ok: false; readonly reason: string } {
  switch (expression.kind) {
    case 'literal':
      return { ok: true, value: expression.text }
    case 'bad':
      return { ok: false, reason: expression.reason }
    case 'variable': {
      const { name, fallback, source } = expression
      const value = environment[name]
      // As in a shell, `:-` also replaces an empty value.
      if (fallback !== undefined && (value === undefined || (value === '' && source.startsWith('$')))) {
        return { ok: true, value: fallback }
      }
      if (value !== undefined) return { ok: true, value }
      return { ok: false, reason: `the environment variable ${name} is not set; set it, or write \${${name}:-default}` }
    }
  }
}

const SHELL = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}$/
const QUOTED = String.raw`(?:'([^'\\]*)'|"([^"\\#]*)")`
const ERB_INDEX = new RegExp(String.raw`^ENV\[\s*${QUOTED}\s*\](?:\s*\|\|\s*${QUOTED})?$`)
const ERB_FETCH = new RegExp(String.raw`^ENV\.fetch\(\s*${QUOTED}\s*(?:,\s*${QUOTED}\s*)?\)$`)

function parseExpression(source: string): Expression {
  if (source === '$${') return { kind: 'literal', source, text: '${' }
  if (source.startsWith('<%')) return parseErb(source)
  const match = SHELL.exec(source)
  if (match?.[1] !== undefined) return { kind: 'variable', source, name: match[1], fallback: match[2] }
  return {
    kind: 'bad',
    source,
    reason: `cannot read ${source}; allowed are \${NAME} and \${NAME:-default}, and $\${ for a plain \${`,
  }
}

function parseErb(source: string): Expression {
  if (source.startsWith('<%#') && source.endsWith('%>')) return { kind: 'literal', source, text: '' }
  const code = /^<%=(.*?)-?%>$/s.exec(source)?.[1]?.trim() ?? ''
  const match = ERB_INDEX.exec(code) ?? ERB_FETCH.exec(code)
  const name = match?.[1] ?? match?.[2]
  if (name !== undefined && name !== '') return { kind: 'variable', source, name, fallback: match?.[3] ?? match?.[4] }
  const shown = source.length > 50 ? `${source.slice(0, 50)}…` : source
  return {
    kind: 'bad',
    source,
    reason: `cannot run the Ruby of ${shown.replaceAll(/\s+/g, ' ')}; allowed are <%= ENV['NAME'] %> and <%= ENV.fetch('NAME', 'default') %>`,
  }
}
