import { serverOf } from './commands.ts'
import type { CommandOutcome } from './worker-link.ts'

/** What a set of commands changed in one backend, for one line of the log. */
export interface ChangeSummary {
  readonly added: readonly string[]
  /** Were in HAProxy already, out of service. */
  readonly returned: readonly string[]
  readonly drained: readonly string[]
  readonly removed: readonly string[]
  /** `name=weight`. */
  readonly weights: readonly string[]
  /** `name=address`. */
  readonly addresses: readonly string[]
  /** What HAProxy did not do, with its words. */
  readonly refused: readonly string[]
}

/** By backend, what HAProxy confirmed and what it refused. */
export function summarizeChanges(outcomes: readonly CommandOutcome[]): ReadonlyMap<string, ChangeSummary> {
  return new Map([...outcomesByBackend(outcomes)].map(([backend, list]) => [backend, summarize(list)]))
}

/** In the order of the commands. */
export function outcomesByBackend(outcomes: readonly CommandOutcome[]): ReadonlyMap<string, readonly CommandOutcome[]> {
  const byBackend = new Map<string, CommandOutcome[]>()
  for (const outcome of outcomes) {
    const list = byBackend.get(outcome.command.backend)
    if (list === undefined) byBackend.set(outcome.command.backend, [outcome])
    else list.push(outcome)
  }
  return byBackend
}

function summarize(outcomes: readonly CommandOutcome[]): ChangeSummary {
  const names = {
    added: new Set<string>(),
    returned: new Set<string>(),
    drained: new Set<string>(),
    removed: new Set<string>(),
  }
  const weights: string[] = []
  const addresses: string[] = []
  const refused: string[] = []
  for (const { command, answer } of outcomes) {
    const name = serverOf(command)
    if (answer.result === 'refused') refused.push(`${command.kind} ${name}: ${answer.reason}`)
    else if (answer.result === 'unknown') refused.push(`${command.kind} ${name}: ${answer.text}`)
    else if (command.kind === 'add-server') names.added.add(name)
    else if (command.kind === 'set-weight') weights.push(`${name}=${command.weight}`)
    else if (command.kind === 'set-address') addresses.push(`${name}=${command.host}`)
    else if (command.kind === 'set-state') names[STATE_CHANGES[command.state]].add(name)
  }
  for (const name of names.added) names.returned.delete(name) // `ready` belongs to the adding
  const lists = Object.entries(names).map(([key, set]) => [key, [...set]])
  return { ...(Object.fromEntries(lists) as Record<keyof typeof names, string[]>), weights, addresses, refused }
}

const STATE_CHANGES = { ready: 'returned', drain: 'drained', maint: 'removed' } as const

const MAX_NAMES = 10

/** The summary as fields of a log line: empty lists left out, long ones cut. */
export function changeFields(summary: ChangeSummary): Readonly<Record<string, unknown>> {
  const lists: [key: string, names: readonly string[]][] = Object.entries(summary)
  return Object.fromEntries(lists.filter(([, names]) => names.length > 0).map(([key, names]) => [key, shorten(names)]))
}

function shorten(names: readonly string[]): readonly string[] {
  return names.length > MAX_NAMES ? [...names.slice(0, MAX_NAMES), `and ${names.length - MAX_NAMES} more`] : names
}
