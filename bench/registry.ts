import { setMaxListeners } from 'node:events'
import { systemClock } from '../src/core/clock.ts'
import type { Logger } from '../src/core/log.ts'
import { createMetrics } from '../src/core/metrics.ts'
import { encodePayload } from '../src/core/service-instance.ts'
import { createSessionPool } from '../src/zookeeper/session-pool.ts'
import type { CreateMode, Session, SessionPool } from '../src/zookeeper/zookeeper.ts'
import { now } from './time.ts'

export interface Registration {
  /** The registering nerve's name; with address and port it makes the name of the server in HAProxy. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly weight?: number
}

/** A write to ZooKeeper: when it was asked for, and when it was acknowledged. */
export interface Write {
  readonly calledAt: number
  readonly ackedAt: number
}

export interface Registered extends Write {
  readonly path: string
}

const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
}

/** Writes registrations as nerve does, many at once: the cheap side of a registry. */
export class Registry {
  readonly #pool: SessionPool
  readonly #session: Session
  readonly #mode: CreateMode
  readonly #never = new AbortController().signal

  private constructor(pool: SessionPool, session: Session, mode: CreateMode) {
    this.#pool = pool
    this.#session = session
    this.#mode = mode
    setMaxListeners(0, this.#never) // of as many writes as are under way
  }

  /** @param mode `persistent_sequential` for registrations that shall outlive a session. */
  static async connect(hosts: string, mode: CreateMode = 'ephemeral_sequential'): Promise<Registry> {
    const pool = createSessionPool({ clock: systemClock, log: silent, metrics: createMetrics(), random: Math.random })
    const session = pool.acquire({ hosts: hosts.split(','), sessionTimeoutMs: 30_000 })
    const registry = new Registry(pool, session, mode)
    await session.connected(registry.#never)
    return registry
  }

  async register(parent: string, registration: Registration): Promise<Registered> {
    const calledAt = now()
    const data = Buffer.from(encodePayload(registration))
    const options = { mode: this.#mode }
    const path = await this.#session.create(`${parent}/${registration.name}_`, data, options, this.#never)
    return { path, calledAt, ackedAt: now() }
  }

  async update(path: string, registration: Registration): Promise<Write> {
    const calledAt = now()
    await this.#session.setData(path, Buffer.from(encodePayload(registration)), this.#never)
    return { calledAt, ackedAt: now() }
  }

  async remove({ path }: Pick<Registered, 'path'>): Promise<Write> {
    const calledAt = now()
    await this.#session.delete(path, this.#never)
    return { calledAt, ackedAt: now() }
  }

  /** How many znodes there are below `parent`; none when it does not exist. */
  async count(parent: string): Promise<number> {
    return (await this.#session.exists(parent, this.#never))?.numChildren ?? 0
  }

  ensurePath(path: string): Promise<void> {
    return this.#session.ensurePath(path, this.#never)
  }

  close(): Promise<void> {
    return this.#pool.close()
  }
}
