import type { DesiredModel } from './desired-model.ts'
import type { Isolation } from './isolation.ts'
import type { HaproxyProcess } from './process.ts'
import type { Reloader } from './reloader.ts'
import type { WorkerLink } from './worker-link.ts'

export interface HaproxyParts {
  readonly process: HaproxyProcess
  readonly reloader: Reloader
  readonly isolation: Isolation
  readonly model: DesiredModel
  readonly links: readonly WorkerLink[]
  readonly tombstones: number
  /** Reasons that no reload has settled. */
  readonly stubborn: readonly string[]
}

/** What `/state` and the status page show of the haproxy generator. */
export function describeHaproxy({ process, reloader, isolation, model, links, tombstones, stubborn }: HaproxyParts) {
  const [first] = links
  const quarantined = isolation.state()
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
      ...quarantined.map(({ service, meanwhile, reason }) => `${service} is ${meanwhile}: ${reason}`),
    ],
    quarantined,
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
