import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  type Scalar,
  type ScalarTag,
  visit,
  type YAMLMap,
} from 'yaml'
import { messageOf } from '../errors.ts'
import {
  type Environment,
  type Expression,
  evaluate,
  forbiddenCharacter,
  isMasked,
  mask,
  unclosedExpression,
  unmask,
} from './environment.ts'
import type { ConfigPath, Position, Problem } from './problems.ts'
import { NestingError, parseYaml } from './yaml-document.ts'
import { isMergeKey, keyText, pathOf, positionIn, start } from './yaml-nodes.ts'
import { explainSyntax } from './yaml-syntax.ts'

/** Where a path is in a file, and what stands there. */
export interface Location {
  /** Of the key, or of the value where there is no key (lists). */
  readonly key: Position
  /** Of the value; of the key when the value is a map or list, or is missing. */
  readonly value: Position
  /** The expressions that the value came from, as written, e.g. `${PORT}`, and what they gave. */
  readonly environment?: EnvironmentText | undefined
  /** The text of a value that is no map or list, without quotes: `1.10` where plain data has the number 1.1. */
  readonly written?: string | undefined
}

export interface EnvironmentText {
  readonly source: string
  /** undefined when a variable was missing: then that is the problem, and whatever follows from it is not. */
  readonly text: string | undefined
}

/** One file of a configuration: its value as plain data, and where everything in it is. */
export interface SourceFile {
  readonly file: string
  /** undefined when the file cannot be understood at all. */
  readonly value: unknown
  readonly problems: readonly Problem[]
  locate(path: ConfigPath): Location
  /** The keys of the map at `path` in the order of the file, which plain data does not keep for keys like `8080`. */
  keys(path: ConfigPath): readonly string[]
  /** Whether text without quotes stands there, which each version of YAML understands in its own way. JSON has none. */
  isPlainScalar(path: ConfigPath): boolean
}

const START: Position = { line: 1, column: 1 }

/** For texts that were made of others. */
export interface SourceOptions {
  /** Nothing comes from the environment: `${NAME}` is text like any other. Default false. */
  readonly isPlain?: boolean
  /** Plain scalars that mean something else than in YAML 1.2. Default: none. */
  readonly scalars?: readonly ScalarTag[]
  /** The place that the people who wrote the text know, of an offset in it. Default: in the text itself. */
  readonly positionOf?: (offset: number) => Position
}

/** Reads the text of a file: YAML 1.2 with merge keys, and the environment's values put in. Never throws. */
export function parseSourceFile(
  file: string,
  text: string,
  environment: Environment,
  { isPlain = false, scalars = [], positionOf }: SourceOptions = {},
): SourceFile {
  const forbidden = forbiddenCharacter(text)
  const lines = new LineCounter()
  try {
    const readable = forbidden < 0 ? text : text.slice(0, forbidden)
    const masked = isPlain ? { text: readable, expressions: undefined } : mask(readable)
    const document = parseYaml(masked.text, { lines, scalars })
    const reader = new SourceReader(file, document, positionOf ?? positionIn(lines), masked)
    if (forbidden >= 0) reader.problem(forbidden, [], 'a character that text never holds; is this a text file?')
    return reader.read(environment)
  } catch (error) {
    const isNesting = error instanceof NestingError
    const position = isNesting ? (positionOf ?? positionIn(lines))(error.offset) : START
    const message = `${isNesting ? 'broken YAML' : 'cannot be read as YAML'}: ${messageOf(error)}`
    return unreadable(file, [{ severity: 'error', file, position, path: [], message }])
  }
}

/** A file without a value: it could not be read, or not be understood. */
export function unreadable(file: string, problems: readonly Problem[]): SourceFile {
  return {
    file,
    value: undefined,
    problems,
    locate: () => ({ key: START, value: START }),
    keys: () => [],
    isPlainScalar: () => false,
  }
}

type ReadDocument = Document.Parsed<ParsedNode, true> | Document<Node, true>

class SourceReader {
  readonly #file: string
  readonly #document: ReadDocument
  readonly #position: (offset: number) => Position
  readonly #expressions: readonly Expression[]
  readonly #isPlain: boolean
  readonly #problems: Problem[] = []
  readonly #environment = new Map<Scalar, EnvironmentText>()
  #broken = false

