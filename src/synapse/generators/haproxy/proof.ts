import { listDifference } from '../../../core/list-difference.ts'
import type { Backend, Server } from './model.ts'

/** What of a file the proof is about. */
export interface ProvenParts {
  /** The file without our servers; undefined when it cannot be told apart from them. */
  readonly frame?: string | undefined
  readonly backends: ReadonlyMap<string, Backend>
}

/** A file that nobody but us found good is checked at the latest after this time. */
const CHECK_WITHIN_MS = 600_000
/** Options that are remembered of a backend beside those in its file: each server may have its own, e.g. a cookie, and they come and go. */
const MOST_REMEMBERED = 1000

/**
 * Tells which files need no `haproxy -c`: those that consist of nothing but what HAProxy has found good already. HAProxy
 * reads a server line by itself: what may be wrong with one are its words, and what they refer to. So a file with the frame
 * of a checked one, and with servers whose options all stood in the same backend of a checked one, is as good as that
 * (docs/adr/0006). Names, addresses, ports, ids and weights are in range and given once, which the builder sees to.
 */
export class Proof {
  #frame: string | undefined
  #backends: ReadonlyMap<string, Backend> = new Map()
  /** The options that HAProxy has found good, by backend. */
  #options = new Map<string, Set<string>>()
  #checkedAt = Number.NEGATIVE_INFINITY

  /** When a file that was not checked is to be. */
  get checkAt(): number {
    return this.#checkedAt + CHECK_WITHIN_MS
  }

  /** HAProxy found a file good. */
  checked(file: ProvenParts, now: number): void {
    if (file.frame !== this.#frame) this.#options = new Map()
    this.#frame = file.frame
    this.#checkedAt = now
    for (const { name, servers } of file.backends.values()) {
      if (this.#backends.get(name)?.servers === servers && this.#options.has(name)) continue
      const earlier = this.#options.get(name) ?? new Set()
      const remembered = earlier.size < MOST_REMEMBERED ? earlier : []
      this.#options.set(name, new Set([...remembered, ...optionsOf(servers)]))
    }
    this.#backends = file.backends
  }

  /** A file that needed no check is in place. */
  written({ backends }: ProvenParts): void {
    this.#backends = backends
  }

  /** Nothing is proven any more, e.g. because HAProxy does not start. */
  forget(): void {
    this.#frame = undefined
    this.#checkedAt = Number.NEGATIVE_INFINITY
  }

  /** Whether HAProxy is known to take this file. */
  covers({ frame, backends }: ProvenParts, now: number): boolean {
    if (frame === undefined || frame !== this.#frame || now >= this.checkAt) return false
    for (const backend of backends.values()) {
      const before = this.#backends.get(backend.name)
      if (before === undefined) return false
      if (before !== backend && !this.#coversChange(frame, before, backend)) return false
    }
    return true
  }

  #coversChange(frame: string, before: Backend, { name, servers }: Backend): boolean {
    const known = this.#options.get(name)
    if (known === undefined || servers.some(({ reloadOnly }) => reloadOnly !== undefined)) return false
    // What was there before is proven; one that is replaced, e.g. because of its weight, is still there by its name.
    const { added, gone } = listDifference(servers, before.servers)
    for (const options of optionsOf(added)) if (!known.has(options)) return false
    // A line may name a server: `use-server`, `track`, `srv_is_up(...)`. The one it names must not go.
    const replaced = new Set(added.map((server) => server.name))
    return gone.every((server) => replaced.has(server.name) || !this.#isNamed(server.name, frame))
  }

  #isNamed(server: string, frame: string): boolean {
    if (frame.includes(server)) return true
    return [...this.#options.values()].some((set) => [...set].some((options) => options.includes(server)))
  }
}

/** The words of these servers' lines that are not theirs alone, each once. Most servers of a backend share them. */
function optionsOf(servers: readonly Server[]): ReadonlySet<string> {
  const found = new Set<string>()
  let last: Server | undefined
  for (const server of servers) {
    const isLikeLast = server.options === last?.options && server.adminState === last.adminState
    if (!isLikeLast) found.add(`${server.options.join(' ')}${server.adminState === 'maint' ? ' disabled' : ''}`)
    last = server
  }
  return found
}
