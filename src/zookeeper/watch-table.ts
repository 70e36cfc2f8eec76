import type { WatchEvent } from './zookeeper.ts'

/** Which change a watch waits for: data and deletion of a node, its creation, or its children. */
export type WatchKind = 'data' | 'exist' | 'child'

export type WatchListener = (event: WatchEvent) => void

/** Paths by kind, as SetWatches wants them. */
export interface WatchedPaths {
  readonly data: readonly string[]
  readonly exist: readonly string[]
  readonly child: readonly string[]
}

/** Which kinds of watch a notification uses up. A deletion fires exist watches too, as in ZooKeeper's own client. */
const FIRED_BY: Readonly<Record<WatchEvent, readonly WatchKind[]>> = {
  created: ['data', 'exist'],
  changed: ['data', 'exist'],
  deleted: ['data', 'exist', 'child'],
  children: ['child'],
}

/** ZooKeeper's numbers of the notifications. */
const EVENT_OF_TYPE: ReadonlyMap<number, WatchEvent> = new Map([
  [1, 'created'],
  [2, 'deleted'],
  [3, 'changed'],
  [4, 'children'],
])

/** The meaning of a notification's number; undefined for those that concern no watch of ours. */
export function watchEventOf(type: number): WatchEvent | undefined {
  return EVENT_OF_TYPE.get(type)
}

/** The watches of one session. Each fires once and is forgotten then. */
export class WatchTable {
  readonly #watches: Readonly<Record<WatchKind, Map<string, Set<WatchListener>>>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
  }

  /** The same listener on the same path and kind counts once. */
  add(kind: WatchKind, path: string, listener: WatchListener): void {
    const listeners = this.#watches[kind].get(path)
    if (listeners === undefined) this.#watches[kind].set(path, new Set([listener]))
    else listeners.add(listener)
  }

  /** Removes and returns the listeners that an event fires, each once. */
  take(event: WatchEvent, path: string): readonly WatchListener[] {
    const fired = new Set<WatchListener>()
    for (const kind of FIRED_BY[event]) {
      for (const listener of this.#watches[kind].get(path) ?? []) fired.add(listener)
      this.#watches[kind].delete(path)
    }
    return [...fired]
  }

  paths(): WatchedPaths {
    const { data, exist, child } = this.#watches
    return { data: [...data.keys()], exist: [...exist.keys()], child: [...child.keys()] }
  }
}
