import type { Readiness } from '../core/admin.ts'
import type { Cell, StatusPage } from '../core/status-page.ts'
import type { SessionPool } from '../zookeeper/zookeeper.ts'
import type { Supervisor } from './supervisor.ts'

/** What synapse knows about itself; `/state` shows it as it is. */
export interface SynapseStatus {
  readonly version: string
  readonly config: string
  /** The text of the newest configuration error while an edit is refused. */
  readonly configError: string | undefined
  readonly services: ReturnType<Supervisor['state']>['services']
  readonly generators: ReturnType<Supervisor['state']>['generators']
  readonly sessions: ReturnType<SessionPool['state']>
}

/** Ready when every generator has made one pass: the localhost ports answer. Later trouble with a registry does not take that back. */
export function synapseReadiness(unready: readonly string[]): Readiness {
  return unready.length === 0 ? { ready: true } : { ready: false, reasons: unready }
}

/** What an operator sees at `/`. */
export function synapseStatusPage(status: SynapseStatus): StatusPage {
  const { version, config, configError, services, generators, sessions } = status
  const failures = Object.entries(generators).flatMap(([type, { error, problems = [] }]) =>
    [...(error === null ? [] : [error]), ...problems].map((problem) => `Generator ${type}: ${problem}`),
  )
  return {
    title: 'synapse',
    problems: [
      ...services
        .filter(({ held }) => held > 0)
        .map(
          ({ name, held }) =>
            `Panic hold: ${held} instances of ${name} vanished from the registry at once and are kept for now.`,
        ),
      ...(configError === undefined ? [] : [`The last edit of the configuration is refused:\n${configError}`]),
      ...failures,
    ],
    facts: [
      ['version', version],
      ['configuration', config],
      ...sessions.map(({ ensemble, session }) => [`ZooKeeper ${ensemble}`, session.status] as const),
      ...Object.entries(generators).flatMap(([type, state]) => factsOf(type, state)),
    ],
    tables: [
      {
        title: 'Services',
        columns: ['service', 'instances', 'from', 'registry'],
        rows: services.map((service) => [
          service.name,
          instancesCell(service.instances),
          sourceCell(service),
          service.discovered ? 'has answered' : { text: 'has not answered yet', mood: 'unsure' },
        ]),
        whenEmpty: 'No service is configured.',
      },
    ],
  }
}

/** A large service has too many to list; `/state` has them all. */
const MOST_LISTED = 12

function instancesCell(instances: SynapseStatus['services'][number]['instances']): string {
  const lines = instances.slice(0, MOST_LISTED).map(({ name, host, port }) => `${name} ${host}:${port}`.trim())
  const more = instances.length - lines.length
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n')
}

function sourceCell({ source }: SynapseStatus['services'][number]): Cell {
  const moods = { discovered: 'good', default: 'unsure', previous: 'unsure', none: 'bad' } as const
  return { text: source, mood: moods[source] }
}

/** The plain values of a generator's state, such as HAProxy's version, pid and number of reloads. */
function factsOf(type: string, state: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(state).flatMap(([key, value]) =>
    typeof value === 'string' || typeof value === 'number'
      ? [[`${type} ${key}`, String(value)] as [string, string]]
      : [],
  )
}
