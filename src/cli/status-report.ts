import type { Cell, Mood } from '../core/status-page.ts'
import type { AdminAnswer } from './admin-client.ts'
import type { DaemonKind } from './daemon-kind.ts'
import {
  type HaproxyState,
  haproxyState,
  type NerveState,
  type SessionEntry,
  type SynapseState,
} from './daemon-state.ts'
import { entryTable } from './manual-report.ts'
import { nerveProblems, synapseProblems } from './status-problems.ts'
import type { Style } from './style.ts'
import { formatParagraph, formatTable, plainText, plural } from './table.ts'

/** One daemon as `smartstack status` shows it. Pure: the same answer gives the same lines. */
export interface DaemonReport {
  readonly daemon: DaemonKind
  readonly url: string
  readonly answers: boolean
  readonly ready: boolean
  /** Whatever needs a hand. */
  readonly problems: readonly string[]
  /** `/state` as it came; undefined when it did not. */
  readonly state: unknown
  /** For people. */
  readonly lines: readonly string[]
}

export interface ReportOptions {
  readonly width: number
  readonly style: Style
}

type Rows = readonly (readonly (string | Cell)[])[]

export function reportNerve(answer: AdminAnswer<NerveState>, options: ReportOptions): DaemonReport {
  if (!answer.answers) return reportSilence('nerve', answer, options)
  const { url, ready, notReady, state } = answer
  const table = (columns: readonly string[], rows: Rows) => formatTable({ columns, rows, ...options })
  const lines = [
    heading(`nerve ${state.instanceId}`, url, ready, options.style),
    ...about(state, options),
    '',
    ...(state.services.length === 0 ? ['  No service is configured.'] : []),
    ...(state.services.length === 0
      ? []
      : table(['SERVICE', 'ADDRESS', 'HEALTH', 'REGISTRATION', 'WHY'], state.services.map(nerveRow))),
    ...manualLines(state, options),
    ...sessionLines(state.sessions, table),
  ]
  return { daemon: 'nerve', url, answers: true, ready, problems: nerveProblems(state, notReady), state, lines }
}

function nerveRow(service: NerveState['services'][number]): (string | Cell)[] {
  const { name, host, port, status, reason, registered, error, availability, reporters } = service
  const paths = reporters.flatMap(({ path }) => path ?? []).join('\n')
  const registration: Cell = registered
    ? { text: paths === '' ? 'registered' : paths, mood: 'good' }
    : { text: 'not registered', mood: status === 'up' ? 'bad' : 'plain' }
  return [
    name,
    `${host}:${port}`,
    healthCell(status, availability),
    registration,
    [reason, error].filter((text) => text !== undefined && text !== null && text !== '').join('\n'),
  ]
}

function healthCell(status: string, availability: NerveState['services'][number]['availability']): Cell {
  const { manual = 'enabled', draining } = availability ?? {}
  if (manual === 'enabled') return { text: status, mood: HEALTH[status] ?? 'plain' }
  return { text: (draining ?? null) === null ? manual : `${manual}, draining`, mood: 'unsure' }
}

/** What is said by hand, also of services that are gone. */
function manualLines({ manual }: NerveState, options: ReportOptions): string[] {
  if (manual === undefined || manual.entries.length === 0) return []
  const title = manual.kept ? 'Said by hand' : 'Said by hand, forgotten at a restart'
  return ['', `  ${options.style.bold(title)}`, ...entryTable(manual.entries, options)]
}

const HEALTH: Readonly<Record<string, Mood>> = { up: 'good', down: 'bad', unknown: 'unsure' }

export function reportSynapse(answer: AdminAnswer<SynapseState>, options: ReportOptions): DaemonReport {
  if (!answer.answers) return reportSilence('synapse', answer, options)
  const { url, ready, notReady, state } = answer
  const haproxy = haproxyState.safeParse(state.generators['haproxy']).data
  const table = (columns: readonly string[], rows: Rows) => formatTable({ columns, rows, ...options })
  const lines = [
    heading('synapse', url, ready, options.style),
    ...about(state, options),
    ...(haproxy === undefined ? [] : haproxyLines(haproxy, options)),
    '',
    ...(state.services.length === 0
      ? ['  No service is configured.']
      : table(['SERVICE', 'COUNT#', 'FROM', 'INSTANCES'], state.services.map(synapseRow))),
    ...sessionLines(state.sessions, table),
  ]
  const problems = synapseProblems(state, notReady, haproxy)
  return { daemon: 'synapse', url, answers: true, ready, problems, state, lines }
}

const SOURCES: Readonly<Record<string, Mood>> = { discovered: 'good', none: 'bad' }
/** More instances than these are only counted; `--json` has them all. */
const MAX_INSTANCES = 8

