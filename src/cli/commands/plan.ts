import { hostname } from 'node:os'
import { formatProblem } from '../../core/config/problems.ts'
import { durationMs } from '../../core/config/schema.ts'
import { SmartStackError } from '../../core/errors.ts'
import { loadSynapseConfig, type SynapseConfig } from '../../synapse/config.ts'
import type { HaproxyOptions } from '../../synapse/generators/haproxy/config.ts'
import { dryRunHaproxy } from '../../synapse/generators/haproxy/dry-run.ts'
import { orderSeedOf } from '../../synapse/generators/haproxy/index.ts'
import { LastKnownGood } from '../../synapse/last-known-good.ts'
import type { Discovery } from '../../synapse/watchers/watcher.ts'
import { type Arguments, Misuse } from '../arguments.ts'
import { collectingLog } from '../collecting-log.ts'
import { type CliCommand, type CliContext, exitStatus } from '../command.ts'
import { discover } from '../discover.ts'
import { knownService } from '../known-services.ts'
import { formatPlan, type PlanFindings, planToJson } from '../plan-report.ts'

/** Shows what synapse would do to HAProxy, and does none of it. */
export const plan: CliCommand = {
  name: 'plan',
  summary: 'a dry run: what synapse would do to HAProxy now, and why',
  operands: '',
  flags: {
    config: { short: 'c', value: 'FILE', help: 'the configuration of synapse (SYNAPSE_CONFIG)' },
    discover: { value: 'SECONDS', whenBare: '10', help: 'ask the registry, so long at most (10 s)' },
    all: { help: 'show every command and line, however many' },
    lenient: { help: 'unknown keys of the configuration are warnings' },
  },
  details: `
Reads the configuration, the instances that synapse remembers in state_directory
(or, with --discover, those of the registry) and the HAProxy that runs. Nothing
is changed. Run it as the user of synapse: the stats socket lets nobody else in.
Exit status: 0 the plan is complete, whatever it holds; 1 something could not be
found out, a service would be left out, or HAProxy refuses the new file; 78 bad
configuration.`,
  async run(args, context, signal) {
    if (args.operands.length > 0) throw new Misuse(`"${args.operands[0]}" is not expected here`)
    const deadlineMs = discoverMs(args)
    const file = args.value('config') ?? context.environment['SYNAPSE_CONFIG']
    if (file === undefined || file === '') throw new Misuse('give -c FILE or set SYNAPSE_CONFIG')
    const { environment } = context
    const loaded = await loadSynapseConfig({ file, environment, lenient: args.has('lenient') })
    const found = await findOut(loaded.config, deadlineMs, context, signal)
    const findings = { ...found, warnings: [...loaded.warnings.map(formatProblem), ...found.warnings] }
    if (args.has('json')) context.print(`${JSON.stringify(planToJson(findings), null, 2)}\n`)
    else context.print(`${formatPlan(findings, { ...context, all: args.has('all') }).join('\n')}\n`)
    return findings.troubles.length === 0 ? exitStatus.fine : exitStatus.trouble
  },
}

function discoverMs(args: Arguments): number | undefined {
  const text = args.value('discover')
  if (text === undefined) return undefined
  const parsed = durationMs.safeParse(/^[\d.]+$/.test(text) ? Number(text) : text)
  if (!parsed.success) throw new Misuse(`--discover needs seconds, or text like 500ms, not "${text}"`)
  return parsed.data
}

async function findOut(
  config: SynapseConfig,
  deadlineMs: number | undefined,
  { clock, random }: CliContext,
  signal: AbortSignal,
): Promise<PlanFindings> {
  const options = haproxyOptionsOf(config)
  const warnings: string[] = []
  const log = collectingLog((sentence) => warnings.push(sentence))
  const lastKnown = await new LastKnownGood(config.stateDirectory, clock, (problem) => warnings.push(problem)).load()
  const discovered =
    deadlineMs === undefined ? undefined : await discover(config, deadlineMs, { clock, random, log }, signal)
  const known = config.services.map((service) =>
    knownService(service, lastKnown.get(service.name), discovered?.get(service.name)),
  )
  for (const { service, warning } of known)
    if (warning !== undefined) warnings.push(`service ${service.name}: ${warning}`)
  const services = known.map(({ service }) => service)
  const run = await dryRunHaproxy(options, services, { clock, log, orderSeed: orderSeedOf(hostname()) }, signal)
  const troubles = [
    ...(discovered === undefined ? [] : silentServices(config, discovered)),
    ...run.warnings
      .filter(({ kind }) => kind === 'service')
      .map(({ service, message }) => `service ${service ?? ''}: ${message}`),
    ...(run.file?.refusal === undefined ? [] : ['HAProxy refuses the new file; the last good one would stay']),
  ]
  return { services, from: discovered === undefined ? 'memory' : 'registry', run, warnings, troubles }
}

function haproxyOptionsOf({ generators }: SynapseConfig): HaproxyOptions {
  const generator = generators.find(({ type }) => type === 'haproxy')
  if (generator === undefined)
    throw new SmartStackError('CONFIG_INVALID', 'this configuration has no haproxy to plan for')
  return generator.options as HaproxyOptions
}

function silentServices({ services }: SynapseConfig, discovered: ReadonlyMap<string, Discovery>): string[] {
  return services
    .filter(({ name }) => !discovered.has(name))
    .map(({ name }) => `service ${name}: the registry has not answered in time; planned with what is remembered`)
}
