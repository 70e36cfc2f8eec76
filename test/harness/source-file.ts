import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

/** One import or re-export of a source file. */
export interface Import {
  /** A path in the checkout for our own files (`src/core/clock.ts`), the specifier as written for all else. */
  readonly target: string
  /** `import type`: gone at run time. */
  readonly typeOnly: boolean
  /** `import()`: happens later, if at all. */
  readonly dynamic: boolean
}

/** A TypeScript file as the architecture rules see it. */
export interface SourceFile {
  /** Relative to the checkout, with slashes. */
  readonly path: string
  readonly text: string
  /** The text with comments, string contents and regular expressions blanked, every other character at its place. */
  readonly code: string
  readonly imports: readonly Import[]
}

/** Reads every `.ts` file under a folder of the checkout, sorted by path. */
export function readSources(checkout: string, folder: string): SourceFile[] {
  return readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => posix.join(folder, name))
    .map((path) => parseSource(path, readFileSync(join(checkout, path), 'utf8')))
}

export function parseSource(path: string, text: string): SourceFile {
  const code = blank(text)
  return { path, text, code, imports: [...findImports(path, text, code)] }
}

const STATEMENT = /^\s*(import|export)\s+(type\s)?[\w\s{},*$]*?\bfrom\s*'(\s*)'/gm
const BARE = /^\s*(import)()\s*'(\s*)'/gm
const DYNAMIC = /\b(import)()\(\s*'(\s*)'/g

function* findImports(path: string, text: string, code: string): Generator<Import> {
  for (const pattern of [STATEMENT, BARE, DYNAMIC]) {
    for (const match of code.matchAll(pattern)) {
      const end = match.index + match[0].length - 1
      const specifier = text.slice(end - (match[3] ?? '').length, end)
      const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier
      yield { target, typeOnly: match[2] !== undefined && match[2] !== '', dynamic: pattern === DYNAMIC }
    }
  }
}

// In the order in which they are tried. A slash begins a regular expression where an operand is expected.
const TOKEN = new RegExp(
  [
    String.raw`(?<comment>\/\/.*|\/\*[\s\S]*?\*\/)`,
    String.raw`(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")`,
    String.raw`(?<regexp>(?<=(?:[(,=:[!&|?{};+\n]|\breturn|=>)[ \t]*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*)`,
    '(?<brace>[`{}])',
  ].join('|'),
  'g',
)
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?<end>`|\$\{)/y

/** Blanks everything that is not code. Expressions inside template literals stay. */
function blank(text: string): string {
  const out =
    [...text].length === text.length ? text.split('') : Array.from({ length: text.length }, (_, i) => text[i] ?? '')
  const erase = (from: number, to: number) => {
    for (let at = from; at < to; at++) if (out[at] !== '\n') out[at] = ' '
  }
  const braces: ('block' | 'template')[] = []
  let at = 0
  const skipTemplateText = (from: number) => {
    TEMPLATE_TEXT.lastIndex = from
    const match = TEMPLATE_TEXT.exec(text)
    at = match === null ? text.length : TEMPLATE_TEXT.lastIndex
    erase(from, at - (match?.groups?.['end']?.length ?? 0))
    if (match?.groups?.['end'] === '${') braces.push('template')
  }
  for (;;) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match === null) return out.join('')
    at = TOKEN.lastIndex
    const { comment, string, regexp } = match.groups ?? {}
    if (comment !== undefined || regexp !== undefined) erase(match.index, at)
    else if (string !== undefined) erase(match.index + 1, at - 1)
    else if (match[0] === '{') braces.push('block')
    else if (match[0] === '`' || braces.pop() === 'template') skipTemplateText(at)
  }
}
