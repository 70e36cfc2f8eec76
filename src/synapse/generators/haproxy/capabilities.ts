/** What a HAProxy can do, by its version. The builder and the planner ask this table, never the version itself. */
export interface Capabilities {
  /** As HAProxy says it, e.g. `2.6.12-1+deb12u4`; 'unknown' when nobody asked yet. */
  readonly version: string
  /** `add server` and `del server` without experimental mode. */
  readonly runtimeServers: boolean
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
  /** `wait <time> srv-removable <backend>/<server>`. */
  readonly waitSrvRemovable: boolean
  /** `del server` closes the server's idle connections itself instead of refusing. */
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
 * branches, verified on 2.6.12, 2.8.0 and 3.2.0.
 */
export function capabilitiesOf(versionText: string): Capabilities {
  const parsed = parseVersion(versionText)
  const [major, minor] = parsed?.branch ?? [2, 6]
  const since = (wantMajor: number, wantMinor: number) =>
    major > wantMajor || (major === wantMajor && minor >= wantMinor)
  return {
    version: parsed?.version ?? 'unknown',
    runtimeServers: since(2, 6),
    serverCookie: since(3, 0),
    dynamicCookie: since(3, 0),
    hashKey: since(3, 0),
    initState: since(3, 1),
    shard: since(2, 8),
    idlePing: since(3, 2),
    waitSrvRemovable: since(3, 0),
    delServerClosesIdle: since(3, 0) && !since(3, 3),
    syncReload: since(2, 7),
    hardReload: since(2, 9),
    addServerHelp: since(3, 2),
    defects: DEFECTS.filter(({ until }) => !since(...until)).map(({ sentence }) => sentence),
  }
}

const DEFECTS: readonly { readonly until: readonly [number, number]; readonly sentence: string }[] = [
  {
    until: [3, 0],
    sentence:
      'deleting a server soon after it went into maintenance can crash the worker (haproxy#2298, #2323, #2378): deletions wait at least 10 seconds',
  },
  {
    until: [3, 0],
    sentence:
      'a server added without an id gets no traffic from `balance random` and consistent hashes (haproxy#3413): every server has an explicit id',
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
