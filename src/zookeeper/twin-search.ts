import { claimsOf } from './name-claims.ts'
import { isNameOf, isSequential, join, pathOf } from './own-node-spec.ts'
import { type OwnNodeSpec, type Session, ZooKeeperError, type ZooKeeperErrorCode } from './zookeeper.ts'

/**
 * The paths of znodes that an unanswered create of `spec` may have made: of its name, with its data, and owned by `owner`
 * (undefined: persistent). Several services may share a parent and a prefix, so the data must agree too.
 */
export function findTwins(
  session: Session,
  spec: OwnNodeSpec,
  owner: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  return findOwned(session, { spec, owner, isOurs: (data) => data.equals(spec.data) }, signal)
}

/**
 * Removes the persistent znodes of this name that a former process left, unless somebody in this process has them by now.
 * Resolves with their paths. @param isOurs knows the data again: several services may share a parent and a prefix.
 */
export async function removeLeftovers(
  session: Session,
  spec: OwnNodeSpec,
  isOurs: (data: Buffer) => boolean,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if ((await session.exists(spec.parent, signal)) === undefined) return [] // and it is not made for this
  const removed: string[] = []
  for (const path of await findOwned(session, { spec, owner: undefined, isOurs }, signal)) {
    const isHeld = claimsOf(session).holderOf(path) !== undefined
    if (!isHeld && (await session.delete(path, signal))) removed.push(path)
  }
  return removed
}

interface Wanted {
  readonly spec: OwnNodeSpec
  readonly owner: string | undefined
  readonly isOurs: (data: Buffer) => boolean
}

async function findOwned(session: Session, { spec, owner, isOurs }: Wanted, signal: AbortSignal): Promise<string[]> {
  await session.catchUp(spec.parent, signal)
  const owned: string[] = []
  for (const path of await candidates(session, spec, signal)) {
    const node = await absentAsUndefined(session.getData(path, signal))
    if (node !== undefined && node.stat.ephemeralOwner === owner && isOurs(node.data)) owned.push(path)
  }
  return owned
}

/** Takes a NO_NODE of a read for the answer that it is. */
export async function absentAsUndefined<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read
  } catch (error) {
    if (isCode(error, 'NO_NODE')) return undefined
    throw error
  }
}

export function isCode(error: unknown, code: ZooKeeperErrorCode): boolean {
  return error instanceof ZooKeeperError && error.code === code
}

async function candidates(session: Session, spec: OwnNodeSpec, signal: AbortSignal): Promise<string[]> {
  if (!isSequential(spec.mode)) return [pathOf(spec)]
  const { children = [] } = (await absentAsUndefined(session.getChildren(spec.parent, signal))) ?? {}
  const names = children.filter((name) => isNameOf(spec, name))
  return names.sort().map((name) => join(spec.parent, name)) // the oldest first
}
