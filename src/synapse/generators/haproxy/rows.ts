/**
 * Reads a table that HAProxy prints: a header line that starts with `#`, then a line per row, fields parted by one blank.
 * There may be ten thousand rows of which hardly any has changed, so nothing is cut out that nobody asks for.
 */
export class Rows<Name extends string> {
  readonly #text: string
  /** By column: where its field is kept; undefined when nobody wants it. */
  readonly #places: readonly (Name | undefined)[]
  readonly #starts = {} as Record<Name, number>
  readonly #ends = {} as Record<Name, number>
  #at: number
  #row = { start: 0, end: 0 }

  /**
   * @param at where the header begins in `text`.
   * @throws SyntaxError when one of the columns is not in the header.
   */
  constructor(text: string, at: number, columns: readonly Name[]) {
    const headerEnd = lineEnd(text, at)
    this.#text = text
    this.#places = placesOf(text.slice(at, headerEnd), columns)
    this.#at = headerEnd + 1
  }

  /** Goes to the next row that is not empty. False: there is none. */
  next(): boolean {
    while (this.#at < this.#text.length) {
      const start = this.#at
      const end = lineEnd(this.#text, start)
      this.#at = end + 1
      if (end === start) continue
      this.#row = { start, end }
      this.#cut(start, end)
      return true
    }
    return false
  }

  /** The whole of this row, without its line feed. */
  get row(): string {
    return this.#text.slice(this.#row.start, this.#row.end)
  }

  /** Whether a field of this row is exactly this. */
  is(name: Name, value: string): boolean {
    const start = this.#starts[name]
    return this.#ends[name] - start === value.length && this.#text.startsWith(value, start)
  }

  /** A field of this row, to be looked at and not to be kept. */
  peek(name: Name): string {
    return this.#text.slice(this.#starts[name], this.#ends[name])
  }

  /** A field of this row, as a string of its own: a piece of the text would keep all of the text in memory. */
  text(name: Name): string {
    const codes: number[] = []
    for (let index = this.#starts[name]; index < this.#ends[name]; index++) codes.push(this.#text.charCodeAt(index))
    return String.fromCharCode(...codes)
  }

  /** A field of this row as a whole number; NaN when it is none. */
  number(name: Name): number {
    const start = this.#starts[name]
    const end = this.#ends[name]
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
    for (const place of this.#places) {
      const blank = this.#text.indexOf(' ', from)
      const to = blank === -1 || blank > end ? end : blank
      if (place !== undefined) {
        this.#starts[place] = Math.min(from, end)
        this.#ends[place] = to
      }
      from = to + 1
    }
  }
}

const ZERO = 48

/** By column, up to the last that is wanted: its name, if it is. */
function placesOf<Name extends string>(header: string, wanted: readonly Name[]): readonly (Name | undefined)[] {
  const found = header.replace(/^#\s*/, '').split(' ')
  const places: (Name | undefined)[] = []
  for (const name of wanted) {
    const index = found.indexOf(name)
    if (index === -1) throw new SyntaxError(`HAProxy's answer has no column ${name}: ${header}`)
    while (places.length <= index) places.push(undefined)
    places[index] = name
  }
  return places
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}
