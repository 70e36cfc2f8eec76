import { commonEnds } from './list-difference.ts'

const LINE_FEED = 0x0a

/**
 * A list as text, a line for each item. Of a list that is written again only the lines between those that stayed at its start
 * and at its end are made anew: one item more among a hundred costs a line. Kept as bytes, which the garbage collector does
 * not have to look through.
 */
export class WrittenList<T> {
  readonly #lineOf: (item: T) => string
  #items: readonly T[] = []
  #text: Buffer = Buffer.alloc(0)

  /** @param lineOf the line of an item, without a line feed in it. The same item has the same line for ever. */
  constructor(lineOf: (item: T) => string) {
    this.#lineOf = lineOf
  }

  /** Each line is ended by a line feed. The same object as long as the items are the same. */
  write(items: readonly T[]): Buffer {
    const before = this.#items
    const { atStart, atEnd } = commonEnds(items, before)
    this.#items = items
    if (atStart === items.length && atStart === before.length) return this.#text
    const headEnd = afterLines(this.#text, 0, atStart)
    const tailStart = afterLines(this.#text, headEnd, before.length - atStart - atEnd)
    const fresh = items.slice(atStart, items.length - atEnd).map((item) => `${this.#lineOf(item)}\n`)
    this.#text = Buffer.concat([
      this.#text.subarray(0, headEnd),
      Buffer.from(fresh.join('')),
      this.#text.subarray(tailStart),
    ])
    return this.#text
  }
}

/** Where in a text so many more lines have ended. */
function afterLines(text: Buffer, from: number, lines: number): number {
  let at = from
  for (let left = lines; left > 0; left--) at = text.indexOf(LINE_FEED, at) + 1
  return at
}
