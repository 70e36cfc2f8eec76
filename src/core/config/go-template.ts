import type { Environment } from './environment.ts'
import { evaluateGoExpression, isTruthy, TemplateError } from './go-expression.ts'

/**
 * Go's text/template over the environment, as BlaBlaCar's configuration files are written: `{{ .NAME }}`, comments, texts,
 * trim marks, `if`, and the functions that choose or compare. Unlike there, a variable that is not set is a mistake where
 * its value is to be written; asking for it (`if`, `or`, `eq`) is not. Pure.
 */

export interface TemplateProblem {
  /** In the template. */
  readonly offset: number
  readonly message: string
}

export interface ExpandedTemplate {
  readonly text: string
  readonly problems: readonly TemplateProblem[]
  /** Where in the template a character of `text` comes from: itself, or the action that wrote it. */
  originOf(offset: number): number
}

/** Writes a template out once. `{{ .NAME }}` of a name in `kept` stays as it is while there is no such variable. */
export function expandGoTemplate(
  template: string,
  environment: Environment,
  kept: readonly string[] = [],
): ExpandedTemplate {
  return new Expansion(template, environment, kept).expand()
}

/** The whole template when it is one variable and nothing else: then the variable holds the configuration. */
export function onlyVariable(template: string): string | undefined {
  return /^\s*\{\{-?\s*\.([A-Za-z_]\w*)\s*-?\}\}\s*$/.exec(template)?.[1]
}

/** A text between actions, or an action. Texts in an action may hold its end. */
const PIECE = /\{\{(-(?=\s))?((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|\/\*[\s\S]*?\*\/|(?!\}\})[\s\S])*?)((?<=\s)-)?\}\}/g

/** An `if` that is open. */
interface Branch {
  readonly offset: number
  /** Whether the text around it is written. */
  readonly outer: boolean
  /** Whether one of its branches was taken already. */
  taken: boolean
  isActive: boolean
  hasElse: boolean
}

class Expansion {
  readonly #template: string
  readonly #environment: Environment
  readonly #kept: readonly string[]
  readonly #problems: TemplateProblem[] = []
  readonly #pieces: { readonly at: number; readonly origin: number; readonly isLiteral: boolean }[] = []
  readonly #branches: Branch[] = []
  #text = ''

  constructor(template: string, environment: Environment, kept: readonly string[]) {
    this.#template = template
    this.#environment = environment
    this.#kept = kept
  }

  expand(): ExpandedTemplate {
    let end = 0
    let trimNext = false
    for (const { 0: whole, 1: trimBefore, 2: code = '', 3: trimAfter, index } of this.#template.matchAll(PIECE)) {
      this.#literal(end, index, trimNext, trimBefore !== undefined)
      this.#action(code.trim(), index)
      end = index + whole.length
      trimNext = trimAfter !== undefined
    }
    this.#literal(end, this.#template.length, trimNext, false)
    for (const { offset } of this.#branches) this.#complain(offset, 'this {{ if }} has no {{ end }}')
    return { text: this.#text, problems: this.#problems, originOf: (offset) => this.#originOf(offset) }
  }

  get #isActive(): boolean {
    return this.#branches.at(-1)?.isActive ?? true
  }

  #literal(from: number, to: number, trimStart: boolean, trimEnd: boolean): void {
    const text = this.#template.slice(from, to)
    const unclosed = text.indexOf('{{')
    if (unclosed >= 0) this.#complain(from + unclosed, 'a {{ that is not closed')
    const skipped = trimStart ? text.length - text.trimStart().length : 0
    const kept = text.slice(skipped)
    this.#write(trimEnd ? kept.trimEnd() : kept, from + skipped, true)
  }

  #write(text: string, origin: number, isLiteral: boolean): void {
    if (!this.#isActive || text === '') return
    this.#pieces.push({ at: this.#text.length, origin, isLiteral })
    this.#text += text
  }

  #action(code: string, offset: number): void {
    if (/^\/\*[\s\S]*\*\/$/.test(code)) return
    const [, keyword, rest = ''] = /^(if|else if|else|end)(?:\s+([\s\S]*))?$/.exec(code) ?? []
    try {
      if (keyword !== undefined) this.#branch(keyword, rest, offset)
      else if (this.#isActive) this.#write(this.#output(code), offset, false)
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      this.#complain(offset, error.message)
    }
  }

  #branch(keyword: string, condition: string, offset: number): void {
    const outer = this.#isActive
    if (keyword === 'if') {
      const isActive = outer && this.#isTrue(condition)
      this.#branches.push({ offset, outer, taken: isActive, isActive, hasElse: false })
      return
    }
    const branch = this.#branches.at(-1)
    if (branch === undefined) throw new TemplateError(`{{ ${keyword} }} without an {{ if }}`)
    if (keyword === 'end') {
      this.#branches.pop()
      return
    }
    if (branch.hasElse) throw new TemplateError('a second {{ else }} of one {{ if }}')
    branch.hasElse = keyword === 'else'
    branch.isActive = branch.outer && !branch.taken && (keyword === 'else' || this.#isTrue(condition))
    branch.taken ||= branch.isActive
  }

  #isTrue(code: string): boolean {
    return isTruthy(evaluateGoExpression(code, this.#environment).value)
  }

  #output(code: string): string {
    const { value, missing } = evaluateGoExpression(code, this.#environment)
    if (value !== undefined) return String(value)
    if (missing !== undefined && code === `.${missing}` && this.#kept.includes(missing)) return `{{.${missing}}}`
    throw new TemplateError(`the environment variable ${missing ?? '?'} is not set`)
  }

  #complain(offset: number, message: string): void {
    this.#problems.push({ offset, message })
  }

  #originOf(offset: number): number {
    const piece = this.#pieces.findLast(({ at }) => at <= offset)
    if (piece === undefined) return 0
    return piece.isLiteral ? piece.origin + offset - piece.at : piece.origin
  }
}
