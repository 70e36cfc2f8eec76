import type { ChildrenSnapshot, WatchEvent } from './zookeeper.ts'

type Child = ChildrenSnapshot['children'][number]

/** One child as far as it is known. */
export interface ChildEntry {
  readonly name: string
  /** Undefined until it has been read. The same object as long as nothing changed. */
  readonly child: Child | undefined
  /** To be called by the watch on its data. */
  readonly onEvent: (event: WatchEvent) => void
}

interface Entry extends ChildEntry {
  child: Child | undefined
  /** The session in which it was last read and is watched; undefined: read it again; `never`: its name says all. */
  readIn: number | 'never' | undefined
}

export interface ChildTableOptions {
  /** The data that a name carries, if it does; such a child need not be read. */
  readonly dataInName: (name: string) => Buffer | undefined
  /** The watch of a child fired: it is gone, or marked to be read again. */
  readonly onEvent: () => void
}

/** The children of one path: which there are, what each says, and which of them have to be read. */
export class ChildTable {
  /** Whether the set or any data differs from when this was last set to false. */
  changed = false
  readonly #options: ChildTableOptions
  readonly #entries = new Map<string, Entry>()
  #names: readonly string[] = []
  #turn = 0

  constructor(options: ChildTableOptions) {
    this.#options = options
  }

  /** Takes over the names of a complete listing. */
  merge(listing: readonly string[]): void {
    const names = new Set(listing)
    let differs = names.size !== this.#names.length
    for (const entry of this.#entries.values()) {
      if (names.has(entry.name)) continue
      this.drop(entry)
      differs = true
    }
    for (const name of names) {
      if (this.#entries.has(name)) continue
      this.#add(name)
      differs = true
    }
    if (differs) this.#names = [...names].sort()
  }

  /** The children that were not read in this session, or of which a watch has told since. */
  due(session: number): ChildEntry[] {
    return [...this.#entries.values()].filter(({ readIn }) => readIn !== 'never' && readIn !== session)
  }

  /** Marks a child as read in a session. To be called before the read: an event during it asks for another. */
  markRead(child: ChildEntry, session: number | undefined): void {
    const entry = this.#entries.get(child.name)
    if (entry === child && entry.readIn !== 'never') entry.readIn = session
  }

  /** What a read said. */
  store(child: ChildEntry, data: Buffer): void {
    const entry = this.#entries.get(child.name)
    if (entry !== child || entry.child?.data.equals(data)) return
    entry.child = { name: entry.name, data }
    this.changed = true
  }

  /** The child does not exist. */
  drop(child: ChildEntry): void {
    if (this.#entries.get(child.name) !== child) return
    this.#entries.delete(child.name)
    if (child.child !== undefined) this.changed = true
  }

  /** Marks the next `count` children to be read again, all of them in turn. */
  refreshSome(count: number): void {
    const { length } = this.#names
    for (let step = 0; step < Math.min(count, length); step++) {
      const entry = this.#entries.get(String(this.#names[this.#turn++ % length]))
      if (entry !== undefined && entry.readIn !== 'never') entry.readIn = undefined
    }
  }

  /** Those that were read, by name. */
  children(): Child[] {
    return this.#names.flatMap((name) => this.#entries.get(name)?.child ?? [])
  }

  clear(): void {
    this.#entries.clear()
    this.#names = []
  }

  #add(name: string): void {
    const data = this.#options.dataInName(name)
    if (data !== undefined) this.changed = true
    const entry: Entry = {
      name,
      child: data === undefined ? undefined : { name, data },
      readIn: data === undefined ? undefined : 'never',
      onEvent: (event) => {
        // That it is gone needs no reading. Should it be back already, the listing that follows finds it.
        if (event === 'deleted') this.drop(entry)
        else entry.readIn = undefined
        this.#options.onEvent()
      },
    }
    this.#entries.set(name, entry)
  }
}