function synapseRow({ name, source, held, instances }: SynapseState['services'][number]): (string | Cell)[] {
  const shown = instances
    .slice(0, MAX_INSTANCES)
    .map((instance) => `${instance.host}:${instance.port}${instance.name === '' ? '' : ` ${instance.name}`}`)
  const more = instances.length - shown.length
  return [
    name,
    String(instances.length),
    { text: held > 0 ? `${source}, ${held} held` : source, mood: held > 0 ? 'unsure' : (SOURCES[source] ?? 'unsure') },
    [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
  ]
}

function haproxyLines(haproxy: HaproxyState, { style, width }: ReportOptions): string[] {
  const { mode, pid, version, connected, reloads, last_reload: last, waiting_for_reload: waiting, tombstones } = haproxy
  const facts = [
    connected ? style.mood('good', 'connected') : style.mood('bad', 'no connection'),
    ...(typeof version === 'string' ? [plainText(version)] : []),
    ...(typeof pid === 'number' ? [`pid ${pid}`] : []),
    mode,
    ...(reloads === undefined ? [] : [plural(reloads, 'reload')]),
    ...(tombstones === undefined || tombstones === 0 ? [] : [`${plural(tombstones, 'server')} in maintenance`]),
  ]
  const under = ' '.repeat('  haproxy   '.length)
  return [
    `  ${style.dim('haproxy')}   ${facts.join(', ')}`,
    ...(last === undefined || last === null
      ? []
      : formatParagraph(`${under}last reload `, `${last.at}: ${last.reasons.join('; ')}`, width)),
    ...haproxy.quarantined.flatMap(({ service, meanwhile, reason, since }) =>
      formatParagraph(`${under}in quarantine: `, `${service} is ${meanwhile} since ${since}: ${reason}`, width),
    ),
    ...waiting.flatMap((reason) => formatParagraph(`${under}to be reloaded: `, reason, width)),
    ...haproxy.warnings.flatMap(({ service, message }) =>
      formatParagraph(`${under}warning: `, `${typeof service === 'string' ? `${service}: ` : ''}${message}`, width),
    ),
  ]
}

function reportSilence(
  daemon: DaemonKind,
  { url, reason }: AdminAnswer<unknown> & { readonly answers: false },
  { style }: ReportOptions,
): DaemonReport {
  const lines = [`${style.bold(daemon)}  ${style.dim(url)}  ${style.mood('bad', 'does not answer')}`]
  const problems = [`${daemon} does not answer at ${url}: ${reason}`]
  return { daemon, url, answers: false, ready: false, problems, state: undefined, lines }
}

function heading(name: string, url: string, ready: boolean, style: Style): string {
  const mark = ready ? style.mood('good', 'ready') : style.mood('bad', 'not ready')
  return `${style.bold(plainText(name))}  ${style.dim(url)}  ${mark}`
}

function about({ version, config }: { readonly version: string; readonly config: string }, { style }: ReportOptions) {
  return [`  ${style.dim('version')}   ${plainText(version)}`, `  ${style.dim('config')}    ${plainText(config)}`]
}

function sessionLines(
  sessions: readonly SessionEntry[],
  table: (columns: readonly string[], rows: Rows) => string[],
): string[] {
  if (sessions.length === 0) return []
  const rows = sessions.map(({ ensemble, session: { status, reason } }): (string | Cell)[] => [
    ensemble.replaceAll(',', '\n'),
    { text: status, mood: status === 'connected' ? 'good' : 'bad' },
    reason ?? '',
  ])
  return ['', ...table(['ZOOKEEPER', 'SESSION', 'WHY'], rows)]
}

/** The last lines: nothing needs a hand, or what does. They are what is left in sight when the rest has scrolled away. */
export function formatVerdict(reports: readonly DaemonReport[], { style, width }: ReportOptions): string[] {
  const problems = reports.flatMap((report) =>
    report.problems.map((problem) => (report.answers ? `${report.daemon}: ${problem}` : problem)),
  )
  if (problems.length === 0) return [style.mood('good', 'All is well.')]
  const what = problems.length === 1 ? '1 thing needs a hand:' : `${problems.length} things need a hand:`
  return [style.mood('bad', what), ...problems.flatMap((problem) => formatParagraph('  - ', problem, width))]
}

/** A machine with one of the two is not broken; its operator only has to say so. */
export function formatHint(reports: readonly DaemonReport[]): readonly string[] {
  const there = reports.filter(({ answers }) => answers)
  const [only] = there
  if (there.length !== 1 || only === undefined) return []
  return [`If this machine runs only ${only.daemon}: smartstack status --${only.daemon} ${new URL(only.url).port}`]
}
