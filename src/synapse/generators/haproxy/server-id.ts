/** A server that needs an id, by the name that tells it from all others of its backend. */
export interface IdRequest {
  readonly name: string
  /** The id that the configuration or the registry asks for. */
  readonly wanted?: number | undefined
}

export interface AssignedIds {
  readonly ids: ReadonlyMap<string, number>
  /** Names whose wanted id belongs to another server, or is out of range; they got another. */
  readonly conflicts: readonly string[]
}

/** Collisions push an id this far from its hash at most; an id farther off was given by somebody else. */
const NEAR = 64

/**
 * Gives each server of one backend an id: the wanted one, else one that follows from the name, so that all nodes hash
 * alike and a restart changes nothing. Where two names meet, the one that HAProxy already runs keeps its id, and else the
 * names' order decides.
 * @param running the ids in HAProxy now, by name. Those of other servers (also ones in maintenance) are not given again.
 */
export function assignIds(
  requests: readonly IdRequest[],
  maxId: number,
  running: ReadonlyMap<string, number> = new Map(),
): AssignedIds {
  return withoutCollision(requests, maxId, running) ?? withCollisions(requests, maxId, running)
}

/** The usual case, without sorting: every name gets its hash. undefined when anything is in the way. */
function withoutCollision(
  requests: readonly IdRequest[],
  maxId: number,
  running: ReadonlyMap<string, number>,
): AssignedIds | undefined {
  const owners = ownersOf(running)
  const ids = new Map<string, number>()
  for (const { name, wanted } of requests) {
    const id = hashId(name, maxId)
    const owner = owners.get(id)
    if (wanted !== undefined || (owner !== undefined && owner !== name)) return undefined
    if (owner === undefined) {
      const runningId = running.get(name)
      if (runningId !== undefined && isNear(id, runningId, maxId)) return undefined
      owners.set(id, name)
    }
    ids.set(name, id)
  }
  return { ids, conflicts: [] }
}

function withCollisions(
  requests: readonly IdRequest[],
  maxId: number,
  running: ReadonlyMap<string, number>,
): AssignedIds {
  const ids = new Map<string, number>()
  const owners = ownersOf(running)
  const ordered = [...requests].sort((a, b) => (a.name < b.name ? -1 : 1))
  const take = (name: string, id: number) => {
    ids.set(name, id)
    owners.set(id, name)
  }
  const conflicts = takeWanted(ordered, maxId, { ids, owners, running, take })
  for (const { name } of ordered) {
    const id = ids.has(name) ? undefined : running.get(name)
    if (id !== undefined && owners.get(id) === name && isNear(hashId(name, maxId), id, maxId)) take(name, id)
  }
  for (const { name } of ordered) {
    if (!ids.has(name)) take(name, firstFree(hashId(name, maxId), owners, name, maxId))
  }
  return { ids, conflicts }
}

interface IdTable {
  readonly ids: ReadonlyMap<string, number>
  readonly owners: ReadonlyMap<number, string>
  readonly running: ReadonlyMap<string, number>
  readonly take: (name: string, id: number) => void
}

/**
 * Gives the wanted ids out; returns the names that did not get theirs. What runs with the id that it wants, or that follows
 * from its name, keeps it: another id takes a reload, which no registration of another instance may cause.
 */
function takeWanted(requests: readonly IdRequest[], maxId: number, table: IdTable): readonly string[] {
  const { ids, owners, running, take } = table
  const wantedBy = new Map(requests.map(({ name, wanted }) => [name, wanted]))
  const runsAsWanted = ({ name, wanted }: IdRequest) => wanted !== undefined && running.get(name) === wanted
  const staysAt = (owner: string, id: number) =>
    !wantedBy.has(owner) || (wantedBy.get(owner) === undefined && isNear(hashId(owner, maxId), id, maxId))
  const conflicts: string[] = []
  for (const { name, wanted } of [...requests].sort((a, b) => Number(runsAsWanted(b)) - Number(runsAsWanted(a)))) {
    if (wanted === undefined) continue
    const owner = owners.get(wanted) ?? name
    const isTaken = owner !== name && (ids.has(owner) ? ids.get(owner) === wanted : staysAt(owner, wanted))
    if (isTaken || !Number.isSafeInteger(wanted) || wanted < 1 || wanted > maxId) conflicts.push(name)
    else take(name, wanted)
  }
  return conflicts
}

function ownersOf(running: ReadonlyMap<string, number>): Map<number, string> {
  const owners = new Map<number, string>()
  for (const [name, id] of running) owners.set(id, name)
  return owners
}

/** FNV-1a over the name, mixed, in 1 to `maxId`. */
export function hashId(name: string, maxId: number): number {
  return 1 + (hash32(name) % maxId)
}

/** A 32-bit hash whose bits all depend on all characters. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function isNear(home: number, id: number, maxId: number): boolean {
  return (id - home + maxId) % maxId < NEAR
}

function firstFree(home: number, owners: ReadonlyMap<number, string>, name: string, maxId: number): number {
  let id = home
  for (let step = 0; step < maxId; step++) {
    const owner = owners.get(id)
    if (owner === undefined || owner === name) return id
    id = (id % maxId) + 1
  }
  throw new RangeError(`no server id up to ${maxId} is free for ${name}`)
}
