import { splitSeverity } from './answers.ts'
import type { Backend, KnownServers, Server } from './model.ts'
import { Rows } from './rows.ts'
import { isChecked } from './server-line.ts'
import { sameWords } from './words.ts'

/** A server-state file that says nothing. HAProxy warns of an empty one. */
export const NOTHING_CARRIED = '1\n# be_id be_name\n'

/** Of `srv_op_state`: HAProxy's checks, or its passive ones, have found the server down. */
const DOWN = '0'
/** Of `srv_admin_state`: nobody has forced anything. */
const AS_CHECKED = '0'

const COLUMNS = ['be_name', 'srv_name', 'srv_addr', 'srv_port', 'srv_op_state', 'srv_admin_state'] as const

/**
 * What a new worker of HAProxy has to be told of the servers: which are down. It takes every other server for up, and so it
 * would these: with `balance leastconn` two of them, which no request keeps busy, are enough to use up the `retries` of one.
 * Everything else is in the configuration file, and what an operator or synapse forced is for synapse to force again.
 * @param answer to `show servers state`.
 * @param backends what the new worker shall be. Only a server that it has, with the address, options and checks under which
 * the present one found it down, stays down.
 * @param known what the present worker was told.
 * @returns the text of HAProxy's server-state file.
 * @throws SyntaxError when the answer is none.
 */
export function carryOver(answer: string, backends: ReadonlyMap<string, Backend>, known: KnownServers): string {
  const { words } = splitSeverity(answer)
  const headerAt = words.indexOf('\n') + 1
  if (!words.startsWith('# ', headerAt)) throw new SyntaxError(`not a server state: ${words.slice(0, 100)}`)
  const rows = new Rows(words, headerAt, COLUMNS)
  const wanted = new WantedServers(backends)
  const down: string[] = []
  while (rows.next()) {
    if (!rows.is('srv_op_state', DOWN) || !rows.is('srv_admin_state', AS_CHECKED)) continue
    const backend = rows.text('be_name')
    const server = wanted.get(backend, rows.text('srv_name'))
    if (server === undefined || !rows.is('srv_addr', server.host) || rows.number('srv_port') !== server.port) continue
    if (staysDown(server, known.get(backend, server.name))) down.push(rows.row)
  }
  const head = words.slice(0, words.indexOf('\n', headerAt))
  return `${[head, ...down].join('\n')}\n`
}

/** One that nobody checks in the new worker would be down for ever. */
function staysDown(server: Server, before: Server | undefined): boolean {
  return (
    server.adminState === 'ready' &&
    isChecked(server) &&
    (before === undefined || sameWords(before.options, server.options))
  )
}

/** The servers of a backend by name, made when the first of them is asked for: most backends have none that is down. */
class WantedServers {
  readonly #backends: ReadonlyMap<string, Backend>
  readonly #byName = new Map<string, ReadonlyMap<string, Server>>()

  constructor(backends: ReadonlyMap<string, Backend>) {
    this.#backends = backends
  }

  get(backend: string, name: string): Server | undefined {
    let servers = this.#byName.get(backend)
    if (servers === undefined) {
      servers = new Map(this.#backends.get(backend)?.servers.map((server) => [server.name, server]))
      this.#byName.set(backend, servers)
    }
    return servers.get(name)
  }
}
