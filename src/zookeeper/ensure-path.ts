import { rejectOnAbort } from '../core/clock.ts'
import { parentOf } from './znode-path.ts'
import { type Session, ZooKeeperError } from './zookeeper.ts'

/** Others may delete what we have just made; after this many rounds they have won. */
const MAX_ROUNDS = 10

const NO_DATA = Buffer.alloc(0)

type Paths = Pick<Session, 'exists' | 'create'>

/** What is being made now, by path: an empty ZooKeeper is asked for a parent once, and not by each of a thousand services. */
const makingBySession = new WeakMap<Paths, Map<string, Promise<void>>>()

/**
 * Makes a persistent node and its missing parents. Looks before it writes, at the parents too, because a create that is
 * refused is a transaction all the same: a path that is there costs one read, and no right to create anything.
 * @throws ZooKeeperError of the create that failed.
 */
export async function ensurePath(zookeeper: Paths, path: string, signal: AbortSignal): Promise<void> {
  if (path === '/') return
  const making = makingBySession.get(zookeeper) ?? new Map<string, Promise<void>>()
  makingBySession.set(zookeeper, making)
  let shared = making.get(path)
  if (shared === undefined) {
    shared = make(zookeeper, path).finally(() => making.delete(path))
    making.set(path, shared)
  }
  await rejectOnAbort(shared, signal)
}

/** Goes on when one of those who wait for it gives up; it ends with the connection at the latest. */
async function make(zookeeper: Paths, path: string): Promise<void> {
  const { signal } = new AbortController()
  if (await isThere(zookeeper, path, signal)) return
  for (let round = 1; ; round++) {
    const refused = await parentProblem(zookeeper, path, signal)
    const problem = await createProblem(zookeeper, path, signal)
    if (problem === undefined || problem.code === 'NODE_EXISTS') return
    if (problem.code !== 'NO_NODE' || round === MAX_ROUNDS) throw problem
    if (refused !== undefined) throw refused
  }
}

async function createProblem(zookeeper: Paths, path: string, signal: AbortSignal): Promise<ZooKeeperError | undefined> {
  try {
    await zookeeper.create(path, NO_DATA, { mode: 'persistent' }, signal)
    return undefined
  } catch (error) {
    if (error instanceof ZooKeeperError) return error
    throw error
  }
}

/** Who may not make the parent may still find it there: that is told only if it is missing. */
async function parentProblem(zookeeper: Paths, path: string, signal: AbortSignal): Promise<ZooKeeperError | undefined> {
  try {
    await ensurePath(zookeeper, parentOf(path), signal)
    return undefined
  } catch (error) {
    if (error instanceof ZooKeeperError && error.code === 'NO_AUTH') return error
    throw error
  }
}

async function isThere(zookeeper: Paths, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await zookeeper.exists(path, signal)) !== undefined
  } catch (error) {
    // ZooKeeper 3.9 may hide a node from those who cannot read it; whether it is there, the create will tell.
    if (error instanceof ZooKeeperError && error.code === 'NO_AUTH') return false
    throw error
  }
}
