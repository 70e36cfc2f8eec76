import { createServer } from 'node:net'
import { SmartStackError } from '../../../core/errors.ts'

export interface Bind {
  readonly host: string
  readonly port: number
  /** The section that wants it. */
  readonly section: string
}

/**
 * Addresses that a structure listens on. Only what can be looked at from outside: no UNIX sockets, port ranges,
 * interfaces or namespaces.
 */
export function bindsOf(structure: ReadonlyMap<string, string>): readonly Bind[] {
  return [...structure].flatMap(([section, text]) =>
    text.split('\n').flatMap((line) => {
      const [keyword, addresses = '', ...options] = line.split(/\s+/)
      if (keyword !== 'bind' || options.includes('interface') || options.includes('namespace')) return []
      return addresses.split(',').flatMap((address) => parseBind(address, section))
    }),
  )
}

function parseBind(text: string, section: string): readonly Bind[] {
  const match = /^(?:ipv[46]@)?(?:\[([0-9A-Fa-f:.]+)\]|([^@/[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null) return []
  const [, v6, name = '', port] = match
  const host = v6 ?? (name === '' || name === '*' ? '0.0.0.0' : name === 'localhost' ? '127.0.0.1' : name)
  return [{ host, port: Number(port), section }]
}

/** An address that somebody else listens on, and the section that wants it. */
export interface TakenPort {
  readonly section: string
  readonly complaint: string
}

/**
 * Of the addresses that a structure wants and the running one does not have, those that somebody else listens on. HAProxy
 * itself would find out too late: before it gives up, its old worker stops accepting connections for a second or two (seen on 2.6).
 */
export async function takenPorts(
  wanted: ReadonlyMap<string, string>,
  running: ReadonlyMap<string, string> | undefined,
): Promise<readonly TakenPort[]> {
  const ours = new Set(bindsOf(running ?? new Map()).map(({ port }) => port))
  const taken: TakenPort[] = []
  for (const { host, port, section } of bindsOf(wanted)) {
    if (ours.has(port) || !(await isTaken(host, port))) continue
    taken.push({ section, complaint: `${section} wants ${host}:${port}, which another process listens on` })
  }
  return taken
}

/** A configuration that listens where somebody else does already. */
export class PortsTaken extends SmartStackError {
  readonly ports: readonly TakenPort[]

  constructor(ports: readonly TakenPort[]) {
    super('HAPROXY_CONFIG', ports.map(({ complaint }) => complaint).join('; '), { retryable: true })
    this.ports = ports
  }
}

function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    // Other failures, such as a port that only HAProxy may have, are HAProxy's to judge.
    server.once('error', (error) => resolve('code' in error && error.code === 'EADDRINUSE'))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(false)))
  })
}
