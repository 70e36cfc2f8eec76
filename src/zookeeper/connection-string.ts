import { SmartStackError } from '../core/errors.ts'
import { pathProblem } from './znode-path.ts'

/** One member of an ensemble. */
export interface Server {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** An ensemble, taken apart. */
export interface Ensemble {
  readonly servers: readonly Server[]
  /** The path under which all of ours live; empty without a chroot. */
  readonly chroot: string
}

const DEFAULT_PORT = 2181

/**
 * Reads the hosts of a configuration: `host`, `host:port` or `[IPv6]:port` each, an entry may hold several separated by
 * commas, blanks and empty entries do not count. A chroot may follow any entry, but all must agree on it.
 * @throws SmartStackError CONFIG_INVALID that quotes the entry.
 */
export function parseEnsemble(hosts: readonly string[]): Ensemble {
  const entries = hosts.flatMap((entry) => entry.split(',')).map((entry) => entry.trim())
  const parsed = entries.filter((entry) => entry !== '').map(parseEntry)
  if (parsed.length === 0) throw invalid(hosts.join(','), 'names no server')
  const chroots = [...new Set(parsed.flatMap(({ chroot }) => (chroot === '' ? [] : [chroot])))]
  if (chroots.length > 1) throw invalid(hosts.join(','), `has more than one chroot: ${chroots.join(' and ')}`)
  return { servers: withoutTwins(parsed.map(({ server }) => server)), chroot: chroots[0] ?? '' }
}

/** `host:port`, with brackets around IPv6. */
export function formatServer({ host, port }: Server): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** One line that is the same however the hosts were ordered: the key of an ensemble, and its name in logs and metrics. */
export function formatEnsemble({ servers, chroot }: Ensemble): string {
  return `${servers.map(formatServer).sort().join(',')}${chroot}`
}

function parseEntry(entry: string): { readonly server: Server; readonly chroot: string } {
  const slash = entry.indexOf('/')
  const address = (slash === -1 ? entry : entry.slice(0, slash)).trim()
  const chroot = (slash === -1 ? '' : entry.slice(slash)).replace(/\/+$/, '')
  const problem = chroot === '' ? undefined : pathProblem(chroot)
  if (problem !== undefined) throw invalid(entry, `has a bad chroot: ${problem}`)
  return { server: parseServer(address, entry), chroot }
}

function parseServer(address: string, entry: string): Server {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::(.*))?$/.exec(address)
  const [, host = '', port] = bracketed ?? /^([^:]*)(?::(.*))?$/.exec(address) ?? []
  if (bracketed !== null && host.includes(':')) return { host, port: parsePort(port, entry) }
  if (/\s/.test(address)) throw invalid(entry, 'has a blank inside; separate servers by commas')
  if (address.split(':').length > 2) throw invalid(entry, 'is an IPv6 address without brackets; write [address]:port')
  if (!/^[A-Za-z0-9._-]+$/.test(host)) throw invalid(entry, 'has no valid host name; expected host:port')
  return { host, port: parsePort(port, entry) }
}

function parsePort(port: string | undefined, entry: string): number {
  if (port === undefined) return DEFAULT_PORT
  const value = /^[0-9]{1,5}$/.test(port) ? Number(port) : 0
  if (value < 1 || value > 65_535) throw invalid(entry, 'has no valid port; expected a number from 1 to 65535')
  return value
}

function withoutTwins(servers: readonly Server[]): Server[] {
  return [...new Map(servers.map((server) => [formatServer(server), server])).values()]
}

function invalid(entry: string, problem: string): SmartStackError {
  return new SmartStackError('CONFIG_INVALID', `ZooKeeper host "${entry}" ${problem}`)
}
