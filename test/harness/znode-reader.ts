import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.ts'
import { createMetrics } from '../../src/core/metrics.ts'
import { createSessionPool } from '../../src/zookeeper/session-pool.ts'
import type { Session } from '../../src/zookeeper/zookeeper.ts'
import { recordingLog } from './recording-log.ts'
import type { ZooKeeperServer } from './zookeeper-server.ts'

const never = new AbortController().signal

export interface Znode {
  readonly name: string
  readonly data: string
}

/** Reads what daemons wrote, through a session of the test's own. */
export class ZnodeReader {
  readonly session: Session
  readonly #close: () => Promise<void>

  constructor(session: Session, close: () => Promise<void>) {
    this.session = session
    this.#close = close
  }

  /** The children of a path with their data; none when there is no such path. */
  async children(path: string): Promise<readonly Znode[]> {
    if ((await this.session.exists(path, never)) === undefined) return []
    const { children } = await this.session.getChildren(path, never)
    const read = children.map(async (name) => {
      const { data } = await this.session.getData(`${path}/${name}`, never)
      return { name, data: data.toString('utf8') }
    })
    return Promise.all(read)
  }

  /** @throws AssertionError unless there is exactly one child. */
  async onlyChild(path: string): Promise<Znode> {
    const children = await this.children(path)
    const [child] = children
    assert.ok(child !== undefined && children.length === 1, `${path} has ${children.length} children`)
    return child
  }

  close(): Promise<void> {
    return this.#close()
  }
}

export async function readZnodes({ hosts }: ZooKeeperServer): Promise<ZnodeReader> {
  const options = { clock: systemClock, log: recordingLog(), metrics: createMetrics(), random: Math.random }
  const sessions = createSessionPool(options)
  const session = sessions.acquire({ hosts: [hosts], sessionTimeoutMs: 10_000 })
  await session.connected(never)
  return new ZnodeReader(session, () => sessions.close())
}
