import {
  Composer,
  type CST,
  type Document,
  LineCounter,
  type ParsedNode,
  Parser,
  type ScalarTag,
  type Tags,
  YAMLParseError,
} from 'yaml'

const OPTIONS = { version: '1.2', merge: true, prettyErrors: false, uniqueKeys: true, logLevel: 'error' } as const

/**
 * More maps and lists within each other than anyone means. yaml calls itself for each, and where the stack ends V8 may end the
 * process instead of throwing an error: it does when it has to compile a regular expression there.
 */
const MAX_LEVELS = 200

/** Maps and lists that are nested beyond reason. */
export class NestingError extends Error {
  /** Where reading was given up. */
  readonly offset: number

  constructor(offset: number) {
    super('maps and lists are nested too deeply')
    this.offset = offset
  }
}

class LevelParser extends Parser {
  readonly #place: number | undefined

  constructor(onNewLine: (offset: number) => void, place: number | undefined) {
    super(onNewLine)
    this.#place = place
  }

  override *next(lexeme: string): Generator<CST.Token, void> {
    yield* super.next(lexeme)
    if (this.stack.length > MAX_LEVELS) throw new NestingError(this.#place ?? this.offset)
  }
}

interface YamlOptions {
  /** Gets the places of the lines. */
  readonly lines?: LineCounter
  /** Plain scalars that mean something else than in YAML 1.2. Default: none. */
  readonly scalars?: readonly ScalarTag[]
  /** The one place of all of a text that stands in for another. Default: each has its own. */
  readonly offset?: number
}

/**
 * Reads one document of YAML 1.2 with merge keys. Mistakes are in its `errors`, a second document is one.
 * @throws NestingError.
 */
export function parseYaml(
  text: string,
  { lines = new LineCounter(), scalars = [], offset }: YamlOptions = {},
): Document.Parsed<ParsedNode> {
  const customTags = (tags: Tags) => [...scalars, ...tags]
  const composer = new Composer<ParsedNode>({ ...OPTIONS, lineCounter: lines, customTags })
  const tokens = new LevelParser(lines.addNewLine, offset).parse(text)
  const [document, second] = composer.compose(tokens, true, text.length)
  if (document === undefined) throw new TypeError('a stream without a document') // never, with forceDoc
  if (second !== undefined) document.errors.push(secondDocument(second))
  return document
}

const secondDocument = ({ range: [start, end] }: Document.Parsed): YAMLParseError =>
  new YAMLParseError([start, end], 'MULTIPLE_DOCS', 'more than one document')
