import { claimsOf } from './name-claims.ts'
import { isNameOf, isSequential, join, pathOf } from './own-node-spec.ts'
import { type OwnNodeSpec, type Session, ZooKeeperError, type ZooKeeperErrorCode } from './zookeeper.ts'

/**
 * The paths of znodes that an unanswered create of `spec` may have made: of its name, with its data, and owned by `owner`
 * (undefined: persistent). Several services may share a parent and a prefix, so the data must agree too.
 */
export async function findTwins(
  session: Session,
  spec: OwnNodeSpec,
  owner: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  await session.catchUp(spec.parent, signal)
  const paths = await candidates(session, spec, signal)
  return ownedOf(session, paths, { owner, isOurs: (data) => data.equals(spec.data) }, signal)
}

/** What a former process may have left somewhere. */
export interface Leftovers {
  readonly parent: string
  /** Whether a child may be one, by its name: only those are read. */
  readonly isName: (name: string) => boolean
  /** Whether it is one, by what it says. */
  readonly isOurs: (data: Buffer) => boolean
}

/**
 * Removes the persistent znodes that a former process left, except those that somebody in this process has by now. Resolves
 * with their paths.
 */
export async function removeLeftovers(
  session: Session,
  { parent, isName, isOurs }: Leftovers,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if ((await session.exists(parent, signal)) === undefined) return [] // and it is not made for this
  await session.catchUp(parent, signal)
  const paths = await childrenOf(session, parent, isName, signal)
  const removed: string[] = []
  for (const path of await ownedOf(session, paths, { owner: undefined, isOurs }, signal)) {
    const isHeld = claimsOf(session).holderOf(path) !== undefined
    if (!isHeld && (await session.delete(path, signal))) removed.push(path)
  }
  return removed
}

interface Wanted {
  /** undefined: persistent. */
  readonly owner: string | undefined
  readonly isOurs: (data: Buffer) => boolean
}

async function ownedOf(
  session: Session,
  paths: readonly string[],
  { owner, isOurs }: Wanted,
  signal: AbortSignal,
): Promise<string[]> {
  const owned: string[] = []
  for (const path of paths) {
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

async function candidates(session: Session, spec: OwnNodeSpec, signal: AbortSignal): Promise<readonly string[]> {
  if (!isSequential(spec.mode)) return [pathOf(spec)]
  return childrenOf(session, spec.parent, (name) => isNameOf(spec, name), signal)
}

/** The paths of the children with such names, the oldest of a sequence first. */
async function childrenOf(
  session: Session,
  parent: string,
  isName: (name: string) => boolean,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { children = [] } = (await absentAsUndefined(session.getChildren(parent, signal))) ?? {}
  return children
    .filter(isName)
    .sort()
    .map((name) => join(parent, name))
}
