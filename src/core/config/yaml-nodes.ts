import { isNode, isScalar, isSeq, type LineCounter } from 'yaml'
import type { ConfigPath, Position } from './problems.ts'

/** Where a node begins in the text; undefined for one that stands nowhere. */
export const start = (node: unknown): number | undefined => (isNode(node) ? (node.range?.[0] ?? undefined) : undefined)

/** What a key is called. */
export const keyText = (key: unknown): string => (isScalar(key) ? String(key.value ?? '') : '')

export const isMergeKey = (key: unknown): boolean =>
  isScalar(key) && (key.value === '<<' || (typeof key.value === 'symbol' && key.value.description === '<<'))

/** The path of a node that `visit` is at, from its ancestors. */
export function pathOf(ancestors: readonly unknown[], place: number | 'key' | 'value' | null): ConfigPath {
  const path: (string | number)[] = []
  for (const [index, ancestor] of ancestors.entries()) {
    const next = ancestors[index + 1]
    if (isSeq(ancestor)) path.push(next === undefined ? Number(place) : ancestor.items.indexOf(next))
    else if (typeof ancestor === 'object' && ancestor !== null && 'key' in ancestor) path.push(keyText(ancestor.key))
  }
  return path
}

/** Turns offsets into places that people know. */
export function positionIn(lines: LineCounter): (offset: number) => Position {
  return (offset) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
}
