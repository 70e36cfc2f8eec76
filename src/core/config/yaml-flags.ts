import type { ConfigPath } from './problems.ts'
import { isMap, type Sources } from './sources.ts'

/**
 * The words that YAML 1.1 takes for flags, in any case, as Ruby does and so Airbnb's daemons (reference airbnb.md 1). YAML 1.2,
 * which we read, has only true and false.
 */
const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
}

/** The flag that a word means to YAML 1.1; undefined: none. */
export const flagOf = (word: string): boolean | undefined =>
  Object.hasOwn(FLAGS, word.toLowerCase()) ? FLAGS[word.toLowerCase()] : undefined

/** The steps to values that may be of any type, so that no schema says whether `yes` is a word or a flag. `*` is every step. */
type Pattern = readonly string[]

/** The sources with words as the flags that they are to Airbnb's daemons, at these places and in what is inside. */
export function withYaml11Flags(sources: Sources, patterns: readonly Pattern[]): Sources {
  const asFlag = (value: unknown, path: ConfigPath): unknown => {
    const flag = typeof value === 'string' ? flagOf(value) : undefined
    return flag !== undefined && sources.isPlainScalar(path) ? flag : value
  }
  const value = patterns.reduce((whole, pattern) => mapAt(whole, pattern, [], asFlag), sources.value)
  return { ...sources, value }
}

/** Changes the values that are no list or map, at the end of the pattern and inside of what is there. */
function mapAt(
  value: unknown,
  pattern: Pattern,
  path: ConfigPath,
  change: (value: unknown, path: ConfigPath) => unknown,
): unknown {
  const [wanted = '*', ...further] = pattern
  const inner = (step: string | number, child: unknown) =>
    wanted === '*' || wanted === step ? mapAt(child, further, [...path, step], change) : child
  if (Array.isArray(value)) return value.map((item: unknown, index) => inner(index, item))
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, inner(key, child)]))
  return pattern.length === 0 ? change(value, path) : value
}