  constructor(
    file: string,
    document: ReadDocument,
    positionOf: (offset: number) => Position,
    { expressions }: { readonly expressions: readonly Expression[] | undefined },
  ) {
    this.#file = file
    this.#document = document
    this.#position = positionOf
    this.#expressions = expressions ?? []
    this.#isPlain = expressions === undefined
  }

  problem(offset: number, path: ConfigPath, message: string, severity: Problem['severity'] = 'error'): void {
    this.#problems.push({ severity, file: this.#file, position: this.#position(offset), path, message })
  }

  read(environment: Environment): SourceFile {
    this.#reportSyntax()
    if (!this.#broken) this.#inspect(environment)
    return {
      file: this.#file,
      value: this.#broken ? undefined : this.#toData(),
      problems: this.#problems,
      locate: (path) => this.#locate(path),
      keys: (path) => this.#keys(path),
      isPlainScalar: (path) => this.#isPlainScalar(path),
    }
  }

  /** Duplicate keys are all told; of real syntax errors only the first, since the others mostly follow from it. */
  #reportSyntax(): void {
    const { errors, warnings } = this.#document
    const syntax = errors.find(({ code }) => code !== 'DUPLICATE_KEY')
    if (syntax !== undefined) {
      this.#broken = true
      const { offset, message } = explainSyntax(this.#document, syntax)
      this.problem(offset, [], `broken YAML: ${unmask(message, this.#expressions)}`)
      return
    }
    for (const { pos } of errors) this.problem(pos[0], [], this.#explainDuplicate(pos[0]))
    for (const { pos, message } of warnings) this.problem(pos[0], [], unmask(message, this.#expressions), 'warning')
  }

  #explainDuplicate(offset: number): string {
    let message = 'this key is given twice'
    visit(this.#document, {
      Map: (_, map) => {
        const duplicate = map.items.find(({ key }) => start(key) === offset)
        if (duplicate === undefined) return undefined
        const first = map.items.find(({ key }) => keyText(key) === keyText(duplicate.key))
        const line = this.#position(start(first?.key) ?? 0).line
        message = `the key "${unmask(keyText(duplicate.key), this.#expressions)}" is given twice; it is already on line ${line}`
        return visit.BREAK
      },
    })
    return message
  }

  /** Puts in the environment's values and finds what plain data cannot say. */
  #inspect(environment: Environment): void {
    visit(this.#document, {
      Alias: (_, alias) => this.#inspectAlias(alias),
      Pair: (_, pair) => this.#inspectKey(pair),
      Scalar: (place, scalar, ancestors) =>
        this.#interpolate(scalar, place === 'key', () => pathOf(ancestors, place), environment),
    })
  }

  #inspectAlias(alias: Alias): void {
    const target = alias.resolve(this.#document)
    const offset = start(alias) ?? 0
    const range = target?.range
    if (target === undefined) this.#fail(offset, `there is no anchor &${alias.source} above this alias`)
    else if (range && range[0] <= offset && offset < range[2]) this.#fail(offset, `*${alias.source} contains itself`)
  }

  #inspectKey({ key, value }: Pair): void {
    const offset = start(key) ?? 0
    if (isMergeKey(key)) {
      const sources = isSeq(this.#resolve(value)) ? (this.#resolve(value) as { items: unknown[] }).items : [value]
      if (!sources.every((source) => isMap(this.#resolve(source)))) {
        this.#fail(offset, '<< takes an alias of a map, e.g. <<: *defaults')
      }
    } else if (!isScalar(key) && key !== null) this.#fail(offset, 'a key must be a word, not a list or map')
    else if (keyText(key) === '__proto__') this.#fail(offset, 'this key is not allowed')
  }

  #fail(offset: number, message: string): void {
    this.#broken = true
    this.problem(offset, [], message)
  }

  #interpolate(scalar: Scalar, isKey: boolean, path: () => ConfigPath, environment: Environment): void {
    const { value } = scalar
    if (typeof value !== 'string' || this.#isPlain) return
    const offset = start(scalar) ?? 0
    const unclosed = unclosedExpression(value)
    if (unclosed !== undefined) this.problem(offset, path(), `a ${unclosed} that is not closed on its line`)
    if (!isMasked(value)) return
    let missing = false
    const text = unmask(value, this.#expressions, (expression) => {
      const result = evaluate(expression, environment)
      if (result.ok) return result.value
      if (!missing) this.problem(offset, path(), result.reason)
      missing = true
      return ''
    })
    const source = unmask(value, this.#expressions)
    this.#environment.set(scalar, { source, text: missing ? undefined : text })
    if (missing && !isKey) scalar.value = null
    else scalar.value = isKey || scalar.type !== 'PLAIN' ? text : reread(text, offset)
  }

  #toData(): unknown {
    try {
      return this.#document.toJS()
    } catch (error) {
      this.problem(0, [], `cannot be read as YAML: ${messageOf(error)}`)
      return undefined
    }
  }

