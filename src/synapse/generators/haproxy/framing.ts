const PROMPT = '\n> '

/**
 * Cuts what HAProxy writes on a stats socket in prompt mode into answers. HAProxy ends each answer, and its greeting,
 * with a line feed and `> `; this holds for every command alike, also for silent ones (seen on 2.6, 2.8 and 3.2).
 * Accepts any chunking of the stream.
 */
export class PromptSplitter {
  readonly #maxLength: number
  #text = ''
  #searched = 0

  /** @param maxLength longest answer in characters; `show servers state` of 10,000 servers has 700,000. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /**
   * The answers that `chunk` completes, without their prompts.
   * @throws RangeError when an answer grows beyond the limit; the stream cannot be used after that.
   */
  push(chunk: string): string[] {
    this.#text += chunk
    const answers: string[] = []
    let start = 0
    for (;;) {
      const end = this.#text.indexOf(PROMPT, Math.max(start, this.#searched))
      if (end === -1) break
      answers.push(this.#text.slice(start, end))
      start = end + PROMPT.length
    }
    this.#text = this.#text.slice(start)
    // A prompt may be cut: the next search begins where one could still begin.
    this.#searched = Math.max(0, this.#text.length - PROMPT.length + 1)
    if (this.#text.length > this.#maxLength) {
      throw new RangeError(`gave an answer longer than ${this.#maxLength} characters`)
    }
    return answers
  }

  /** What has arrived of an answer that is not complete. */
  get rest(): string {
    return this.#text
  }
}
