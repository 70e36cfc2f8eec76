import type { CreateMode, OwnNodeSpec } from './zookeeper.ts'

/** A sequence number as ZooKeeper prints it: ten digits, and a sign once the parent's counter overflows (`%010d` of an int). */
const SEQUENCE = /^(?:\d{10}|-\d{9,10})$/

export function isEphemeral(mode: CreateMode): boolean {
  return mode === 'ephemeral' || mode === 'ephemeral_sequential'
}

export function isSequential(mode: CreateMode): boolean {
  return mode === 'ephemeral_sequential' || mode === 'persistent_sequential'
}

/** Whether one znode can serve both: all but the data agrees. */
export function samePlace(one: OwnNodeSpec, other: OwnNodeSpec): boolean {
  return (
    one.parent === other.parent &&
    one.prefix === other.prefix &&
    one.mode === other.mode &&
    (one.restrict ?? false) === (other.restrict ?? false)
  )
}

/** The path to create: the whole path of a non-sequential znode, the part before the number of a sequential one. */
export function pathOf({ parent, prefix }: OwnNodeSpec): string {
  return join(parent, prefix)
}

/** The path of a child. */
export function join(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`
}

/** Whether a child of the parent may have been made by a create of this sequential spec. */
export function isNameOf({ prefix }: OwnNodeSpec, name: string): boolean {
  return name.startsWith(prefix) && SEQUENCE.test(name.slice(prefix.length))
}
