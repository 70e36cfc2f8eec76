import type { Mood } from '../../core/status-page.ts'
import type { Style } from '../style.ts'
import { formatParagraph, plainText } from '../table.ts'

export type Level = 'ok' | 'warning' | 'problem'

/** One thing that `smartstack doctor` has looked at. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly area: string
  readonly level: Level
  /** What was found; no full stop at the end. */
  readonly what: string
  /** What to do about it. Always there unless all is well. */
  readonly remedy?: string
}

export const ok = (area: string, what: string): Finding => ({ area, level: 'ok', what })

export const warning = (area: string, what: string, remedy: string): Finding => ({
  area,
  level: 'warning',
  what,
  remedy,
})

export const problem = (area: string, what: string, remedy: string): Finding => ({
  area,
  level: 'problem',
  what,
  remedy,
})

const MOODS: Readonly<Record<Level, Mood>> = { ok: 'good', warning: 'unsure', problem: 'bad' }

/** For people: one line each, the remedy below. */
export function formatFindings(
  findings: readonly Finding[],
  { width, style }: { readonly width: number; readonly style: Style },
): string[] {
  const widest = Math.max(0, ...findings.map(({ area }) => area.length))
  return findings.flatMap(({ area, level, what, remedy }) => {
    const first = `${level.padEnd(7)}  ${plainText(area).padEnd(widest)}  `
    const [line = '', ...more] = formatParagraph(first, what, width)
    const advice = remedy === undefined ? [] : formatParagraph(`${' '.repeat(first.length)}-> `, remedy, width)
    return [`${style.mood(MOODS[level], level)}${line.slice(level.length)}`, ...more, ...advice.map(style.bold)]
  })
}

/** The last line. */
export function formatCount(findings: readonly Finding[], style: Style): string {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length
  const [problems, warnings] = [count('problem'), count('warning')]
  if (problems + warnings === 0) return style.mood('good', 'All is well.')
  const words = [
    ...(problems > 0 ? [`${problems} ${problems === 1 ? 'problem' : 'problems'}`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
  ]
  return style.mood(problems > 0 ? 'bad' : 'unsure', words.join(', '))
}
