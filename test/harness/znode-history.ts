import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ZooKeeperServer } from './zookeeper-server.ts'

/** One change of one znode, as ZooKeeper has written it down before it answered. */
export interface ZnodeChange {
  readonly zxid: bigint
  /** By the server's clock, ms since 1970. */
  readonly at: number
  /** Who did it, `0x...`; for the end of a session, that session. */
  readonly session: string
  readonly path: string
  /** `ended`: an ephemeral znode that went with its session. */
  readonly kind: 'created' | 'written' | 'deleted' | 'ended'
  /** What the znode holds from then on; empty once it is gone. */
  readonly data: string
}

/** The children of some znodes between two transactions. */
export interface ChildSet {
  readonly zxid: bigint
  readonly at: number
  /** Sorted. */
  readonly paths: readonly string[]
}

/**
 * Everything that ever happened in a ZooKeeper, from its transaction log. A watch may miss what happened between two of
 * its events; the log misses nothing, and asking it disturbs nobody.
 */
export class ZnodeHistory {
  readonly changes: readonly ZnodeChange[]

  constructor(changes: readonly ZnodeChange[]) {
    this.changes = changes
  }

  /** The newest transaction, to tell what comes after it. */
  get lastZxid(): bigint {
    return this.changes.at(-1)?.zxid ?? 0n
  }

  /** What happened after `zxid`. */
  since(zxid: bigint): readonly ZnodeChange[] {
    return this.changes.filter((change) => change.zxid > zxid)
  }

  /** The children that the parents together had at `zxid`, and every other set that they have had since. */
  childSets(parents: readonly string[], zxid = 0n): readonly ChildSet[] {
    const present = new Set<string>()
    let sets: ChildSet[] = []
    for (const [index, change] of this.changes.entries()) {
      const isChild = parents.includes(dirname(change.path))
      if (isChild && change.kind === 'created') present.add(change.path)
      if (isChild && (change.kind === 'deleted' || change.kind === 'ended')) present.delete(change.path)
      if (this.changes[index + 1]?.zxid === change.zxid) continue // a transaction is seen as a whole
      const seen = { zxid: change.zxid, at: change.at, paths: [...present].sort() }
      if (change.zxid <= zxid) sets = [seen]
      else if (isChild) sets.push(seen)
    }
    return sets
  }

  /** How many children the parents had at least and at most since `zxid`. */
  extremes(parents: readonly string[], zxid = 0n): { readonly least: number; readonly most: number } {
    const sizes = this.childSets(parents, zxid).map(({ paths }) => paths.length)
    return { least: Math.min(...sizes), most: Math.max(...sizes) }
  }
}

/** Reads what a server has written down until now. */
export async function readHistory(server: ZooKeeperServer): Promise<ZnodeHistory> {
  const directory = join(server.dataDir, 'version-2')
  const zxidOf = (name: string) => Number.parseInt(name.slice('log.'.length), 16)
  const names = (await readdir(directory)).filter((name) => name.startsWith('log.'))
  const logs = await Promise.all(
    names.sort((a, b) => zxidOf(a) - zxidOf(b)).map((name) => readFile(join(directory, name))),
  )
  const owners = new Map<string, string>()
  return new ZnodeHistory(
    logs.flatMap((log) => [...transactions(log)].flatMap((transaction) => changesOf(transaction, owners))),
  )
}

interface Transaction extends Pick<ZnodeChange, 'zxid' | 'at' | 'session'> {
  readonly type: number
  readonly record: JuteReader
}

const FILE_HEADER_BYTES = 16
const MAGIC = 'ZKLG'
/** After each entry, so that one that is still being written can be told. */
const END_OF_RECORD = 0x42

/** ZooKeeper's numbers of its transactions. */
const TYPE = {
  create: 1,
  delete: 2,
  setData: 5,
  multi: 14,
  create2: 15,
  createContainer: 19,
  closeSession: -11,
} as const

function* transactions(log: Buffer): Generator<Transaction> {
  if (log.length < FILE_HEADER_BYTES) return // it has just been made
  if (log.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new Error('this is not a transaction log of ZooKeeper')
  for (let at = FILE_HEADER_BYTES; at + 12 <= log.length; ) {
    const length = log.readInt32BE(at + 8) // after the checksum
    const end = at + 12 + length
    if (length === 0 || log[end] !== END_OF_RECORD) return // the file is longer than what was written
    const record = new JuteReader(log.subarray(at + 12, end))
    const session = `0x${record.long().toString(16)}`
    record.int() // the client's number for the request
    yield { session, zxid: record.long(), at: Number(record.long()), type: record.int(), record }
    at = end + 1
  }
}

/** @param owners of the ephemeral znodes that exist; kept up to date. */
function changesOf(transaction: Transaction, owners: Map<string, string>): readonly ZnodeChange[] {
  const { type, record, zxid, at, session } = transaction
  const change = (kind: ZnodeChange['kind'], path: string, data = ''): ZnodeChange => ({
    zxid,
    at,
    session,
    path,
    kind,
    data,
  })
  switch (type) {
    case TYPE.create:
    case TYPE.create2:
    case TYPE.createContainer: {
      const [path, data] = [record.text(), record.text()]
      if (type !== TYPE.createContainer && record.skipAcl().bool()) owners.set(path, session)
      return [change('created', path, data)]
    }
    case TYPE.delete: {
      const path = record.text()
      owners.delete(path)
      return [change('deleted', path)]
    }
    case TYPE.setData:
      return [change('written', record.text(), record.text())]
    case TYPE.closeSession: {
      const paths = [...owners].filter(([, owner]) => owner === session).map(([path]) => path)
      for (const path of paths) owners.delete(path)
      return paths.map((path) => change('ended', path))
    }
    case TYPE.multi:
      return record
        .list(() => ({ type: record.int(), record: new JuteReader(record.bytes()) }))
        .flatMap((part) => changesOf({ ...transaction, ...part }, owners))
    default:
      return [] // a new session, or a refused request
  }
}

/** Reads jute, the serialization of ZooKeeper's records. */
class JuteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  bool(): boolean {
    this.#at += 1
    return this.#buffer[this.#at - 1] === 1
  }

  int(): number {
    this.#at += 4
    return this.#buffer.readInt32BE(this.#at - 4)
  }

  long(): bigint {
    this.#at += 8
    return this.#buffer.readBigUInt64BE(this.#at - 8)
  }

  /** A length below zero stands for no bytes at all. */
  bytes(): Buffer {
    const length = Math.max(0, this.int())
    this.#at += length
    return this.#buffer.subarray(this.#at - length, this.#at)
  }

  text(): string {
    return this.bytes().toString('utf8')
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int()) }, read)
  }

  skipAcl(): this {
    this.list(() => [this.int(), this.text(), this.text()])
    return this
  }
}
