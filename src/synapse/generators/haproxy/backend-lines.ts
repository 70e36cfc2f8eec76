import { mergeOptions, parseTrustedOptions, type ServerOption } from './server-options.ts'
import { splitWords } from './words.ts'

/** What the lines of a backend (and of `defaults`) mean for its servers. */
export interface BackendTraits {
  readonly http: boolean
  /** The algorithm, when it is one that cannot take servers at run time, e.g. `balance static-rr`. */
  readonly staticBalance: string | undefined
  /** Where the value of the persistence cookie comes from; undefined: there is no such cookie. */
  readonly cookie: 'server' | 'dynamic' | undefined
  /** Merged `default-server` options. */
  readonly defaultServer: readonly ServerOption[]
  /** Names of the servers that stand in the lines themselves. */
  readonly fixedServers: ReadonlySet<string>
  /** Their ids, as far as given. */
  readonly fixedIds: readonly number[]
}

type Line = readonly string[]

const DYNAMIC_BALANCE = new Set(['roundrobin', 'leastconn', 'first', 'random'])

/** Reads the lines; of a keyword that may stand once, the last line counts, and those of the backend after those of `defaults`. */
export function readBackendLines(defaults: readonly string[], backend: readonly string[]): BackendTraits {
  const own = backend.map(lineWords)
  const lines = [...defaults.map(lineWords), ...own]
  const last = (keyword: string) => lines.findLast(([first]) => first?.toLowerCase() === keyword)
  const fixed = own.filter(([keyword]) => keyword === 'server' || keyword === 'server-template')
  return {
    http: last('mode')?.[1] === 'http',
    staticBalance: staticBalance(last('balance'), last('hash-type'), last('mode')),
    cookie: cookieSource(last('cookie')),
    defaultServer: mergeOptions(...lines.filter(([keyword]) => keyword === 'default-server').map(optionsOf)),
    fixedServers: new Set(fixed.flatMap(serverNames)),
    fixedIds: fixed.flatMap((line) => fixedId(line)),
  }
}

function lineWords(line: string): Line {
  const split = splitWords(line)
  return split.ok ? split.words : line.trim().split(/\s+/)
}

function staticBalance(
  balance: Line | undefined,
  hashType: Line | undefined,
  mode: Line | undefined,
): string | undefined {
  if (mode?.[1] === 'log') return 'mode log'
  const [, algorithm = 'roundrobin'] = balance ?? []
  const [kind = ''] = algorithm.toLowerCase().split('(')
  if (DYNAMIC_BALANCE.has(kind)) return undefined
  if (kind !== 'static-rr' && hashType?.[1] === 'consistent') return undefined
  return kind === 'static-rr' ? 'balance static-rr' : `balance ${algorithm} without hash-type consistent`
}

function cookieSource(cookie: Line | undefined): BackendTraits['cookie'] {
  if (cookie === undefined) return undefined
  return cookie.includes('dynamic') ? 'dynamic' : 'server'
}

function optionsOf([, ...words]: Line): readonly ServerOption[] {
  return parseTrustedOptions(words.join(' ')).options
}

const MAX_TEMPLATE_SERVERS = 100_000

function serverNames([keyword, name = '', range = '']: Line): readonly string[] {
  if (keyword === 'server') return [name]
  const [, from, to] = /^(?:(\d+)-)?(\d+)$/.exec(range) ?? []
  const first = Number(from ?? 1)
  const length = Math.min(Number(to ?? 0) - first + 1, MAX_TEMPLATE_SERVERS)
  return Array.from({ length: Math.max(0, length) }, (_, index) => `${name}${first + index}`)
}

function fixedId(line: Line): readonly number[] {
  const index = line.indexOf('id')
  return index > 2 ? [Number(line[index + 1])] : []
}
