const PROMPT = '\n> '

/**
 * Cuts what HAProxy writes on a stats socket in prompt mode into answers. HAProxy ends each answer, and its greeting,
 * with a line feed and `> `; this holds for every command alike, also for silent ones (seen on 2.6, 2.8 and 3.2).
 * Accepts any chunking of the stream.
 */
export class PromptSplitter {
  readonly #maxLength: number
  /** What has arrived of an answer that is not complete. Joined once it is: to search a text makes it one piece each time. */
  #pieces: string[] = []
  #length = 0
  /** What follows the pieces: the last characters, which may be the beginning of a prompt. */
  #tail = ''

  /** @param maxLength longest answer in characters; `show servers state` of 10,000 servers has 700,000. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /**
   * The answers that `chunk` completes, without their prompts.
   * @throws RangeError when an answer grows beyond the limit; the stream cannot be used after that.
   */
  push(chunk: string): string[] {
    const text = this.#tail + chunk
    const answers: string[] = []
    let start = 0
    for (let end = text.indexOf(PROMPT); end !== -1; end = text.indexOf(PROMPT, start)) {
      answers.push(this.#pieces.join('') + text.slice(start, end))
      this.#pieces = []
      this.#length = 0
      start = end + PROMPT.length
    }
    const tailStart = Math.max(start, text.length - PROMPT.length + 1)
    if (tailStart > start) this.#pieces.push(text.slice(start, tailStart))
    this.#length += tailStart - start
    this.#tail = text.slice(tailStart)
    if (this.#length + this.#tail.length > this.#maxLength) {
      throw new RangeError(`gave an answer longer than ${this.#maxLength} characters`)
    }
    return answers
  }

  /** What has arrived of an answer that is not complete. */
  get rest(): string {
    return this.#pieces.join('') + this.#tail
  }
}
