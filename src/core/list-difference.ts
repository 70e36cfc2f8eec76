/** What is only in the one or in the other of two lists. */
export interface ListDifference<T> {
  readonly added: readonly T[]
  readonly gone: readonly T[]
}

/** How many items two lists have in common at their starts, and how many of the others at their ends. By identity. */
export function commonEnds<T>(a: readonly T[], b: readonly T[]): { readonly atStart: number; readonly atEnd: number } {
  const shorter = Math.min(a.length, b.length)
  let atStart = 0
  while (atStart < shorter && a[atStart] === b[atStart]) atStart++
  let atEnd = 0
  while (atEnd < shorter - atStart && a[a.length - 1 - atEnd] === b[b.length - 1 - atEnd]) atEnd++
  return { atStart, atEnd }
}

/** By identity. Most of a long list that changed is the same at both ends, which costs next to nothing. */
export function listDifference<T>(now: readonly T[], before: readonly T[]): ListDifference<T> {
  const { atStart, atEnd } = commonEnds(now, before)
  const middleNow = now.slice(atStart, now.length - atEnd)
  const middleBefore = before.slice(atStart, before.length - atEnd)
  const setNow = new Set(middleNow)
  const setBefore = new Set(middleBefore)
  return {
    added: middleNow.filter((one) => !setBefore.has(one)),
    gone: middleBefore.filter((one) => !setNow.has(one)),
  }
}
