import type { SharedSession } from './session.ts'
import type { WatchListener } from './watch-table.ts'
import type { CreateOptions, NodeToRead, Session, SessionState } from './zookeeper.ts'

/** One user's hold on a shared session. What it subscribed ends with its release. */
export class SessionHandle implements Session {
  readonly #shared: SharedSession
  readonly #giveBack: (keep: boolean) => Promise<void>
  readonly #unsubscribe = new Set<() => void>()
  #released: Promise<void> | undefined

  constructor(shared: SharedSession, giveBack: (keep: boolean) => Promise<void>) {
    this.#shared = shared
    this.#giveBack = giveBack
  }

  get state(): SessionState {
    return this.#shared.state
  }

  get generation(): number {
    return this.#shared.generation
  }

  get shared(): object {
    return this.#shared
  }

  subscribe(listener: (state: SessionState) => void): () => void {
    const unsubscribe = this.#shared.subscribe(listener)
    this.#unsubscribe.add(unsubscribe)
    return () => {
      this.#unsubscribe.delete(unsubscribe)
      unsubscribe()
    }
  }

  connected(signal: AbortSignal) {
    return this.#shared.connected(signal)
  }

  exists(path: string, signal: AbortSignal, watch?: WatchListener) {
    return this.#shared.exists(path, signal, watch)
  }

  getData(path: string, signal: AbortSignal, watch?: WatchListener) {
    return this.#shared.getData(path, signal, watch)
  }

  getDataOf(nodes: readonly NodeToRead[], signal: AbortSignal) {
    return this.#shared.getDataOf(nodes, signal)
  }

  getChildren(path: string, signal: AbortSignal, watch?: WatchListener) {
    return this.#shared.getChildren(path, signal, watch)
  }

  create(path: string, data: Buffer, options: CreateOptions, signal: AbortSignal) {
    return this.#shared.create(path, data, options, signal)
  }

  setData(path: string, data: Buffer, signal: AbortSignal) {
    return this.#shared.setData(path, data, signal)
  }

  delete(path: string, signal: AbortSignal) {
    return this.#shared.delete(path, signal)
  }

  ensurePath(path: string, signal: AbortSignal) {
    return this.#shared.ensurePath(path, signal)
  }

  catchUp(path: string, signal: AbortSignal) {
    return this.#shared.catchUp(path, signal)
  }

  release({ keep = false }: { readonly keep?: boolean } = {}): Promise<void> {
    if (this.#released === undefined) {
      for (const unsubscribe of this.#unsubscribe) unsubscribe()
      this.#unsubscribe.clear()
      this.#released = this.#giveBack(keep)
    }
    return this.#released
  }
}
