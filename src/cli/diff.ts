/** What changed between two texts, line by line. Pure. */

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed'
  readonly text: string
}

/**
 * The lines of both texts in order. Lines that occur once in each anchor the rest (a "patience" diff), so a section that
 * moved reads as a section, and ten thousand server lines take milliseconds.
 */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const lines: DiffLine[] = []
  compare(linesOf(before), linesOf(after), lines)
  return lines
}

/** Only what changed, with some unchanged lines around it; `undefined` stands for a gap. */
export function withContext(lines: readonly DiffLine[], context: number): readonly (DiffLine | undefined)[] {
  const shown: (DiffLine | undefined)[] = []
  const near = new Set<number>()
  for (const [index, { kind }] of lines.entries()) {
    if (kind === 'same') continue
    for (let at = index - context; at <= index + context; at++) near.add(at)
  }
  let last = -1
  for (const [index, line] of lines.entries()) {
    if (!near.has(index)) continue
    if (index !== last + 1 && last !== -1) shown.push(undefined)
    shown.push(line)
    last = index
  }
  return shown
}

const linesOf = (text: string): readonly string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

function compare(before: readonly string[], after: readonly string[], lines: DiffLine[]): void {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let end = 0
  const most = Math.min(before.length, after.length) - start
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++
  push(lines, 'same', before.slice(0, start))
  compareMiddle(before.slice(start, before.length - end), after.slice(start, after.length - end), lines)
  push(lines, 'same', before.slice(before.length - end))
}

function compareMiddle(before: readonly string[], after: readonly string[], lines: DiffLine[]): void {
  const anchors = before.length === 0 || after.length === 0 ? [] : longestRising(uniquePairs(before, after))
  if (anchors.length === 0) {
    push(lines, 'removed', before)
    push(lines, 'added', after)
    return
  }
  let [fromBefore, fromAfter] = [0, 0]
  for (const [inBefore, inAfter] of [...anchors, [before.length, after.length] as const]) {
    compare(before.slice(fromBefore, inBefore), after.slice(fromAfter, inAfter), lines)
    push(lines, 'same', before.slice(inBefore, inBefore + 1))
    fromBefore = inBefore + 1
    fromAfter = inAfter + 1
  }
}

function push(lines: DiffLine[], kind: DiffLine['kind'], texts: readonly string[]): void {
  for (const text of texts) lines.push({ kind, text })
}

type Pair = readonly [inBefore: number, inAfter: number]

/** Where lines are that occur exactly once on each side, in the order of the first. */
function uniquePairs(before: readonly string[], after: readonly string[]): readonly Pair[] {
  const places = onlyPlaces(after)
  return [...onlyPlaces(before)].flatMap(([text, inBefore]): Pair[] => {
    const inAfter = places.get(text)
    return inAfter === undefined ? [] : [[inBefore, inAfter]]
  })
}

function onlyPlaces(lines: readonly string[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>()
  const twice = new Set<string>()
  for (const [index, line] of lines.entries()) {
    if (places.has(line)) twice.add(line)
    places.set(line, index)
  }
  for (const line of twice) places.delete(line)
  return places
}

/** The longest part of the pairs that rises on both sides (patience sorting, n log n). */
function longestRising(pairs: readonly Pair[]): readonly Pair[] {
  const tops: number[] = [] // per pile, the index of its top pair
  const previous: (number | undefined)[] = []
  for (const [index, [, value]] of pairs.entries()) {
    let [low, high] = [0, tops.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((pairs[tops[middle] ?? 0]?.[1] ?? 0) < value) low = middle + 1
      else high = middle
    }
    previous[index] = low === 0 ? undefined : tops[low - 1]
    tops[low] = index
  }
  const rising: Pair[] = []
  for (let at = tops.at(-1); at !== undefined; at = previous[at]) {
    const pair = pairs[at]
    if (pair !== undefined) rising.push(pair)
  }
  return rising.reverse()
}
