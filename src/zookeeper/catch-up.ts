import { type Session, ZooKeeperError } from './zookeeper.ts'

/**
 * After a reconnect the new member may lag behind what the old one has done for us. A write is answered only once the
 * member has caught up, even a refused one, as this create of a path that exists.
 */
export async function catchUp(zookeeper: Pick<Session, 'create'>, path: string, signal: AbortSignal): Promise<void> {
  try {
    await zookeeper.create(path, Buffer.alloc(0), { mode: 'persistent' }, signal)
  } catch (error) {
    if (!(error instanceof ZooKeeperError) || error.retryable) throw error
  }
}
