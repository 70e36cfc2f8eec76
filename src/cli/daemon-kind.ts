import { isMap } from '../core/config/sources.ts'

export type DaemonKind = 'nerve' | 'synapse'

/** Keys that only one of the daemons reads, Airbnb's and BlaBlaCar's. */
const TOP_KEYS: Readonly<Record<DaemonKind, readonly string[]>> = {
  nerve: ['instance_id', 'heartbeat_path', 'drain', 'apiHost', 'apiPort', 'templatedConfigPath'],
  synapse: ['haproxy', 'file_output', 'config_generator', 'routers'],
}

const SERVICE_KEYS: Readonly<Record<DaemonKind, readonly string[]>> = {
  nerve: ['host', 'port', 'checks', 'zk_hosts', 'zk_path', 'reporter_type', 'reporters', 'check_interval'],
  synapse: ['discovery', 'default_servers', 'haproxy', 'file_output', 'watcher'],
}

/** Whose configuration this value is, by its keys; undefined when they do not tell. */
export function daemonKindOf(value: unknown): DaemonKind | undefined {
  if (!isMap(value)) return undefined
  const services = value['services']
  // BlaBlaCar's nerve has a list of services; nobody else has.
  if (Array.isArray(services)) return 'nerve'
  const entries = isMap(services) ? Object.values(services).filter(isMap) : []
  const points = (kind: DaemonKind) =>
    TOP_KEYS[kind].filter((key) => Object.hasOwn(value, key)).length +
    entries.flatMap((entry) => SERVICE_KEYS[kind].filter((key) => Object.hasOwn(entry, key))).length
  const [nerve, synapse] = [points('nerve'), points('synapse')]
  if (nerve === synapse) return undefined
  return nerve > synapse ? 'nerve' : 'synapse'
}
