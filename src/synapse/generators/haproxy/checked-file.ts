import type { Clock } from '../../../core/clock.ts'
import type { ConfigFile } from './config-file.ts'
import type { FileText } from './file-text.ts'
import { Proof, type ProvenParts } from './proof.ts'

/**
 * The configuration file as it is written: checked by HAProxy, or made of nothing but what HAProxy has checked before. One
 * that went without is checked later, once in ten minutes.
 */
export class CheckedFile {
  readonly #file: ConfigFile
  readonly #clock: Clock
  readonly #proof = new Proof()
  /** What is on disk went without a check. */
  #unchecked = false

  constructor(file: ConfigFile, clock: Clock) {
    this.#file = file
    this.#clock = clock
  }

  /** When the file on disk is to be written again, with a check; infinite when it was checked. */
  get checkAt(): number {
    return this.#unchecked ? this.#proof.checkAt : Number.POSITIVE_INFINITY
  }

  /** HAProxy does not start: what was taken for good without a check is checked by the next `write`. */
  distrust(): void {
    this.#proof.forget()
  }

  /** Asks HAProxy about a file that is not to be written, so that a like one needs no check. */
  async learn(text: FileText, parts: ProvenParts, signal: AbortSignal): Promise<void> {
    if (!this.#file.isProvable || parts.frame === undefined) return
    const refused = await this.#file.test(text, signal)
    if (refused === undefined) this.#proof.checked(parts, this.#clock.now())
  }

  /**
   * Makes the file say `text`.
   * @param parts what the text is made of.
   * @param onDisk what the file says now.
   * @param mustCheck HAProxy itself shall say that it takes it, e.g. because it is reloaded with it next.
   * @throws as `ConfigFile.replace` does.
   */
  async write(
    text: FileText,
    parts: ProvenParts,
    { onDisk, mustCheck }: { readonly onDisk: FileText | undefined; readonly mustCheck: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const now = this.#clock.now()
    const isProven = this.#file.isProvable && !mustCheck && this.#proof.covers(parts, now)
    if ((isProven || !this.#unchecked) && onDisk?.equals(text)) return
    if (isProven) {
      await this.#file.put(text)
      this.#proof.written(parts)
    } else {
      await this.#file.replace(text, signal)
      this.#proof.checked(parts, now)
    }
    this.#unchecked = isProven
  }
}
