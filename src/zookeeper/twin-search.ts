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
  const twins: string[] = []
  for (const path of await candidates(session, spec, signal)) {
    const node = await absentAsUndefined(session.getData(path, signal))
    if (node?.stat.ephemeralOwner === owner && node?.data.equals(spec.data)) twins.push(path)
  }
  return twins
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
