import { splitSeverity } from './answers.ts'
import type { AdminState, ObservedServer } from './model.ts'
import { Rows } from './rows.ts'

/** Bits of `srv_admin_state`: only what an operator or the Runtime API forced; inherited maintenance is not ours to end. */
const FORCED_MAINT = 0x01
const FORCED_DRAIN = 0x08
/** Bits of `srv_check_state`. */
const CHECK_CONFIGURED = 0x02
const CHECK_ENABLED = 0x04

const COLUMNS = [
  'be_name',
  'srv_name',
  'srv_id',
  'srv_addr',
  'srv_port',
  'srv_uweight',
  'srv_admin_state',
  'srv_check_state',
] as const

/** Servers by backend, in HAProxy's order. Backends without servers do not appear. */
export type ObservedBackends = ReadonlyMap<string, readonly ObservedServer[]>

/**
 * Reads `show servers state [<backend>]`. undefined: HAProxy has no such backend.
 * @param before what was observed before: a server that is still the same is the same object, and so is the list of a backend
 * of which nothing changed; reading a hundred of which one changed makes next to no garbage.
 * @throws SyntaxError when the text is anything else.
 */
export function parseServersState(text: string, before: ObservedBackends = new Map()): ObservedBackends | undefined {
  const { words } = splitSeverity(text)
  if (/^(?:Can't find backend|No such backend)\.?$/.test(words)) return undefined
  if (!words.startsWith(`${VERSION}# `)) {
    throw new SyntaxError(`not an answer to "show servers state": ${words.slice(0, 100)}`)
  }
  const rows = new Rows(words, VERSION.length, COLUMNS)
  const backends = new Map<string, ObservedServer[]>()
  let backend: { readonly name: string; readonly servers: ObservedServer[]; readonly known: KnownServers } | undefined
  while (rows.next()) {
    if (backend === undefined || !rows.is('be_name', backend.name)) {
      const name = rows.text('be_name')
      const servers = backends.get(name) ?? []
      backends.set(name, servers)
      backend = { name, servers, known: new KnownServers(before.get(name) ?? []) }
    }
    backend.servers.push(backend.known.find(rows) ?? observedServer(rows))
  }
  return new Map([...backends].map(([name, servers]) => [name, orBefore(servers, before.get(name))]))
}

function orBefore(servers: readonly ObservedServer[], before: readonly ObservedServer[] | undefined) {
  const isSame = before?.length === servers.length && before.every((server, index) => server === servers[index])
  return isSame ? before : servers
}

const VERSION = '1\n'

type StateRows = Rows<(typeof COLUMNS)[number]>

/** How many servers may be missing in a row before what follows is read anew. */
const MOST_SKIPPED = 16

/** The servers of an earlier answer. HAProxy keeps their order and adds new ones at the end, so each is looked for where it was. */
class KnownServers {
  readonly #servers: readonly ObservedServer[]
  #next = 0

  constructor(servers: readonly ObservedServer[]) {
    this.#servers = servers
  }

  /** The server of this row, if it is in all as it was. */
  find(rows: StateRows): ObservedServer | undefined {
    const last = Math.min(this.#next + MOST_SKIPPED, this.#servers.length)
    for (let index = this.#next; index < last; index++) {
      const server = this.#servers[index]
      if (server === undefined || !rows.is('srv_name', server.name)) continue
      this.#next = index + 1
      return isStill(server, rows) ? server : undefined
    }
    return undefined
  }
}

function isStill(server: ObservedServer, rows: StateRows): boolean {
  return (
    rows.is('srv_addr', server.address) &&
    rows.number('srv_port') === server.port &&
    rows.number('srv_id') === server.id &&
    rows.number('srv_uweight') === server.weight &&
    adminState(rows.number('srv_admin_state')) === server.adminState &&
    isChecking(rows.number('srv_check_state')) === server.checking
  )
}

function observedServer(rows: StateRows): ObservedServer {
  return {
    name: rows.text('srv_name'),
    address: rows.text('srv_addr'),
    port: rows.number('srv_port'),
    id: rows.number('srv_id'),
    weight: rows.number('srv_uweight'),
    adminState: adminState(rows.number('srv_admin_state')),
    checking: isChecking(rows.number('srv_check_state')),
  }
}

function adminState(bits: number): AdminState {
  if ((bits & FORCED_MAINT) !== 0) return 'maint'
  return (bits & FORCED_DRAIN) !== 0 ? 'drain' : 'ready'
}

function isChecking(bits: number): boolean {
  return (bits & CHECK_CONFIGURED) !== 0 && (bits & CHECK_ENABLED) !== 0
}
