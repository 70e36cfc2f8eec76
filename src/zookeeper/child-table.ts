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
    for (const entry of this.#entries.values()) if (!names.has(entry.name)) this.drop(entry)
    const kept = this.#names.filter((name) => this.#entries.has(name))
    const fresh = listing.filter((name) => {
      const isNew = !this.#entries.has(name)
      if (isNew) this.#add(name)
      return isNew
    })
    // Those that stay are in order already: one more among ten thousand is no reason to sort them all.
    this.#names = mergeSorted(kept, fresh.sort())
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
    const children: Child[] = []
    for (const name of this.#names) {
      const child = this.#entries.get(name)?.child
      if (child !== undefined) children.push(child)
    }
    return children
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

/** Two sorted lists without a name in common, as one. */
function mergeSorted(a: readonly string[], b: readonly string[]): readonly string[] {
  if (b.length === 0) return a
  const merged: string[] = []
  let next = 0
  for (const name of a) {
    for (let other = b[next]; other !== undefined && other < name; other = b[next]) {
      merged.push(other)
      next += 1
    }
    merged.push(name)
  }
  return [...merged, ...b.slice(next)]
}
