import { sleep } from '../../core/clock.ts'
import { nearestKey } from '../../core/config/nearest-key.ts'
import { durationMs } from '../../core/config/schema.ts'
import { adminUrl, DEFAULT_NERVE } from '../admin-client.ts'
import { type Arguments, Misuse } from '../arguments.ts'
import { type CliCommand, type CliContext, type ExitStatus, exitStatus } from '../command.ts'
import type { ManualTarget } from '../manual-answer.ts'
import { ManualClient } from '../manual-client.ts'
import { formatChange, formatOverview, formatProgress, formatWaited } from '../manual-report.ts'

const DEFAULT_TIMEOUT_MS = 60_000
const POLL_MS = 200

/** What can be done, and the state that it wants of the services. */
const ACTIONS = {
  disable: 'disabled',
  enable: 'enabled',
  force: 'forced',
  weight: undefined,
  forget: undefined,
  manual: undefined,
} as const
type Action = keyof typeof ACTIONS

/** Takes services up and down by hand. */
export const nerve: CliCommand = {
  name: 'nerve',
  summary: 'take services down and up by hand, and weight them',
  operands: 'ACTION [SERVICE[:PORT] | all]',
  flags: {
    reason: { short: 'r', value: 'TEXT', help: 'why; shown wherever the service is' },
    for: { value: 'DURATION', help: 'take it back by itself after 90s, 30m, 2h, 1d' },
    until: { value: 'TIME', help: 'or at a time: 2030-01-31T18:00, or with Z for UTC' },
    wait: { help: 'return when it is done: drained, or registered' },
    timeout: { value: 'DURATION', help: 'longest time to wait (60s)' },
    nerve: { value: 'URL', help: `nerve's admin server: a URL, host:port or port` },
  },
  details: `
Actions:
  disable      take the service out of every registry; its clients drain
  enable       let its checks decide again
  force        register it whatever its checks say
  weight N     publish the weight N, 1 to 255; "default": the configured one
  forget       take back all that was said of exactly this target
  manual       list what is said by hand

A service may be left out where nerve has only one. The most specific word wins:
SERVICE:PORT, then SERVICE, then all. It is kept over a restart when nerve has a
state_directory (stateDirectory in a file of go-nerve). From another machine set
SMARTSTACK_TOKEN to nerve's token.
Exit status: 0 taken, and with --wait done; 1 not, not in time, or not kept as
it should be; 2 wrong command line, an unknown service.`,
  async run(args, context, signal) {
    const [action, ...operands] = args.operands
    const known = knownAction(action)
    const client = new ManualClient({ url: urlOf(args), token: tokenOf(context), clock: context.clock })
    if (known === 'manual') return list(operands, client, args, context, signal)
    const body = commandOf(known, args, context)
    const timeoutMs = duration(args, 'timeout') ?? DEFAULT_TIMEOUT_MS
    if (args.has('timeout') && !args.has('wait')) throw new Misuse('--timeout goes with --wait')
    const { target, weight } = await operandsOf(known, operands, client, signal)
    const by = userOf(context)
    const answer =
      known === 'forget'
        ? await client.forget(target, by, signal)
        : await client.say(target, { ...body, ...weight, by }, signal)
    return report(known, answer, timeoutMs, { client, args, context }, signal)
  },
}

interface Reporting {
  readonly client: ManualClient
  readonly args: Arguments
  readonly context: CliContext
}

async function report(
  action: Action,
  first: ManualTarget,
  timeoutMs: number,
  { client, args, context }: Reporting,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const json = args.has('json')
  const print = (lines: readonly string[]) => {
    if (!json && lines.length > 0) context.print(`${lines.join('\n')}\n`)
  }
  print([...formatChange(first, ACTIONS[action], context), ...formatProgress(first)])
  const waits = args.has('wait') && follows(first, ACTIONS[action])
  const last = waits ? await waitFor(first, timeoutMs, client, context, signal) : first
  if (json) context.print(`${JSON.stringify(last, null, 2)}\n`)
  else if (waits && last.done) print([formatWaited(last, timeoutMs)])
  else if (waits) context.complain(`smartstack: ${formatWaited(last, timeoutMs)}\n`)
  const isWell = follows(last, ACTIONS[action]) && (last.done || !args.has('wait'))
  const isKept = last.kept || (last.file ?? null) === null // that nothing is kept may be meant
  return isWell && isKept ? exitStatus.fine : exitStatus.trouble
}

/** Whether each service is as it was asked to be. That some keep out of `all` is as it should be. */
function follows({ target, services }: ManualTarget, wanted: string | undefined): boolean {
  return wanted === undefined || target === 'all' || services.every(({ state }) => state === wanted)
}

async function waitFor(
  first: ManualTarget,
  timeoutMs: number,
  client: ManualClient,
  { clock }: CliContext,
  signal: AbortSignal,
): Promise<ManualTarget> {
  const end = clock.now() + timeoutMs
  let answer = first
  while (!answer.done && clock.now() < end) {
    await sleep(clock, Math.min(POLL_MS, end - clock.now()), signal)
    answer = await client.target(first.target, signal)
  }
  return answer
}

