/**
 * The known key that was most likely meant, or undefined when none is near: at most a third of the letters may differ
 * (one of two or three letters), and no more than three. Case, `-` and `_` do not count, so `checkInterval` finds `check_interval`.
 */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  const wanted = plain(key)
  let best: string | undefined
  let bestDistance = (wanted.length < 2 ? 0 : Math.min(3, Math.max(1, Math.floor(wanted.length / 3)))) + 1
  for (const candidate of known) {
    const distance = editDistance(wanted, plain(candidate), bestDistance)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

const plain = (key: string) => key.toLowerCase().replaceAll(/[-_]/g, '')

/**
 * Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (the "optimal string alignment"
 * distance). Anything of `limit` and above is reported as `limit`.
 */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(replaced, at(last, j) + 1, at(row, j - 1) + 1, swapped ? at(beforeLast, j - 2) + 1 : limit)
    }
    beforeLast = last
    last = row
  }
  return Math.min(limit, at(last, b.length))
}

const at = (row: readonly number[], index: number) => row[index] ?? Number.POSITIVE_INFINITY