  #locate(path: ConfigPath): Location {
    let node: unknown = this.#document.contents
    let key = START
    let value = this.#position(start(node) ?? 0)
    for (const [index, step] of path.entries()) {
      const found = this.#child(node, step)
      if (found === undefined) return { key, value: index === path.length ? value : key, ...this.#textOf(node) }
      node = this.#resolve(found.value)
      const valueAt = this.#position(start(node) ?? start(found.key) ?? 0)
      key = found.key === undefined ? valueAt : this.#position(start(found.key) ?? 0)
      value = isScalar(node) && (node.range?.[0] !== node.range?.[1] || found.key === undefined) ? valueAt : key
    }
    return { key, value, ...this.#textOf(node) }
  }

  #textOf(node: unknown): Pick<Location, 'environment' | 'written'> {
    const environment = isScalar(node) ? this.#environment.get(node) : undefined
    return isScalar(node) ? { environment, written: environment?.text ?? node.source } : {}
  }

  #keys(path: ConfigPath): readonly string[] {
    const node = this.#nodeAt(path)
    return isMap(node) ? [...new Set(this.#pairs(node).map(({ key }) => keyText(key)))] : []
  }

  #isPlainScalar(path: ConfigPath): boolean {
    const node = this.#nodeAt(path)
    return isScalar(node) && node.type === 'PLAIN' && node.tag === undefined
  }

  #nodeAt(path: ConfigPath): unknown {
    let node: unknown = this.#document.contents
    for (const step of path) node = this.#resolve(this.#child(node, step)?.value)
    return node
  }

  /** A map's own entries, then those it merges in: the first of a name counts. */
  #pairs(map: YAMLMap): readonly Pair[] {
    const merged = map.items.filter(({ key }) => isMergeKey(key)).map(({ value }) => this.#resolve(value))
    const sources = merged.flatMap((source) =>
      isSeq(source) ? source.items.map((item) => this.#resolve(item)) : source,
    )
    const own = map.items.filter(({ key }) => !isMergeKey(key))
    return [...own, ...sources.flatMap((source) => (isMap(source) ? this.#pairs(source) : []))]
  }

  #child(node: unknown, step: string | number): { readonly key?: unknown; readonly value: unknown } | undefined {
    if (isSeq(node)) return typeof step === 'number' && step in node.items ? { value: node.items[step] } : undefined
    if (!isMap(node)) return undefined
    const pairs = this.#pairs(node)
    const inAnyCase = String(step).toLowerCase() // some dialects take keys so
    return (
      pairs.find(({ key }) => keyText(key) === String(step)) ??
      pairs.find(({ key }) => keyText(key).toLowerCase() === inAnyCase)
    )
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node
  }
}

/** A plain scalar with the environment's value in it, which stands at `offset`, means what it would mean had it been written out. */
function reread(text: string, offset: number): unknown {
  const document = parseYaml(text, { offset })
  if (document.errors.length > 0) return text
  const { contents } = document
  if (contents === null) return text === '' ? null : text
  if (isScalar(contents)) return typeof contents.value === 'string' ? text : contents.value
  // A list or map in brackets is meant; anything else only happens to look like one, e.g. "a: b".
  return /^[[{]/.test(text) ? document.toJS() : text
}
