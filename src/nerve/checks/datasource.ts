/** What a data source of BlaBlaCar's nerve says. What it does not say is absent. */
export interface Datasource {
  readonly username?: string
  readonly password?: string
  readonly host?: string
  readonly port?: number
  readonly unixSocket?: string
  /** The database of a server, the virtual host of a broker. */
  readonly database?: string
  readonly tls: 'none' | 'unverified' | 'verified'
  /** PEM files: the authorities to trust, and what to show. */
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

/** The values of a check that a data source may refer to, by the names that BlaBlaCar's nerve has for them. */
export type DatasourceFields = Readonly<Record<string, string | number>>

/** The name inside `{{.Name}}`, the only thing of Go's templates that data sources are known to use. */
const REFERENCE = /\{\{-?\s*(.*?)\s*-?\}\}/g

/** The fields that a data source refers to, like `Host`. */
export function referencesOf(template: string): readonly string[] {
  return [...template.matchAll(REFERENCE)].map(([, reference = '']) => reference.replace(/^\./, ''))
}

/** Puts the fields in. @throws SyntaxError that names a reference to something else. */
export function fillDatasource(template: string, fields: DatasourceFields): string {
  return template.replace(REFERENCE, (_, reference: string) => {
    const name = reference.slice(1)
    if (reference.startsWith('.') && Object.hasOwn(fields, name)) return String(fields[name])
    const known = Object.keys(fields).map((name) => `{{.${name}}}`)
    throw new SyntaxError(`{{${reference}}} is unknown; known are ${known.join(', ')}`)
  })
}

const MYSQL_EXPECTED = 'expected user:password@tcp(host:port)/database?options, as go-sql-driver/mysql has it'
// The password may hold any sign: the last @ before the last / ends it.
const MYSQL =
  /^(?:(?<login>.*)@)?(?<net>[a-z]*)(?:\((?<address>[^()]*)\))?\/(?<database>[^/?]*)(?:\?(?<options>[^/]*))?$/s

const MYSQL_TLS: ReadonlyMap<string, Datasource['tls']> = new Map([
  ['false', 'none'],
  ['skip-verify', 'unverified'],
  ['true', 'verified'],
])

/** Reads a data source of go-sql-driver/mysql. Options other than `tls` are for its client and mean nothing here. @throws SyntaxError, without a secret. */
export function parseMysqlDatasource(text: string): Datasource {
  const found = MYSQL.exec(text)?.groups
  if (found === undefined) throw new SyntaxError(MYSQL_EXPECTED)
  const { login = '', net = '', address, database = '', options = '' } = found
  const mode = new URLSearchParams(options).get('tls') ?? 'false'
  const tls = MYSQL_TLS.get(mode)
  if (tls === undefined) throw new SyntaxError(`tls=${mode} is unknown; known are ${[...MYSQL_TLS.keys()].join(', ')}`)
  const [, username = login, password] = /^([^:]*):(.*)$/s.exec(login) ?? []
  return {
    ...optional({ username, password, database }),
    ...(net === 'unix' ? optional({ unixSocket: address }) : parseAddress(address ?? '', MYSQL_EXPECTED)),
    tls,
  }
}

const POSTGRES_EXPECTED =
  'expected postgres://user:password@host:port/database?options or words like host=db user=nerve, as lib/pq has them'

const POSTGRES_TLS: ReadonlyMap<string, Datasource['tls']> = new Map([
  ['disable', 'none'],
  ['require', 'unverified'],
  ['verify-ca', 'verified'],
  ['verify-full', 'verified'],
])

/**
 * Reads a data source of lib/pq, which wants TLS unless told otherwise. `verify-ca` verifies the name too. Words other
 * than those of the login and of TLS are for its client and mean nothing here. @throws SyntaxError, without a secret.
 */
export function parsePostgresDatasource(text: string): Datasource {
  const words = /^postgres(?:ql)?:\/\//.test(text) ? urlWords(text) : plainWords(text)
  const mode = words['sslmode'] ?? 'require'
  const tls = POSTGRES_TLS.get(mode)
  if (tls === undefined)
    throw new SyntaxError(`sslmode=${mode} is unknown; known are ${[...POSTGRES_TLS.keys()].join(', ')}`)
  const { host = '', port } = words
  const isSocket = host.startsWith('/')
  return {
    ...optional({ username: words['user'], password: words['password'], database: words['dbname'] }),
    ...optional(isSocket ? { unixSocket: `${host}/.s.PGSQL.${port ?? 5432}` } : { host, port: parsePort(port) }),
    ...optional({ caFile: words['sslrootcert'], certFile: words['sslcert'], keyFile: words['sslkey'] }),
    tls,
  }
}

type Words = Readonly<Record<string, string | undefined>>

function urlWords(text: string): Words {
  const url = parseUrl(text, POSTGRES_EXPECTED)
  const { username: user, password, hostname: host, port, pathname, searchParams } = url
  const decoded = { user, password, host: bare(host), port, dbname: pathname.slice(1) }
  return { ...decode(optional(decoded), POSTGRES_EXPECTED), ...Object.fromEntries(searchParams) }
}

const WORD = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?:\s+|$)/gsy

function plainWords(text: string): Words {
  const words: Record<string, string> = {}
  let end = 0
  for (const { 0: whole, 1: key = '', 2: quoted, 3: plain, index } of text.matchAll(WORD)) {
    words[key] = (quoted ?? plain ?? '').replace(/\\(.)/gs, '$1')
    end = index + whole.length
  }
  if (end !== text.length) throw new SyntaxError(POSTGRES_EXPECTED)
  return words
}

const AMQP_EXPECTED = 'expected amqp://user:password@host:port/vhost, or amqps:// for TLS'

/** Reads the address of a broker. No virtual host is the one that is called `/`. @throws SyntaxError, without a secret. */
export function parseAmqpDatasource(text: string): Datasource {
  if (!/^amqps?:\/\//.test(text)) throw new SyntaxError(AMQP_EXPECTED)
  const { username, password, hostname, port, pathname, protocol } = parseUrl(text, AMQP_EXPECTED)
  const secure = protocol === 'amqps:'
  const decoded = { username, password, host: bare(hostname), database: pathname.slice(1) }
  return {
    ...decode(optional(decoded), AMQP_EXPECTED),
    ...optional({ port: parsePort(port) ?? (secure ? 5671 : 5672) }),
    tls: secure ? 'verified' : 'none',
  }
}

/** Does not show what it was given: there is a password in it. */
function parseUrl(text: string, expected: string): URL {
  if (!URL.canParse(text)) throw new SyntaxError(expected)
  return new URL(text)
}

/** `db:3306`, `[::1]:3306`, or without the port. */
function parseAddress(address: string, expected: string): Pick<Datasource, 'host' | 'port'> {
  if (address === '') return {}
  const [, v6, name, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(address) ?? []
  if (v6 === undefined && name === undefined) throw new SyntaxError(expected)
  return optional({ host: v6 ?? name, port: parsePort(port) })
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new SyntaxError('expected a port number, 1 to 65535')
  return port
}

/** An IPv6 address without the brackets that a URL has around it. */
const bare = (host: string) => host.replace(/^\[(.*)\]$/, '$1')

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without what is absent or empty. */
function optional<T extends Readonly<Record<string, unknown>>>(values: T): Present<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== ''),
  ) as Present<T>
}

/** Takes the percent signs out of parts of a URL. */
function decode<T extends Readonly<Record<string, string>>>(parts: T, expected: string): T {
  try {
    return Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, decodeURIComponent(part)])) as T
  } catch {
    throw new SyntaxError(expected) // without a cause, which could show a password
  }
}
