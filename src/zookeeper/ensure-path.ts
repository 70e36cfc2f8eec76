import { parentOf } from './znode-path.ts'
import { type Session, ZooKeeperError } from './zookeeper.ts'

/** Others may delete what we have just made; after this many rounds they have won. */
const MAX_ROUNDS = 10

const NO_DATA = Buffer.alloc(0)

/**
 * Makes a persistent node and its missing parents. Looks before it writes, so that a path that is there costs one read,
 * no transaction, and no right to create anything.
 * @throws ZooKeeperError of the create that failed.
 */
export async function ensurePath(
  zookeeper: Pick<Session, 'exists' | 'create'>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  if (path === '/' || (await isThere(zookeeper, path, signal))) return
  for (let round = 1; ; round++) {
    try {
      await zookeeper.create(path, NO_DATA, { mode: 'persistent' }, signal)
      return
    } catch (error) {
      const code = error instanceof ZooKeeperError ? error.code : undefined
      if (code === 'NODE_EXISTS') return
      if (code !== 'NO_NODE' || round === MAX_ROUNDS) throw error
      await ensurePath(zookeeper, parentOf(path), signal)
    }
  }
}

async function isThere(zookeeper: Pick<Session, 'exists'>, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await zookeeper.exists(path, signal)) !== undefined
  } catch (error) {
    // ZooKeeper 3.9 may hide a node from those who cannot read it; whether it is there, the create will tell.
    if (error instanceof ZooKeeperError && error.code === 'NO_AUTH') return false
    throw error
  }
}
