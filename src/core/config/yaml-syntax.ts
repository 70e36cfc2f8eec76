import { type Document, isMap, isScalar, isSeq, visit, type YAMLError } from 'yaml'

/** Says what a syntax error of the parser means, and where to look. */
export function explainSyntax(
  document: Document.Parsed | Document,
  error: YAMLError,
): { readonly offset: number; readonly message: string } {
  const closing = missingClosing(error)
  if (closing === undefined) {
    const { code, message } = error
    return { offset: error.pos[0], message: WORDS[code] ?? message.charAt(0).toLowerCase() + message.slice(1) }
  }
  const offset = openingOf(document, error, closing) ?? error.pos[0]
  return { offset, message: `what starts here is not closed; a ${closing} is missing` }
}

const WORDS: Readonly<Record<string, string>> = {
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " on one line; put the text in quotes, or the nested keys on lines of their own',
  MULTIPLE_DOCS: 'a second document starts here ("---"); a configuration is one document',
  TAB_AS_INDENT: 'a tab in the indentation; YAML takes blanks only',
}

const isQuote = (closing: string) => closing === '"' || closing === "'"

function missingClosing({ message }: YAMLError): string | undefined {
  const match = /^Missing closing (["'])|end with a ([\]}])$/.exec(message)
  return match?.[1] ?? match?.[2]
}

/**
 * Where the quote or bracket stands that is never closed; the parser only knows where it gave up looking. All that is open
 * at that place is a candidate, and the outermost are the ones not closed: as many as there are complaints.
 */
function openingOf(
  document: Document.Parsed | Document,
  { pos: [end] }: YAMLError,
  closing: string,
): number | undefined {
  const candidates: number[] = []
  visit(document, {
    Node(_, node) {
      const opens = isQuote(closing)
        ? isScalar(node) && node.type?.startsWith('QUOTE') === true
        : (isMap(node) || isSeq(node)) && node.flow === true
      if (opens && node.range && node.range[0] < end && node.range[1] >= end) candidates.push(node.range[0])
    },
  })
  const complaints = document.errors.filter((error) => {
    const other = missingClosing(error)
    return other !== undefined && isQuote(other) === isQuote(closing)
  })
  return candidates[complaints.length - 1] ?? candidates.at(-1)
}
