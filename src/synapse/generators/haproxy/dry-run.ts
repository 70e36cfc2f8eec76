import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import { capabilitiesOf } from './capabilities.ts'
import { configPath, type HaproxyOptions, isManaged } from './config.ts'
import { ConfigFile } from './config-file.ts'
import { buildDesired, type Warning } from './desired.ts'
import type { HaproxyService } from './desired-model.ts'
import { readRunningServers } from './found-file.ts'
import { socketPaths } from './global-lines.ts'
import { createConfigFile } from './haproxy-setup.ts'
import { haproxyVersion } from './haproxy-version.ts'
import type { DesiredState, HaproxyPlan } from './model.ts'
import { planHaproxy } from './plan.ts'
import { RunningMemory } from './running-memory.ts'
import { readTemplate } from './template-file.ts'
import { WorkerLink } from './worker-link.ts'

/** What synapse would do now, found out without doing any of it: for `smartstack plan`. */
export interface DryRun {
  /** What the plans are made for, as HAProxy says it. */
  readonly version: string
  /** One per stats socket; none with `do_socket: false`. */
  readonly workers: readonly PlannedWorker[]
  readonly file: PlannedFile | undefined
  readonly warnings: readonly Warning[]
}

export interface PlannedWorker {
  readonly socket: string
  /** undefined: no HAProxy runs there. */
  readonly pid: number | undefined
  readonly plan: HaproxyPlan
}

/** undefined with `do_writes: false`. */
export interface PlannedFile {
  readonly path: string
  /** undefined: there is none yet. */
  readonly before: string | undefined
  readonly after: string
  /** HAProxy's own words when it refuses the new file; undefined when it takes it, or could not be asked. */
  readonly refusal: string | undefined
}

export interface DryRunContext {
  readonly clock: Clock
  readonly log: Logger
  readonly orderSeed: number
}

/**
 * Reads what is, and plans. Nothing is written but a file to check, in a temporary directory that is removed again.
 * @throws SmartStackError when HAProxy runs and cannot be asked, or the program or the template cannot be used.
 */
export async function dryRunHaproxy(
  options: HaproxyOptions,
  services: readonly HaproxyService[],
  context: DryRunContext,
  signal: AbortSignal,
): Promise<DryRun> {
  const links = (options.do_socket ? socketPaths(options) : []).map((address) => createLink(address, options, context))
  try {
    for (const link of links) await look(link, signal)
    const template = await readTemplate(options.template, signal)
    const version = links[0]?.worker?.version ?? (await haproxyVersion(options, context, signal))
    const running = links[0]?.observed ?? new Map()
    const capabilities = capabilitiesOf(version)
    const { orderSeed } = context
    const { state, warnings } = buildDesired({ options, services, capabilities, template, orderSeed, running })
    const file = createConfigFile(options, context)
    const before = await file?.read()
    const memory = new RunningMemory(`${configPath(options)}.running`, context.log)
    if (file !== undefined) await memory.load()
    const workers: PlannedWorker[] = []
    for (const link of links) workers.push(await planWorker(link, state, before, memory, signal))
    const after = state.configText
    const refusal =
      file === undefined || before === after ? undefined : await refusalOf(after, options, context, signal)
    return {
      version: capabilities.version,
      workers,
      file: file && { path: configPath(options), before, after, refusal },
      warnings,
    }
  } finally {
    for (const link of links) link.close()
  }
}

function createLink(address: string, { socket_timeout: deadlineMs }: HaproxyOptions, { clock }: DryRunContext) {
  return new WorkerLink({ address, clock, deadlineMs, onLost: () => {} })
}

/** Reads the servers of the worker, if one runs there. */
async function look(link: WorkerLink, signal: AbortSignal): Promise<void> {
  try {
    await link.connect(signal)
  } catch (error) {
    signal.throwIfAborted()
    if (nobodyListens(error)) return
    throw error
  }
  await link.observeAll(signal)
}

const NOBODY: readonly string[] = ['ENOENT', 'ENOTDIR', 'ECONNREFUSED']

/** Anything else, such as a missing permission, tells nothing about what runs. */
function nobodyListens(error: unknown): boolean {
  const cause = error instanceof SmartStackError ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && NOBODY.includes(String(cause.code))
}

async function planWorker(
  link: WorkerLink,
  desired: DesiredState,
  configText: string | undefined,
  memory: RunningMemory,
  signal: AbortSignal,
): Promise<PlannedWorker> {
  const pid = link.worker?.pid
  const structure = memory.structureOf(link)
  if (pid !== undefined && structure === undefined) {
    await link.observe(
      [...desired.backends.keys()].filter((name) => !link.observed.has(name)),
      signal,
    )
  }
  if (configText !== undefined) link.ledger.load(readRunningServers(configText, desired.backends))
  const observed = { pid, structure, configText, backends: link.observed }
  return { socket: link.address, pid, plan: planHaproxy(desired, observed, { known: link.ledger }) }
}

/** What HAProxy says against this text. Somebody else's HAProxy may be another program than ours: then nobody is asked. */
async function refusalOf(
  text: string,
  options: HaproxyOptions,
  { clock }: DryRunContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!isManaged(options)) return undefined
  const directory = await mkdtemp(join(tmpdir(), 'smartstack-plan-'))
  try {
    const path = join(directory, 'haproxy.cfg')
    const check = [options.haproxy_path, '-c', '-f', path]
    const file = new ConfigFile({ path, candidatePath: path, check, checkTimeoutMs: options.check_timeout, clock })
    const refused = await file.test(text, signal)
    return refused?.complaints.join('; ').replaceAll(path, configPath(options))
  } catch (error) {
    signal.throwIfAborted()
    return messageOf(error)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
