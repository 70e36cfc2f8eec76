/** Which lines HAProxy takes in a frontend and which in a backend: what splits the `listen` lines of a service. */

export type SectionKind = 'frontend' | 'backend'

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

// Keywords of the manuals of HAProxy 1.6 to 3.3 (chapter 4.1), including what newer versions refuse: such a line reaches
// `haproxy -c`, whose message says what replaced it, instead of getting lost here. A keyword stands for all its forms.

const ANYWHERE = words(`
  acl bind-process block compression description disabled email-alert enabled errorfile errorfiles errorloc errorloc302
  errorloc303 filter filter-sequence grace guid http-after-response http-error http-request http-response id log log-tag
  mode redirect reqadd reqallow reqdel reqdeny reqiallow reqidel reqideny reqipass reqirep reqisetbe reqitarpit reqpass
  reqrep reqsetbe reqtarpit rspadd rspdel rspdeny rspidel rspideny rspirep rsprep stats stick-table`)

const FRONTEND = words(`
  backlog bind capture clitcpka-cnt clitcpka-idle clitcpka-intvl clitimeout declare default_backend error-log-format
  force-be-switch log-format log-format-sd log-steps max-session-srv-conns maxconn monitor monitor-net monitor-uri
  quic-initial rate-limit ssl-f-use unique-id-format unique-id-header use_backend`)

const BACKEND = words(`
  appsession balance contimeout cookie default-server dispatch dynamic-cookie-key external-check force-persist fullconn hash-balance-factor
  hash-preserve-affinity hash-type http-check http-reuse http-send-name-header ignore-persist
  load-server-state-from-file max-keep-alive-queue persist redisp redispatch retries retry-on server
  server-state-file-name server-template source srvtcpka-cnt srvtcpka-idle srvtcpka-intvl srvtimeout stick tcp-check
  transparent use-fcgi-app use-server`)

/** Keywords whose second word decides. */
const FAMILIES: Readonly<Record<string, Readonly<Record<SectionKind | 'anywhere', readonly string[]>>>> = {
  option: {
    anywhere: words(`
      forceclose forwardfor http-buffer-request http-keep-alive http-no-delay http-restrict-req-hdr-names
      http-server-close http-tunnel http_proxy httpclose independant-streams independent-streams nolinger originalto
      splice-auto splice-request splice-response tcpka tcplog`),
    frontend: words(`
      accept-invalid-http-request accept-unsafe-violations-in-http-request clitcpka contstats disable-h2-upgrade
      dontlog-normal dontlognull h1-case-adjust-bogus-client http-drop-response-trailers http-ignore-probes
      http-use-proxy-header httplog httpslog idle-close-on-response log-separate-errors logasap socket-stats
      tcp-smart-accept`),
    backend: words(`
      abortonclose accept-invalid-http-response accept-unsafe-violations-in-http-response allbackups allredisp checkcache
      external-check forwarded h1-case-adjust-bogus-server http-drop-request-trailers http-pretend-keepalive httpchk
      lb-agent-chk ldap-check log-health-checks mysql-check persist pgsql-check prefer-last-server redis-check redispatch
      smtpchk spop-check srvtcpka ssl-hello-chk tcp-check tcp-smart-connect transparent use-small-buffers`),
  },
  timeout: {
    anywhere: words('http-keep-alive http-request tarpit'),
    frontend: words('client client-fin client-hs clitimeout'),
    backend: words('check connect contimeout queue server server-fin srvtimeout tunnel'),
  },
  'tcp-request': {
    anywhere: words('content inspect-delay'),
    frontend: words('connection session'),
    backend: [],
  },
  'tcp-response': { anywhere: [], frontend: [], backend: words('content inspect-delay') },
}

const TABLE: Readonly<Record<SectionKind, ReadonlySet<string>>> = {
  frontend: table('frontend', FRONTEND),
  backend: table('backend', BACKEND),
}

function table(kind: SectionKind, keywords: readonly string[]): ReadonlySet<string> {
  const twoWords = Object.entries(FAMILIES).flatMap(([family, members]) =>
    [...members.anywhere, ...members[kind]].map((member) => `${family} ${member}`),
  )
  return new Set([...ANYWHERE, ...keywords, ...twoWords])
}

/** Whether HAProxy knows this line in such a section. Comments belong everywhere. Case and blanks do not matter. */
export function isLineOf(kind: SectionKind, line: string): boolean {
  if (line.trimStart().startsWith('#')) return true
  const [first = '', second = '', third = ''] = line.trim().toLowerCase().split(/\s+/)
  const [keyword, member] = first === 'no' || first === 'default' ? [second, third] : [first, second]
  const known = TABLE[kind]
  return known.has(keyword) || known.has(`${keyword} ${member}`)
}

export interface SplitLines {
  readonly known: readonly string[]
  readonly unknown: readonly string[]
}

/** Separates the lines that HAProxy knows in such a section from the others. */
export function splitLines(kind: SectionKind, lines: readonly string[]): SplitLines {
  const known = lines.filter((line) => isLineOf(kind, line))
  return { known, unknown: known.length === lines.length ? [] : lines.filter((line) => !isLineOf(kind, line)) }
}
