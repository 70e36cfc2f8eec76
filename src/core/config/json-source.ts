import type { Environment } from './environment.ts'
import type { ConfigPath } from './problems.ts'
import { parseSourceFile, type SourceFile } from './source-file.ts'
import { isMap } from './sources.ts'

/**
 * Reads the text of a file as `parseSourceFile` does. JSON is YAML, but what is plain JSON, as Airbnb's files often are, is
 * read a hundred times as fast by its own parser; the places of things are looked for when a mistake is to be told.
 */
export function parseConfigText(file: string, text: string, environment: Environment): SourceFile {
  const json = parsePlainJson(text)
  if (json === undefined) return parseSourceFile(file, text, environment)
  let parsed: SourceFile | undefined
  const whole = () => {
    parsed ??= parseSourceFile(file, text, environment)
    return parsed
  }
  return {
    file,
    value: json,
    problems: [],
    locate: (path) => whole().locate(path),
    keys: (path) => keysInOrder(json, path) ?? whole().keys(path),
    isPlainScalar: () => false,
  }
}

/** Environment expressions, characters that text never holds, and keys with a meaning of their own are for the other parser. */
const NOT_PLAIN = /\$\{|<%|[\uFDD0-\uFDEF]|"(?:<<|__proto__)"|\\u/

/** A map that is JSON throughout, and says nothing twice; undefined when it is anything else. */
function parsePlainJson(text: string): Record<string, unknown> | undefined {
  if (!/^\s*\{/.test(text) || NOT_PLAIN.test(text)) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined // no JSON: the other parser says what it is, or what is wrong with it
  }
  return isMap(value) && countKeys(value) === keysWritten(text) ? value : undefined
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum: number, inner) => sum + countKeys(inner), own)
}

/** Of a text that is JSON: of a key that is given twice, JSON's own parser keeps the last without a word. */
function keysWritten(text: string): number {
  let count = 0
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) count += 1
  return count
}

/** undefined when plain data does not tell: it puts keys like `8080` first. */
function keysInOrder(value: unknown, path: ConfigPath): readonly string[] | undefined {
  let found = value
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined
    found = (found as Record<string | number, unknown>)[step]
  }
  if (!isMap(found)) return undefined
  const keys = Object.keys(found)
  return keys.some((key) => /^\d+$/.test(key)) ? undefined : keys
}
