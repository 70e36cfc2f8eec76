import { resolve } from 'node:path'

/** A reporter that writes to a file. */
interface Keeper {
  readonly service: string
  /** Adds lines, as others may beside it; else the whole file is its own. */
  readonly append: boolean
}

/** What a file is left with: something, or nothing. */
type Intent = 'keep' | 'remove'

interface Shared {
  keeper: Keeper | undefined
  /** Ends when all that was begun there has ended. Never rejects. */
  turn: Promise<void>
  users: number
}

/** Two services have the same file for a moment when an edit gives one another name: the new one takes it, the old one leaves. */
const files = new Map<string, Shared>()

/** A file as one reporter sees it that may have to share it with others of this process. */
export class SharedFile {
  readonly path: string
  readonly #me: Keeper
  readonly #shared: Shared
  /** Whether it was ours once: who takes it from us keeps it, or both would write for ever. */
  #hasKept = false
  #isClosed = false

  constructor(path: string, me: Keeper) {
    this.path = resolve(path)
    this.#me = me
    this.#shared = files.get(this.path) ?? { keeper: undefined, turn: Promise.resolve(), users: 0 }
    this.#shared.users++
    files.set(this.path, this.#shared)
  }

  /**
   * Runs `work` when the others have done theirs, unless the file is somebody else's by now: then it is left alone, and
   * undefined. Rejects with signal.reason when that is aborted before its turn comes.
   */
  async use<T>(intent: Intent, signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    const { turn } = this.#shared
    const done = turn.then(async () => {
      signal.throwIfAborted()
      if (!this.#isOurs(intent)) return undefined
      this.#mark(intent)
      return work()
    })
    this.#shared.turn = done.then(
      () => {},
      () => {}, // told by `done`
    )
    return done
  }

  /** Lets go of it as it is. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#shared.keeper === this.#me) this.#shared.keeper = undefined
    this.#shared.users--
    if (this.#shared.users === 0) files.delete(this.path)
  }

  #isOurs(intent: Intent): boolean {
    const { keeper } = this.#shared
    if (keeper === undefined || keeper === this.#me || (keeper.append && this.#me.append)) return true
    if (this.#hasKept) return false
    return intent === 'keep' || keeper.service === this.#me.service // the former reporter of an edited service
  }

  #mark(intent: Intent): void {
    if (intent === 'keep') {
      this.#hasKept = true
      this.#shared.keeper = this.#me
    } else if (this.#shared.keeper === this.#me || !this.#me.append) {
      this.#shared.keeper = undefined
    }
  }
}
