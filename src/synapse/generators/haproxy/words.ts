/** HAProxy's words: how a line of its file is cut into them, and what one means. Source: configuration manual 2.2. */

export type SplitWords =
  /** Each word as it stands, quotes and backslashes included. */
  { readonly ok: true; readonly words: readonly string[] } | { readonly ok: false; readonly reason: string }

/** One word: anything but blanks, unless quoted or escaped. A `#` outside of quotes starts a comment. */
const WORD = /(?:\\[^\p{Cc}]|"(?:\\[^\p{Cc}]|[^"\\])*"|'[^']*'|[^\s"'\\#])+/uy

/** Cuts text into words. Line breaks count as blanks, so that the result always fits on one line. */
export function splitWords(text: string): SplitWords {
  const words: string[] = []
  let position = 0
  for (;;) {
    while (position < text.length && isBlank(text.charCodeAt(position))) position++
    if (position === text.length || text[position] === '#') return { ok: true, words }
    WORD.lastIndex = position
    const word = WORD.exec(text)?.[0]
    if (word === undefined) return { ok: false, reason: 'a quote or a backslash has no end' }
    if (/\p{Cc}/u.test(word)) return { ok: false, reason: 'control characters are not allowed' }
    words.push(word)
    position += word.length
  }
}

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}

const PLAIN = /^[^\s"'\\#$;<\p{Cc}]*$/u

/**
 * The value of a word as `add server` must get it: the Runtime API knows neither quotes nor variables. undefined when it
 * cannot be said there.
 */
export function plainValue(word: string): string | undefined {
  if (PLAIN.test(word)) return word
  if (/"(?:\\.|[^"\\])*\$/u.test(word)) return undefined // a variable
  const value = word.replace(
    /\\(.)|"((?:\\.|[^"\\])*)"|'([^']*)'/gu,
    (_all, escaped, weak, strong) => escaped ?? weak?.replace(/\\(.)/gu, '$1') ?? strong,
  )
  return PLAIN.test(value) ? value : undefined
}

/** Whether two lists are the same words in the same order. */
export function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((word, index) => word === b[index]))
}