async function list(
  operands: readonly string[],
  client: ManualClient,
  args: Arguments,
  context: CliContext,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const [target, ...more] = operands
  if (more.length > 0) throw new Misuse(`"${more[0]}" is not expected here`)
  for (const flag of ['reason', 'for', 'until', 'wait', 'timeout'])
    if (args.has(flag)) throw new Misuse(`--${flag} does not go with manual, which changes nothing`)
  const answer = target === undefined ? await client.overview(signal) : await client.target(target, signal)
  if (args.has('json')) context.print(`${JSON.stringify(answer, null, 2)}\n`)
  else context.print(`${formatOverview(answer, context.clock.wallTime(), context).join('\n')}\n`)
  return (answer.problem ?? null) === null ? exitStatus.fine : exitStatus.trouble
}

function knownAction(action: string | undefined): Action {
  const names = Object.keys(ACTIONS) as Action[]
  const known = names.find((name) => name === action)
  if (known !== undefined) return known
  if (action === undefined) throw new Misuse(`give an action: ${names.join(', ')}`)
  const nearest = nearestKey(action, names)
  const hint = nearest === undefined ? `; known are ${names.join(', ')}` : `. Did you mean "${nearest}"?`
  throw new Misuse(`unknown action "${action}"${hint}`)
}

/** What is said, but for the target and a weight. */
function commandOf(action: Action, args: Arguments, { clock }: CliContext): object {
  const reason = args.value('reason')
  const expiry = expiryOf(args, clock.wallTime())
  const expires = Object.keys(expiry).length > 0
  if (action === 'forget' && (reason !== undefined || expires)) throw new Misuse('forget takes no reason and no time')
  if (action === 'enable' && expires) throw new Misuse('enable takes no time: disable or force may')
  return { state: ACTIONS[action], reason, ...expiry }
}

/** A span of time is left to the clock of nerve, which may be elsewhere. */
function expiryOf(args: Arguments, now: number): { readonly expires_in?: number; readonly expires_at?: string } {
  if (args.has('for') && args.has('until')) throw new Misuse('give --for or --until, not both')
  const ms = duration(args, 'for')
  if (ms !== undefined) return { expires_in: ms / 1000 }
  const until = args.value('until')
  if (until === undefined) return {}
  const at = /^\d{4}-\d\d-\d\d/.test(until) ? Date.parse(until) : Number.NaN
  if (Number.isNaN(at)) throw new Misuse(`--until needs a time like 2030-01-31T18:00, not "${until}"`)
  if (at <= now) throw new Misuse(`--until ${until} has passed`)
  return { expires_at: new Date(at).toISOString() }
}

/** @throws Misuse unless it is a duration longer than 0. A number alone is seconds. */
function duration(args: Arguments, flag: 'for' | 'timeout'): number | undefined {
  const text = args.value(flag)
  if (text === undefined) return undefined
  const parsed = durationMs.safeParse(/^[\d.]+$/.test(text) ? Number(text) : text)
  if (!parsed.success || parsed.data <= 0) throw new Misuse(`--${flag} needs a duration like 30m, not "${text}"`)
  return parsed.data
}

/** The target, which may be left out where there is only one service, and the weight of `weight`. */
async function operandsOf(
  action: Action,
  operands: readonly string[],
  client: ManualClient,
  signal: AbortSignal,
): Promise<{ readonly target: string; readonly weight: object }> {
  const words = [...operands]
  const weight = action === 'weight' ? { weight: weightOf(words.pop()) } : {}
  const [target, ...more] = words
  if (more.length > 0) throw new Misuse(`"${more[0]}" is not expected here`)
  if (target !== undefined) return { target, weight }
  const names = (await client.overview(signal)).services.map(({ service }) => service)
  const [only, ...others] = names
  if (only !== undefined && others.length === 0) return { target: only, weight }
  throw new Misuse(`give a service: ${[...names, 'all'].join(', ')}`)
}

function weightOf(word: string | undefined): number | 'default' {
  if (word === 'default') return word
  const weight = /^\d{1,3}$/.test(word ?? '') ? Number(word) : 0
  if (weight < 1 || weight > 255) throw new Misuse('weight needs a weight at its end: 1 to 255, or default')
  return weight
}

function urlOf(args: Arguments): string {
  const text = args.value('nerve')
  if (text === undefined) return DEFAULT_NERVE
  const url = adminUrl(text)
  if (url === undefined) throw new Misuse(`--nerve needs a URL, host:port or port, not "${text}"`)
  return url
}

const tokenOf = ({ environment }: CliContext) => environment['SMARTSTACK_TOKEN'] || undefined

/** Who is at the terminal, under sudo too. */
const userOf = ({ environment }: CliContext) =>
  environment['SUDO_USER'] || environment['USER'] || environment['LOGNAME'] || undefined
