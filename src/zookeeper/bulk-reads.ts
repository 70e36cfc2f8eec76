import type { Connection } from './connection.ts'
import type { NodeData } from './get-data.ts'
import { type Operations, operationError } from './operations.ts'
import { ReadManyRequest } from './read-many.ts'
import type { WatchTable } from './watch-table.ts'
import { type NodeRead, type NodeToRead, ZooKeeperError } from './zookeeper.ts'

export interface BulkReadsOptions {
  readonly connection: Pick<Connection, 'queue' | 'watchData'>
  readonly operations: Pick<Operations, 'run'>
  readonly watches: Pick<WatchTable, 'add'>
  /** Reads one node. */
  readonly readAlone: (node: NodeToRead, signal: AbortSignal) => Promise<NodeData>
  /** The server reads no nodes together, or failed to: from now on they are read one by one. */
  readonly onRefused: (reason: unknown) => void
}

/** Of those that are read one by one, so many are on their way at once. */
const ALONE_AT_ONCE = 8

/**
 * Reads many nodes of one session: with one request where the server can (ZooKeeper 3.6), which costs both sides a fraction,
 * else one by one. An older server answers a request that it does not know by closing the connection. So the first reading is
 * a trial that the others wait for, and after any failure this session reads one by one: that costs a connection once.
 */
export class BulkReads {
  readonly #options: BulkReadsOptions
  #trial: Promise<void> | undefined
  #isRefused = false

  constructor(options: BulkReadsOptions) {
    this.#options = options
  }

  /** In the order of the nodes. @throws ZooKeeperError that a later attempt can mend, e.g. CONNECTION_LOSS. */
  read(nodes: readonly NodeToRead[], signal: AbortSignal): Promise<readonly NodeRead[]> {
    if (this.#trial !== undefined) return this.#trial.then(() => this.#read(nodes, signal))
    const reading = this.#read(nodes, signal)
    this.#trial = reading.then(
      () => {},
      () => {}, // whoever reads hears of it
    )
    return reading
  }

  async #read(nodes: readonly NodeToRead[], signal: AbortSignal): Promise<readonly NodeRead[]> {
    if (this.#isRefused) return this.#readOneByOne(nodes, signal)
    try {
      return await this.#readTogether(nodes, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (!this.#isRefused) this.#options.onRefused(error)
      this.#isRefused = true
      return this.#readOneByOne(nodes, signal)
    }
  }

  /** The watches come first, in a request of their own: what changes from then on fires, whatever is read. */
  #readTogether(nodes: readonly NodeToRead[], signal: AbortSignal): Promise<readonly NodeRead[]> {
    const { connection, operations, watches } = this.#options
    const request = new ReadManyRequest(nodes.map(({ path }) => path))
    const watched: string[] = []
    const operation = { name: 'getData', path: nodes[0]?.path ?? '', signal } as const
    return operations.run(operation, ({ succeed, fail }) => {
      for (const { path, watch } of nodes) {
        if (watch === undefined) continue
        watches.add('data', path, watch)
        watched.push(path)
      }
      let watchError: number | undefined
      connection.watchData(watched, (error) => {
        watchError ??= error?.code
      })
      connection.queue(request, (error) => {
        const code = error?.code ?? watchError
        if (code !== undefined) fail(code)
        else succeed(() => request.answers.map((answer, index) => nodeRead(answer, nodes[index]?.path ?? '')))
      })
    })
  }

  async #readOneByOne(nodes: readonly NodeToRead[], signal: AbortSignal): Promise<readonly NodeRead[]> {
    const read: NodeRead[] = []
    const readAlone = (node: NodeToRead) =>
      this.#options.readAlone(node, signal).catch((error: unknown) => {
        if (error instanceof ZooKeeperError && !error.retryable) return error
        throw error
      })
    for (let next = 0; next < nodes.length; next += ALONE_AT_ONCE) {
      read.push(...(await Promise.all(nodes.slice(next, next + ALONE_AT_ONCE).map(readAlone))))
    }
    return read
  }
}

function nodeRead(answer: NodeData | number, path: string): NodeRead {
  return typeof answer === 'number' ? operationError({ name: 'getData', path }, answer) : answer
}
