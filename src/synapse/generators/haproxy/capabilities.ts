/** What a HAProxy can do, by its version. The builder and the planner ask this table, never the version itself. */
export interface Capabilities {
  /** As HAProxy says it, e.g. `2.6.12-1+deb12u4`; 'unknown' when nobody asked yet. */
  readonly version: string
  /** `add server` and `del server` without experimental mode. */
  readonly runtimeServers: boolean
  /** What `add server` takes, apart from the address. `set-proxy-v2-tlv-fmt` stands for all its forms. */
  readonly serverKeywords: ReadonlySet<string>
  /** `add server` takes the `cookie` keyword. */
  readonly serverCookie: boolean
  /** A server added to a backend with `cookie ... dynamic` gets its cookie. */
  readonly dynamicCookie: boolean
  /** `guid` and `hash-key` on servers. */
  readonly hashKey: boolean
  /** `init-state`: a server can start DOWN until its first check passed. */
  readonly initState: boolean
  /** `shard` on servers. */
  readonly shard: boolean
  /** `idle-ping`, `check-reuse-pool` and `strict-maxconn` on servers. */
  readonly idlePing: boolean
  /** `wait <time> srv-removable <backend>/<server>`. Not used: it would hold up all commands behind it on our connection. */
  readonly waitSrvRemovable: boolean
  /**
   * `del server` closes the server's idle connections itself instead of refusing. Not relied upon, 3.3 took it back:
   * deletions wait until no connection is left.
   */
  readonly delServerClosesIdle: boolean
  /** The master answers `reload` when it is over, with `Success=0` or `Success=1`. */
  readonly syncReload: boolean
  /** `hard-reload` on the master socket. */
  readonly hardReload: boolean
  /** `add server help` lists the keywords. */
  readonly addServerHelp: boolean
  /** Known defects of this branch that synapse works around, a sentence each. For `smartstack doctor`. */
  readonly defects: readonly string[]
}

/** Major and minor number of the first `N.N` in `haproxy -v`, `show version` or `show info`; undefined when there is none. */
export function parseVersion(
  text: string,
): { readonly version: string; readonly branch: readonly [number, number] } | undefined {
  const match = /(?:^|[^\d.])((\d+)\.(\d+)[^\s,]*)/.exec(text)
  if (match === null) return undefined
  return { version: match[1] ?? '', branch: [Number(match[2]), Number(match[3])] }
}

/**
 * The capabilities of the HAProxy whose `haproxy -v`, `show version` or version number is given. A text without a version
 * counts as the oldest one we support: everything it lacks is done by a reload. Source: HAProxy's management guides of the
 * branches; the tests try every entry on 2.6.12 and 3.0.11 (test/integration/haproxy-capabilities.test.ts).
 */
export function capabilitiesOf(versionText: string): Capabilities {
  const parsed = parseVersion(versionText)
  const [major, minor] = parsed?.branch ?? [2, 6]
  const since = ([wantMajor, wantMinor]: Branch) => major > wantMajor || (major === wantMajor && minor >= wantMinor)
  const keywords = SERVER_KEYWORDS.filter((row) => since(row.since)).flatMap((row) => row.keywords)
  const serverKeywords = new Set(keywords)
  return {
    version: parsed?.version ?? 'unknown',
    runtimeServers: since([2, 6]),
    serverKeywords,
    serverCookie: serverKeywords.has('cookie'),
    dynamicCookie: since([3, 0]),
    hashKey: serverKeywords.has('hash-key'),
    initState: serverKeywords.has('init-state'),
    shard: serverKeywords.has('shard'),
    idlePing: serverKeywords.has('idle-ping'),
    waitSrvRemovable: since([3, 0]),
    delServerClosesIdle: since([3, 0]) && !since([3, 3]),
    syncReload: since([2, 7]),
    hardReload: since([2, 9]),
    addServerHelp: since([3, 2]),
    defects: DEFECTS.filter(({ until }) => !since(until)).map(({ sentence }) => sentence),
  }
}

type Branch = readonly [major: number, minor: number]

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/**
 * Keywords of `add server` (management guide 9.3), with the branch from which they are known to work. Not here although
 * HAProxy takes them: `agent-*`, because the agent would have to be enabled as well, and `track`, because the tracked
 * server could not be deleted.
 */
const SERVER_KEYWORDS: readonly { readonly since: Branch; readonly keywords: readonly string[] }[] = [
  {
    since: [0, 0],
    keywords: words(`
      addr allow-0rtt alpn backup ca-file check check-alpn check-proto check-send-proxy check-sni check-ssl
      check-via-socks4 ciphers ciphersuites crl-file crt disabled downinter error-limit fall fastinter force-sslv3
      force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 id inter maxconn maxqueue minconn no-ssl-reuse no-sslv3
      no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 npn observe on-error on-marked-down on-marked-up
      pool-low-conn pool-max-conn pool-purge-delay port proto proxy-v2-options rise send-proxy send-proxy-v2
      send-proxy-v2-ssl send-proxy-v2-ssl-cn slowstart sni source ssl ssl-max-ver ssl-min-ver tfo tls-tickets verify
      verifyhost weight ws`),
  },
  { since: [2, 8], keywords: ['shard'] },
  {
    since: [3, 0],
    keywords: words(`
      client-sigalgs cookie curves guid hash-key pool-conn-name set-proxy-v2-tlv-fmt sigalgs`),
  },
  { since: [3, 1], keywords: ['init-state'] },
  { since: [3, 2], keywords: words('check-reuse-pool idle-ping strict-maxconn') },
]

/**
 * Defects, each with the branch that is free of it. What avoids them is done on every HAProxy, whatever its version: it costs
 * nothing, branches get their corrections at different times, and so an upgrade of HAProxy changes no server line.
 */
const DEFECTS: readonly { readonly until: Branch; readonly sentence: string }[] = [
  {
    until: [3, 0],
    sentence:
      'deleting a server soon after it went into maintenance can crash the worker (haproxy#2298, #2323, #2378): servers are deleted late, and only without connections',
  },
  {
    // Corrected upstream in July 2026 (ca686e320); which releases of older branches have it is not known here.
    until: [3, 5],
    sentence:
      'a rarer race when a server is deleted was corrected in July 2026 only: servers are deleted late, and only without connections',
  },
  {
    until: [3, 0],
    sentence:
      'servers added without an id all have the same place in `balance random` and consistent hashes, and most get no traffic (haproxy#3413): every server has an explicit id, which also keeps its place over a reload',
  },
  {
    until: [3, 0],
    sentence:
      'an added server reuses connections only with explicit pool-purge-delay and pool-max-conn: both are always given',
  },
  {
    until: [3, 0],
    sentence: '`add server ... enabled` leaves the server out of the load balancing: `enabled` is never sent',
  },
  {
    until: [3, 0],
    sentence: '`observe` does nothing on an added server without error-limit and on-error: both are always given',
  },
]
