import { type Session, type SessionPool, ZooKeeperError } from '../zookeeper/zookeeper.ts'

/** Sessions that look and touch nothing: whatever would change the registry is refused, as a server without permission would. */
export function readOnly(pool: SessionPool): SessionPool {
  return {
    acquire: (options) => new ReadOnlySession(pool.acquire(options)),
    state: () => pool.state(),
    close: () => pool.close(),
  }
}

class ReadOnlySession implements Session {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  get state() {
    return this.#session.state
  }

  get generation() {
    return this.#session.generation
  }

  get shared(): object {
    return this.#session.shared ?? this.#session
  }

  subscribe(...args: Parameters<Session['subscribe']>) {
    return this.#session.subscribe(...args)
  }

  connected(signal: AbortSignal) {
    return this.#session.connected(signal)
  }

  exists(...args: Parameters<Session['exists']>) {
    return this.#session.exists(...args)
  }

  getData(...args: Parameters<Session['getData']>) {
    return this.#session.getData(...args)
  }

  getChildren(...args: Parameters<Session['getChildren']>) {
    return this.#session.getChildren(...args)
  }

  create(path: string): Promise<never> {
    return refuse(path)
  }

  setData(path: string): Promise<never> {
    return refuse(path)
  }

  delete(path: string): Promise<never> {
    return refuse(path)
  }

  ensurePath(path: string): Promise<never> {
    return refuse(path)
  }

  catchUp(path: string): Promise<never> {
    return refuse(path)
  }

  release(...args: Parameters<Session['release']>): Promise<void> {
    return this.#session.release(...args)
  }
}

function refuse(path: string): Promise<never> {
  return Promise.reject(new ZooKeeperError('NO_AUTH', 'this only looks, and makes nothing', path))
}
