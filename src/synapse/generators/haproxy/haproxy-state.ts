import type { DesiredModel } from './desired-model.ts'
import type { Intake } from './intake.ts'
import type { HaproxyProcess } from './process.ts'
import type { Reloader } from './reloader.ts'
import type { WorkerLink } from './worker-link.ts'

export interface HaproxyParts {
  readonly process: HaproxyProcess
  readonly reloader: Reloader
  readonly intake: Intake
  readonly model: DesiredModel
  readonly links: readonly WorkerLink[]
  readonly tombstones: number
  /** Reasons that no reload has settled. */
  readonly stubborn: readonly string[]
}

/** What `/state` and the status page show of the haproxy generator. */
export function describeHaproxy({ process, reloader, intake, model, links, tombstones, stubborn }: HaproxyParts) {
  const [first] = links
  return {
    mode: process.mode,
    pid: first?.worker?.pid ?? null,
    version: first?.worker?.version ?? null,
    connected: links.every(({ connected }) => connected),
    ...process.state(),
    ...reloader.state(),
    problems: [
      ...(reloader.failure === undefined
        ? []
        : [`HAProxy stays with the last good configuration: ${reloader.failure}`]),
      ...intake.problems,
    ],
    quarantined: intake.isolation.state(),
    tombstones,
    reload_only: Object.fromEntries(
      [...model.backends.values()].flatMap(({ service, reloadOnly }) =>
        reloadOnly === undefined ? [] : [[service, reloadOnly]],
      ),
    ),
    not_settled_by_reload: stubborn,
    warnings: model.warnings.map(({ service, message }) => ({ service: service ?? null, message })),
  }
}
