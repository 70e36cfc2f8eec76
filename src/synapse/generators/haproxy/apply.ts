import { outcomesByBackend } from './change-log.ts'
import { formatCommand, serverOf } from './commands.ts'
import type { Backend, RuntimeCommand } from './model.ts'
import { narrow } from './narrow.ts'
import { planHaproxy } from './plan.ts'
import { shorten } from './server-options.ts'
import type { CommandOutcome, WorkerLink } from './worker-link.ts'

/** The second round repairs what the first found to be otherwise than believed; a third would only repeat it. */
const MAX_ROUNDS = 2
/** Reading back more backends than this costs more than reading all. */
const READ_ONE_BY_ONE = 50
/** The state of so many servers is read within a millisecond: a backend with more is read back a little later where it may. */
const READ_AT_ONCE = 500

/** What came of bringing backends into line. */
export interface Applied {
  /** Every command, with HAProxy's answer. */
  readonly outcomes: readonly CommandOutcome[]
  /** What could not be done at run time, by backend: why it takes a reload. */
  readonly reloadReasons: ReadonlyMap<string, readonly string[]>
  /** Large backends whose commands HAProxy has confirmed, one by one, and which are still to be read back. */
  readonly unread: ReadonlySet<string>
}

export interface ApplyOptions {
  /** How backends were last confirmed to be, for those whose observation is nothing newer than that. */
  readonly settled: ReadonlyMap<string, Backend>
  /** Whether a large backend may be read back later. */
  readonly mayWait: (backend: string) => boolean
  /** Called after each round of commands. */
  readonly onAnswered: (outcomes: readonly CommandOutcome[]) => void
}

/**
 * Makes the servers of these backends as desired, as far as the Runtime API can, and reads them back: what is not in the
 * result is so in HAProxy.
 * @throws SmartStackError HAPROXY_SOCKET or DEADLINE; how much was done is then unknown, and the link knows that.
 */
export async function applyBackends(
  link: WorkerLink,
  backends: ReadonlyMap<string, Backend>,
  { settled, mayWait, onAnswered }: ApplyOptions,
  signal: AbortSignal,
): Promise<Applied> {
  const all: CommandOutcome[] = []
  const unread = new Set<string>()
  for (let round = 1; ; round++) {
    const plan = planBackends(link, backends, settled)
    if (plan.commands.length === 0) return { outcomes: all, reloadReasons: plan.reloadReasons, unread }
    if (round > MAX_ROUNDS) {
      const reloadReasons = withLeftOver(plan.reloadReasons, plan.commands, all, backends)
      return { outcomes: all, reloadReasons, unread }
    }
    const { now, late } = whenToRead(link, plan.commands, mayWait)
    const apart = now.length > READ_ONE_BY_ONE
    const outcomes = await link.execute(plan.commands, apart ? [] : now, signal)
    onAnswered(outcomes)
    for (const outcome of outcomes) all.push(outcome)
    const doubtful = believe(link, late, outcomes, unread)
    if (apart) await link.observeAll(signal)
    else if (doubtful.length > 0) await link.observe(doubtful, signal)
  }
}

/** Which of the backends are read back at once, and which may be believed for a moment. */
function whenToRead(link: WorkerLink, commands: readonly RuntimeCommand[], mayWait: ApplyOptions['mayWait']) {
  const touched = [...new Set(commands.map(({ backend }) => backend))]
  const isLate = (name: string) => (link.observed.get(name)?.length ?? 0) > READ_AT_ONCE && mayWait(name)
  return { now: touched.filter((name) => !isLate(name)), late: touched.filter(isLate) }
}

/** Takes HAProxy's word for these backends. @returns those that have to be read back all the same. */
function believe(
  link: WorkerLink,
  backends: readonly string[],
  outcomes: readonly CommandOutcome[],
  unread: Set<string>,
): readonly string[] {
  if (backends.length === 0) return []
  const byBackend = outcomesByBackend(outcomes)
  return backends.filter((name) => {
    const done = byBackend.get(name) ?? []
    if (done.some(({ answer }) => answer.result !== 'ok')) return true
    const commands = done.map(({ command }) => command)
    link.assume(name, commands)
    unread.add(name)
    return false
  })
}

/** The planner's answer, reasons kept apart by backend. */
function planBackends(link: WorkerLink, backends: ReadonlyMap<string, Backend>, settled: ReadonlyMap<string, Backend>) {
  const commands: RuntimeCommand[] = []
  const reloadReasons = new Map<string, readonly string[]>()
  const structure = link.structure ?? new Map()
  for (const [name, whole] of backends) {
    const before = settled.get(name)
    const running = link.observed.get(name)
    const part = before && running && narrow(whole, before, running)
    const observedBackends = part === undefined ? link.observed : new Map([[name, part.running]])
    // The same structure on both sides: sections are compared elsewhere, once for all backends.
    const observed = { pid: link.worker?.pid, structure, configText: '', backends: observedBackends }
    const desired = { configText: '', structure, backends: new Map([[name, part?.backend ?? whole]]) }
    const plan = planHaproxy(desired, observed, { known: link.ledger })
    for (const command of plan.commands) commands.push(command)
    if (plan.reloadReasons.length > 0) reloadReasons.set(name, plan.reloadReasons)
  }
  return { commands, reloadReasons }
}

/** Commands that HAProxy does not do, or that change nothing, become reasons to reload: the file can say all of it. */
function withLeftOver(
  reasons: ReadonlyMap<string, readonly string[]>,
  leftOver: readonly RuntimeCommand[],
  outcomes: readonly CommandOutcome[],
  backends: ReadonlyMap<string, Backend>,
): ReadonlyMap<string, readonly string[]> {
  const all = new Map(reasons)
  const seen = new Set<string>()
  for (const command of leftOver) {
    const key = `${command.backend}/${serverOf(command)}`
    if (seen.has(key)) continue // one reason per server is enough
    seen.add(key)
    const service = backends.get(command.backend)?.service ?? command.backend
    const reason = `service ${service}: ${complaint(command, outcomes)}`
    all.set(command.backend, [...(all.get(command.backend) ?? []), reason])
  }
  return all
}

function complaint(command: RuntimeCommand, outcomes: readonly CommandOutcome[]): string {
  const line = shorten(formatCommand(command))
  const answer = outcomes.findLast(
    ({ command: done }) =>
      done.kind === command.kind && done.backend === command.backend && serverOf(done) === serverOf(command),
  )?.answer
  if (answer?.result === 'refused') return `HAProxy refuses "${line}": ${answer.reason}`
  if (answer?.result === 'unknown') return `HAProxy answers "${line}" with "${shorten(answer.text)}"`
  return `"${line}" has no effect`
}
