import type { Readiness } from '../core/admin.ts'
import type { Cell, Mood, StatusPage } from '../core/status-page.ts'
import type { SessionPool } from '../zookeeper/zookeeper.ts'
import type { ManualControl } from './manual-control.ts'
import { entryState, findsNamesake, targetsOf } from './manual-state.ts'
import type { Supervisor } from './supervisor.ts'

/** What nerve knows about itself; `/state` shows it as it is. */
export interface NerveStatus {
  readonly instanceId: string
  readonly version: string
  readonly config: string
  /** The text of the newest configuration error while an edit is refused. */
  readonly configError: string | undefined
  readonly services: ReturnType<Supervisor['state']>
  readonly sessions: ReturnType<SessionPool['state']>
  /** What people have said of services, and whether a restart keeps it. */
  readonly manual: ManualStatus
}

/** Manual state as `/state` shows it. */
export const manualStatus = ({ entries, ...more }: ManualControl['status']) => ({
  ...more,
  entries: entries.map(entryState),
})

export type ManualStatus = ReturnType<typeof manualStatus>

/** Ready when every service has a verdict and every session is connected. */
export function nerveReadiness({ services, sessions }: NerveStatus): Readiness {
  const reasons = [
    ...services.filter(({ status }) => status === 'unknown').map(({ name, reason }) => `service ${name}: ${reason}`),
    ...services.filter(({ error }) => error !== null).map(({ name, error }) => `service ${name}: ${error}`),
    ...sessions
      .filter(({ session }) => session.status !== 'connected')
      .map(({ ensemble, session }) => `ZooKeeper ${ensemble} is ${session.status}${because(session.reason)}`),
  ]
  return reasons.length === 0 ? { ready: true } : { ready: false, reasons }
}

const HEALTH: Readonly<Record<string, Mood>> = { up: 'good', down: 'bad', unknown: 'unsure' }

/** What an operator sees at `/`. */
export function nerveStatusPage(status: NerveStatus): StatusPage {
  const { instanceId, version, config, configError, services, sessions, manual } = status
  return {
    title: `nerve ${instanceId}`,
    problems: [
      ...(configError === undefined ? [] : [`The last edit of the configuration is refused:\n${configError}`]),
      ...(manual.problem === null ? [] : [`Manual state: ${manual.problem}`]),
    ],
    facts: [
      ['version', version],
      ['configuration', config],
      ...sessions.map(({ ensemble, session }) => [`ZooKeeper ${ensemble}`, session.status] as const),
    ],
    tables: [
      {
        title: 'Services',
        columns: ['service', 'address', 'health', 'registration', 'why'],
        rows: services.map((service) => [
          service.name,
          `${service.host}:${service.port}`,
          healthCell(service),
          registrationCell(service),
          service.reason ?? '',
        ]),
        whenEmpty: 'No service is configured.',
      },
      ...(manual.entries.length === 0 ? [] : [manualTable(manual, services)]),
      {
        title: 'Checks',
        columns: ['service', 'check', 'health', 'why'],
        rows: services.flatMap(({ name, checks }) =>
          checks.map((check) => [
            name,
            check.name,
            { text: check.status, mood: HEALTH[check.status] ?? 'plain' },
            check.status === 'down' ? check.reason : '',
          ]),
        ),
        whenEmpty: 'No check runs.',
      },
    ],
  }
}

function healthCell({ status, availability }: NerveStatus['services'][number]): Cell {
  if (availability.manual === 'enabled') return { text: status, mood: HEALTH[status] ?? 'plain' }
  return { text: availability.draining === null ? availability.manual : 'disabled, draining', mood: 'unsure' }
}

function manualTable({ entries, kept }: ManualStatus, services: NerveStatus['services']): StatusPage['tables'][number] {
  return {
    title: kept ? 'By hand' : 'By hand, forgotten at a restart',
    columns: ['target', 'says', 'until', 'by', 'since', 'services', 'reason'],
    rows: entries.map(({ target, says, weight, reason, by, since, expires_at }) => [
      target,
      says === 'weight' ? `weight ${weight}` : says,
      expires_at ?? 'further notice',
      by ?? '',
      since,
      reachOf(target, services),
      reason,
    ]),
    whenEmpty: '',
  }
}

/** Whom an entry reaches; a service that is gone may return. */
function reachOf(target: string, services: NerveStatus['services']): Cell {
  const all = new Set(services.map(({ name }) => name))
  const reached = services.filter(({ name, port }) => {
    const hasNamesake = findsNamesake({ name, port }, all)
    return targetsOf({ name, port, hasNamesake }).includes(target)
  })
  const names = reached.map(({ name }) => name)
  return names.length === 0 ? { text: 'none is configured', mood: 'unsure' } : { text: names.join('\n'), mood: 'plain' }
}

function registrationCell({ registered, status, error, reporter }: NerveStatus['services'][number]): Cell {
  if (error !== null) return { text: error, mood: 'bad' }
  if (registered) return { text: String(reporter['path'] ?? 'registered'), mood: 'good' }
  return { text: 'not registered', mood: status === 'up' ? 'bad' : 'plain' }
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`
}
