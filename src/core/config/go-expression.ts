import type { Environment } from './environment.ts'

/** What stands between `{{` and `}}` of a Go template: a pipeline, e.g. `or .REGION "eu"` or `.NAME | printf "%s-1"`. Pure. */

/** What an expression gives; `value` undefined: a variable that is not set, and which. */
export interface GoValue {
  readonly value: string | boolean | undefined
  readonly missing?: string | undefined
}

/** Why an expression cannot be run, for the people who wrote it. */
export class TemplateError extends Error {}

/** What `if`, `or` and the like take for true. */
export const isTruthy = (value: GoValue['value']) => value !== undefined && value !== '' && value !== false

/** @throws TemplateError when it cannot be read, or asks for what we do not have. */
export function evaluateGoExpression(code: string, environment: Environment): GoValue {
  const reader = new ExpressionReader(code, environment)
  const result = reader.pipeline()
  reader.end()
  return result
}

type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable' | 'function' | 'sign'; readonly text: string }

const TOKEN = /\s*(?:("(?:[^"\\\n]|\\.)*")|`([^`]*)`|\.([A-Za-z_]\w*)|([.()|])|([A-Za-z]\w*))/y

class ExpressionReader {
  readonly #code: string
  readonly #environment: Environment
  readonly #tokens: Token[]

  constructor(code: string, environment: Environment) {
    this.#code = code
    this.#environment = environment
    this.#tokens = [...this.#read()]
  }

  pipeline(): GoValue {
    let result = this.#command([])
    while (this.#take('sign', '|') !== undefined) result = this.#command([result])
    return result
  }

  end(): void {
    if (this.#tokens.length > 0) throw this.#unreadable()
  }

  #command(piped: readonly GoValue[]): GoValue {
    const called = this.#take('function')
    const operands = [...this.#operands(), ...piped]
    if (called !== undefined) return call(called, operands, this.#environment)
    const [only, ...others] = operands
    if (only === undefined || others.length > 0) throw this.#unreadable()
    return only
  }

  *#operands(): Iterable<GoValue> {
    for (let next = this.#operand(); next !== undefined; next = this.#operand()) yield next
  }

  #operand(): GoValue | undefined {
    const text = this.#take('text')
    if (text !== undefined) return { value: text }
    const name = this.#take('variable')
    if (name !== undefined) return { value: this.#environment[name], missing: name }
    if (this.#take('sign', '.') !== undefined) return { value: '.' }
    if (this.#take('sign', '(') === undefined) return undefined
    const inner = this.pipeline()
    if (this.#take('sign', ')') === undefined) throw this.#unreadable()
    return inner
  }

  /** The next token, if it is of this kind (and this text). */
  #take(kind: Token['kind'], text?: string): string | undefined {
    const [next] = this.#tokens
    if (next?.kind !== kind || (text !== undefined && next.text !== text)) return undefined
    this.#tokens.shift()
    return next.text
  }

  *#read(): Iterable<Token> {
    const pattern = new RegExp(TOKEN)
    let end = 0
    for (let token = pattern.exec(this.#code); token !== null; token = pattern.exec(this.#code)) {
      const [, quoted, raw, variable, sign, name = ''] = token
      end = pattern.lastIndex
      if (quoted !== undefined) yield { kind: 'text', text: this.#unquote(quoted) }
      else if (raw !== undefined) yield { kind: 'text', text: raw }
      else if (variable !== undefined) yield { kind: 'variable', text: variable }
      else yield sign === undefined ? { kind: 'function', text: name } : { kind: 'sign', text: sign }
    }
    if (this.#code.slice(end).trim() !== '') throw this.#unreadable()
  }

  /** A text as Go writes it, of which JSON knows nearly all. */
  #unquote(quoted: string): string {
    try {
      return String(JSON.parse(quoted))
    } catch {
      throw this.#unreadable() // an escape that only Go has
    }
  }

  #unreadable(): TemplateError {
    const shown = this.#code.length > 40 ? `${this.#code.slice(0, 40)}…` : this.#code
    return new TemplateError(`cannot read {{ ${shown} }}; allowed is {{ .NAME }}`)
  }
}

function call(name: string, operands: readonly GoValue[], environment: Environment): GoValue {
  const [first, second] = operands
  if (first === undefined) throw new TemplateError(`${name} wants something to work on`)
  switch (name) {
    case 'or':
      return operands.find(({ value }) => isTruthy(value)) ?? operands.at(-1) ?? first
    case 'and':
      return operands.find(({ value }) => !isTruthy(value)) ?? operands.at(-1) ?? first
    case 'not':
      return { value: !isTruthy(first.value) }
    case 'eq':
      return { value: operands.slice(1).some(({ value }) => value === first.value) }
    case 'ne':
      return { value: first.value !== second?.value }
    case 'index':
      if (first.value !== '.' || typeof second?.value !== 'string') throw new TemplateError('index knows . "NAME" only')
      return { value: environment[second.value], missing: second.value }
    case 'print':
      return operands.find(({ value }) => value === undefined) ?? { value: operands.map(({ value }) => value).join('') }
    case 'printf':
      return format(operands)
    default:
      throw new TemplateError(
        `cannot run ${name}; known are .NAME, if, else, end, or, and, not, eq, ne, index, print and printf`,
      )
  }
}

function format([pattern, ...values]: readonly GoValue[]): GoValue {
  const missing = values.find(({ value }) => value === undefined)
  if (missing !== undefined) return missing
  let next = 0
  const text = String(pattern?.value ?? '').replaceAll(/%(.)/g, (whole, verb: string) => {
    if (verb === '%') return '%'
    if (!/[sqvd]/.test(verb)) throw new TemplateError(`printf knows %s, %v, %d and %q, not ${whole}`)
    const value = String(values[next++]?.value ?? '')
    return verb === 'q' ? JSON.stringify(value) : value
  })
  return { value: text }
}
