import type { InstanceView } from './fleet.ts'
import type { ServiceName } from './instances.ts'
import type { Style } from './style.ts'

/** What the table shows. */
export interface TableView {
  readonly elapsedMs: number
  readonly requests: number
  readonly failed: number
  /** Of `failed`: served by an instance while it was being ended. */
  readonly inFlight: number
  readonly reloads: number
  readonly zookeeperRuns: boolean
  readonly rows: readonly InstanceView[]
  /** The port of an instance to the requests that it answered. */
  readonly answers: ReadonlyMap<number, number>
  /** Where to connect to, by service. */
  readonly ports: Readonly<Record<ServiceName, number>>
  readonly synapseUrl: string
  readonly nerveUrls: readonly string[]
  /** What happened last, the newest at the end. */
  readonly events: readonly string[]
}

const WIDTH = 80

/** The whole screen as lines of at most 80 characters. */
export function renderTable(view: TableView, style: Style): string[] {
  const rule = style.dim('─'.repeat(WIDTH))
  return [
    headline(view, style),
    rule,
    style.dim(columns(' ', 'SERVICE', 'INSTANCE', 'HOST', 'ADDRESS', 'NERVE', 'HAPROXY', 'WEIGHT', 'ANSWERED')),
    ...view.rows.map((row, index) => instanceLine(row, index, view, style)),
    rule,
    ...addresses(view, style),
    rule,
    ...view.events.slice(-5).map((event) => event.slice(0, WIDTH)),
    '',
    `${keys(view, style)}`,
  ]
}

function headline({ elapsedMs, requests, failed, inFlight, reloads }: TableView, style: Style): string {
  const lost = failed - inFlight
  const failures = `${failed} failed${inFlight > 0 ? ` (${inFlight} in flight)` : ''}`
  const parts = [`${requests} requests`, failures, `${reloads} reloads`]
  const padding = ' '.repeat(
    Math.max(1, WIDTH - 'SmartStack'.length - clock(elapsedMs).length - parts.join('   ').length - 5),
  )
  const coloured = [
    parts[0],
    lost === 0 ? style.good(failures) : style.bad(failures),
    reloads === 0 ? style.good(parts[2] ?? '') : style.bad(parts[2] ?? ''),
  ]
  return `${style.bold('SmartStack')}  ${style.dim(clock(elapsedMs))}${padding}   ${coloured.join('   ')}`
}

function instanceLine(
  { instance, health, status, weight }: InstanceView,
  index: number,
  view: TableView,
  style: Style,
): string {
  const { service, name, host, port } = instance
  const inUse = status === 'UP'
  const healthMark = health === 'up' ? style.good : health === 'down' ? style.bad : style.unsure
  const statusMark = inUse ? style.good : status === 'DOWN' ? style.bad : style.unsure
  return columns(
    String(index + 1),
    service,
    name,
    host,
    `127.0.0.1:${port}`,
    healthMark(`● ${health}`.padEnd(9)),
    statusMark(`● ${status}`.padEnd(8)),
    String(weight).padStart(6),
    String(view.answers.get(port) ?? 0).padStart(8),
  )
}

function columns(
  ...[
    key = '',
    service = '',
    name = '',
    host = '',
    address = '',
    nerve = '',
    haproxy = '',
    weight = '',
    answered = '',
  ]: string[]
): string {
  return [
    key.padEnd(2),
    service.padEnd(8),
    name.padEnd(9),
    host.padEnd(7),
    address.padEnd(15),
    nerve.padEnd(9),
    haproxy.padEnd(8),
    weight.padEnd(6),
    answered.padStart(8),
  ].join(' ')
}

function addresses({ ports, synapseUrl, nerveUrls }: TableView, style: Style): string[] {
  const line = (label: string, text: string) => `${style.dim(label.padEnd(9))}${text}`
  return [
    line('try', `curl http://127.0.0.1:${ports.web}/`),
    line('', `redis-cli -p ${ports.redis} config get port`),
    line('', `mariadb -h 127.0.0.1 -P ${ports.mysql} -u haproxy`),
    line('synapse', `${synapseUrl}/`),
    line('nerves', nerveUrls.map((url) => `${url}/`).join(' ')),
  ]
}

function keys({ zookeeperRuns, rows }: TableView, style: Style): string {
  const zookeeper = zookeeperRuns ? 'stop ZooKeeper' : `start ZooKeeper ${style.bad('(stopped)')}`
  return `${style.bold(`1-${rows.length}`)} kill or revive an instance   ${style.bold('z')} ${zookeeper}   ${style.bold('q')} quit`
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
