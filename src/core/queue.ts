/** First in, first out. `shift` costs the same however many wait, which an array's does not. */
export class Queue<T> {
  readonly #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  /** The next that `shift` gives; undefined when there is none. */
  get first(): T | undefined {
    return this.#items[this.#head]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Takes the first out; undefined when there is none. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) this.clear()
    return item
  }

  /** Those that wait, the first first. */
  items(): T[] {
    return this.#items.slice(this.#head) as T[]
  }

  clear(): void {
    this.#items.length = 0
    this.#head = 0
  }
}
