import assert from 'node:assert/strict'
import type { Session } from '../../src/zookeeper/zookeeper.ts'
import { eventually } from './eventually.ts'
import { createTestPool, type TestPool } from './test-pool.ts'
import { startZooKeeper, type ZooKeeperServer } from './zookeeper-server.ts'

/** A registration as it lies in ZooKeeper. */
export interface Found {
  /** Of the znode, without its parent. */
  readonly name: string
  /** The bytes, as text. */
  readonly data: string
  /** The session that it ends with; undefined for a persistent one. */
  readonly owner: string | undefined
  /** Two znodes of one name differ in it. */
  readonly czxid: string
  /** Rises with each write. */
  readonly version: number
}

const never = new AbortController().signal

/** A real ZooKeeper, and a client of the test's own that reads what nerve wrote. */
export class AirbnbRegistry {
  readonly zookeeper: ZooKeeperServer
  /** The test's own session, for what others do to the znodes. */
  readonly session: Session
  readonly #pool: TestPool

  constructor(zookeeper: ZooKeeperServer, session: Session, pool: TestPool) {
    this.zookeeper = zookeeper
    this.session = session
    this.#pool = pool
  }

  /** A service of nerve.yaml under /services/<name>, which nothing checks unless `more` says so. */
  service(name: string, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    const place = { zk_hosts: [this.zookeeper.hosts], zk_path: `/services/${name}` }
    return { host: '10.0.0.1', port: 3000, ...place, check_interval: 0.1, ...more }
  }

  /** What is registered for a service now, by name. */
  async registrations(service: string): Promise<readonly Found[]> {
    const parent = `/services/${service}`
    if ((await this.session.exists(parent, never)) === undefined) return []
    const { children } = await this.session.getChildren(parent, never)
    return Promise.all(children.toSorted().map((name) => this.#read(parent, name)))
  }

  /** The one registration of a service, as soon as there is exactly one. */
  one(service: string, deadlineMs = 30_000): Promise<Found> {
    return eventually(async () => {
      const found = await this.registrations(service)
      const [only] = found
      assert.equal(found.length, 1, `${service} has ${found.length} registrations, expected one`)
      assert.ok(only !== undefined, 'no registration')
      return only
    }, deadlineMs)
  }

  /** Waits until a service is not registered. */
  async none(service: string, deadlineMs = 30_000): Promise<void> {
    await eventually(async () => assert.deepEqual(await this.registrations(service), []), deadlineMs)
  }

  /** What ZooKeeper holds at a path; undefined when there is nothing. */
  async at(path: string): Promise<Found | undefined> {
    if ((await this.session.exists(path, never)) === undefined) return undefined
    const slash = path.lastIndexOf('/')
    return this.#read(path.slice(0, slash), path.slice(slash + 1))
  }

  async create(path: string, data: string, mode: 'persistent' | 'ephemeral' = 'persistent'): Promise<void> {
    await this.session.create(path, Buffer.from(data), { mode }, never)
  }

  async remove(path: string): Promise<void> {
    assert.ok(await this.session.delete(path, never), `${path} was there to be removed`)
  }

  async close(): Promise<void> {
    await this.#pool.pool.close()
    await this.zookeeper.close()
  }

  async #read(parent: string, name: string): Promise<Found> {
    const { data, stat } = await this.session.getData(`${parent}/${name}`, never)
    const { ephemeralOwner: owner, czxid, version } = stat
    return { name, data: data.toString('utf8'), owner, czxid, version }
  }
}

export async function startAirbnbRegistry(): Promise<AirbnbRegistry> {
  const zookeeper = await startZooKeeper()
  const pool = createTestPool()
  const session = pool.pool.acquire({ hosts: [zookeeper.hosts], sessionTimeoutMs: 20_000 })
  await session.connected(never)
  return new AirbnbRegistry(zookeeper, session, pool)
}
