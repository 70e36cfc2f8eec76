/**
 * Reads a table that HAProxy prints: a header line that starts with `#`, then a line per row, fields parted by one blank.
 * There may be ten thousand rows of which hardly any has changed, so nothing is cut out that nobody asks for.
 */
export class Rows<Name extends string> {
  readonly #text: string
  /** By name: the number of the column. */
  readonly #columns: Readonly<Record<Name, number>>
  /** By column, up to the last that is wanted: where its field begins and ends. Numbers, because there are ten thousand rows. */
  readonly #starts: number[]
  readonly #ends: number[]
  #at: number
  #rowStart = 0
  #rowEnd = 0

  /**
   * @param at where the header begins in `text`.
   * @throws SyntaxError when one of the columns is not in the header.
   */
  constructor(text: string, at: number, columns: readonly Name[]) {
    const headerEnd = lineEnd(text, at)
    this.#text = text
    this.#columns = columnsOf(text.slice(at, headerEnd), columns)
    const places = 1 + Math.max(...columns.map((name) => this.#columns[name]))
    this.#starts = new Array<number>(places).fill(0)
    this.#ends = new Array<number>(places).fill(0)
    this.#at = headerEnd + 1
  }

  /** Goes to the next row that is not empty. False: there is none. */
  next(): boolean {
    while (this.#at < this.#text.length) {
      const start = this.#at
      const end = lineEnd(this.#text, start)
      this.#at = end + 1
      if (end === start) continue
      this.#rowStart = start
      this.#rowEnd = end
      this.#cut(start, end)
      return true
    }
    return false
  }

  /** The whole of this row, without its line feed. */
  get row(): string {
    return this.#text.slice(this.#rowStart, this.#rowEnd)
  }

  /** Whether a field of this row is exactly this. */
  is(name: Name, value: string): boolean {
    const start = this.#start(name)
    return this.#end(name) - start === value.length && this.#text.startsWith(value, start)
  }

  /** A field of this row, to be looked at and not to be kept. */
  peek(name: Name): string {
    return this.#text.slice(this.#start(name), this.#end(name))
  }

  /** A field of this row, as a string of its own: a piece of the text would keep all of the text in memory. */
  text(name: Name): string {
    const codes: number[] = []
    for (let index = this.#start(name); index < this.#end(name); index++) codes.push(this.#text.charCodeAt(index))
    return String.fromCharCode(...codes)
  }

  /** A field of this row as a whole number; NaN when it is none. */
  number(name: Name): number {
    const start = this.#start(name)
    const end = this.#end(name)
    let value = 0
    for (let index = start; index < end; index++) {
      const digit = this.#text.charCodeAt(index) - ZERO
      if (digit < 0 || digit > 9) return Number(this.peek(name))
      value = value * 10 + digit
    }
    return end === start ? Number.NaN : value
  }

  #cut(start: number, end: number): void {
    let from = start
    for (let column = 0; column < this.#starts.length; column++) {
      const blank = this.#text.indexOf(' ', from)
      const to = blank === -1 || blank > end ? end : blank
      this.#starts[column] = Math.min(from, end)
      this.#ends[column] = to
      from = to + 1
    }
  }

  #start(name: Name): number {
    return this.#starts[this.#columns[name]] ?? 0
  }

  #end(name: Name): number {
    return this.#ends[this.#columns[name]] ?? 0
  }
}

const ZERO = 48

/** Where each wanted column is in a header line that starts with `#`. @throws SyntaxError when one is missing. */
export function columnsOf<Name extends string>(
  header: string,
  wanted: readonly Name[],
): Readonly<Record<Name, number>> {
  const found = header.replace(/^#\s*/, '').split(' ')
  const columns = {} as Record<Name, number>
  for (const name of wanted) {
    const index = found.indexOf(name)
    if (index === -1) throw new SyntaxError(`HAProxy's answer has no column ${name}: ${header}`)
    columns[name] = index
  }
  return columns
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}
