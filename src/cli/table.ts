import type { Cell } from '../core/status-page.ts'
import type { Style } from './style.ts'

/** Text for a terminal: aligned tables, wrapped paragraphs. What comes from elsewhere can move no cursor. */

export interface TableOptions {
  /** Titles; a title that ends with `#` heads a column of numbers, which is aligned right. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | Cell)[])[]
  /** Columns of the terminal. The last column is wrapped to fit; others are never cut. */
  readonly width: number
  readonly style: Style
  /** Blanks in front of each line. Default 2. */
  readonly indent?: number
}

const GAP = 2
/** Where less than this is left for the last column, it goes below its row. */
const MIN_LAST_WIDTH = 24

interface ReadyCell {
  readonly lines: readonly string[]
  readonly mood: Cell['mood']
}

/** The lines of a table. Columns that are empty in every row are left out. */
export function formatTable({ columns, rows, width, style, indent = 2 }: TableOptions): string[] {
  const cells = rows.map((row) => columns.map((_, index) => readyCell(row[index] ?? '')))
  const used = columns.flatMap((_, index) =>
    cells.some((row) => row[index]?.lines.some((line) => line !== '')) ? [index] : [],
  )
  const titles = used.map((index) => (columns[index] ?? '').replace(/#$/, ''))
  const isNumber = used.map((index) => (columns[index] ?? '').endsWith('#'))
  const body = cells.map((row) => used.map((index) => row[index] ?? EMPTY))
  const widths = titles.map((title, index) =>
    Math.max(length(title), ...body.flatMap((row) => (row[index]?.lines ?? []).map(length))),
  )
  const last = titles.length - 1
  const before = indent + widths.slice(0, last).reduce((sum, each) => sum + each + GAP, 0)
  const room = width - before
  const fits = (widths[last] ?? 0) <= room
  const below = !fits && room < MIN_LAST_WIDTH && last > 0
  const put = (row: readonly ReadyCell[]) => layOut(row, widths, isNumber, indent, style)
  const header = put(titles.map((title) => ({ lines: [title], mood: 'plain' })))[0] ?? ''
  const lines = body.flatMap((row) => {
    const final = row[last] ?? EMPTY
    if (fits) return put(row)
    if (!below) return put([...row.slice(0, last), wrapped(final, room)])
    const under = ' '.repeat(indent + 2)
    const more = wrapped(final, width - under.length).lines.filter((line) => line !== '')
    return [...put(row.slice(0, last)), ...more.map((line) => `${under}${style.mood(final.mood, line)}`)]
  })
  return [style.dim(below ? header.slice(0, before).trimEnd() : header), ...lines]
}

const EMPTY: ReadyCell = { lines: [''], mood: 'plain' }

function readyCell(cell: string | Cell): ReadyCell {
  const { text, mood } = typeof cell === 'string' ? { text: cell, mood: 'plain' as const } : cell
  return { lines: text.split('\n').map(plainText), mood }
}

function wrapped({ lines, mood }: ReadyCell, width: number): ReadyCell {
  return { lines: lines.flatMap((line) => wrapText(line, width)), mood }
}

function layOut(
  row: readonly ReadyCell[],
  widths: readonly number[],
  isNumber: readonly boolean[],
  indent: number,
  style: Style,
): string[] {
  const height = Math.max(1, ...row.map(({ lines }) => lines.length))
  return Array.from({ length: height }, (_, line) => {
    const parts = row.map(({ lines, mood }, index) => {
      const text = lines[line] ?? ''
      const blanks = ' '.repeat(Math.max(0, (widths[index] ?? 0) - length(text)))
      const painted = style.mood(mood, text)
      return isNumber[index] ? `${blanks}${painted}` : `${painted}${blanks}`
    })
    return `${' '.repeat(indent)}${parts.join(' '.repeat(GAP))}`.trimEnd()
  })
}

/** Breaks a text at its blanks. A word is never cut, however long: operators copy paths. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/ +/)) {
    if (line === '') line = word
    else if (length(line) + 1 + length(word) <= width) line += ` ${word}`
    else {
      lines.push(line)
      line = word
    }
  }
  return [...lines, line]
}

/** A paragraph: `first` in front of the first line, as many blanks in front of the others. */
export function formatParagraph(first: string, text: string, width: number): string[] {
  const under = ' '.repeat(length(first))
  const lines = text.split('\n').flatMap((line) => wrapText(plainText(line), width - length(first)))
  return lines.map((line, index) => `${index === 0 ? first : under}${line}`.trimEnd())
}

/** Control characters made visible: a reason may hold what a service has answered. */
export function plainText(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

const length = (text: string) => [...text].length

/** `1 server`, `2 servers`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
