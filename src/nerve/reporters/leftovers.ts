import { decodePayload, type InstancePayload } from '../../core/service-instance.ts'
import { decodeChildName, plainChildName } from '../../zookeeper/names.ts'
import type { Leftovers } from '../../zookeeper/twin-search.ts'

/** What follows in the name of a znode: ZooKeeper's number, unless the znode is not sequential, after a GUID or none. */
const NUMBER = /^(?:\d{10}|-\d{9,10})?$/
const GUID_AND_NUMBER = /^[0-9a-f]{32}(?:\d{10}|-\d{9,10})?$/

/** How the name of a znode begins that has a GUID, as BlaBlaCar's nerve calls it. */
export const guidNameStart = (service: string, { host }: InstancePayload) => `${service}_${host}_c_`

/**
 * What a former process may have left of an instance below `parent`: znodes that register the same name, host and port,
 * whatever else they say, and are called as this service may have called one, with any `node_type`, `node_naming` and
 * `use_path_encoding`. One of another host or port may be another instance's, so it is none.
 */
export function leftoversOf(instance: InstancePayload, service: string, parent: string): Leftovers {
  const isOurs = (data: Buffer | undefined) => data !== undefined && isOfInstance(data, instance)
  const isName = (name: string) =>
    isContinued(name, plainChildName(instance.name), NUMBER) ||
    isContinued(name, guidNameStart(service, instance), GUID_AND_NUMBER) ||
    isOurs(decodeChildName(name))
  return { parent, isName, isOurs }
}

const isContinued = (name: string, start: string, rest: RegExp) =>
  name.startsWith(start) && rest.test(name.slice(start.length))

function isOfInstance(data: Buffer, { host, port, name }: InstancePayload): boolean {
  const found = decodePayload(data.toString())
  if (!found.ok) return false
  const { instance } = found
  return instance.host === host && instance.port === Number(port) && instance.name === name
}
