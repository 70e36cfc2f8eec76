import { dirname } from 'node:path'
import { formatProblem, type Problem } from '../../core/config/problems.ts'
import type { NerveConfig } from '../../nerve/config.ts'
import type { SynapseConfig } from '../../synapse/config.ts'
import type { Capabilities } from '../../synapse/generators/haproxy/capabilities.ts'
import { type HaproxyOptions, isManaged } from '../../synapse/generators/haproxy/config.ts'
import { globalLines } from '../../synapse/generators/haproxy/global-lines.ts'
import { Misuse } from '../arguments.ts'
import { type CliCommand, type CliContext, exitStatus } from '../command.ts'
import { type Finding, formatCount, formatFindings, warning } from '../doctor/findings.ts'
import { capabilityRows, examineHaproxy, examineProgram, type ProgramFindings } from '../doctor/haproxy.ts'
import {
  examineClock,
  examineDirectory,
  examineFileLimit,
  examineNode,
  examineSpool,
  filesNeeded,
  newestOf,
} from '../doctor/host.ts'
import { type ConfiguredEnsemble, ensemblesOfNerve, ensemblesOfSynapse, examineEnsemble } from '../doctor/zookeeper.ts'
import { type AnyConfig, loadAnyConfig } from '../load-config.ts'
import { formatParagraph, formatTable } from '../table.ts'

const NO_PROGRAM: ProgramFindings = { findings: [], capabilities: undefined }

/** Looks at what this machine has and lacks. */
export const doctor: CliCommand = {
  name: 'doctor',
  summary: 'what this machine has and lacks, with the remedy',
  operands: '',
  flags: {
    config: { short: 'c', value: 'FILE', help: 'look at all that this configuration refers to' },
    lenient: { help: 'unknown keys of the configuration are warnings' },
  },
  details: `
With a configuration it connects to every ZooKeeper server and HAProxy socket in
it, for a moment and changing nothing. Run it as the user of the daemon.
Exit status: 0 no problem, warnings or not; 1 a problem; 78 bad configuration.`,
  async run(args, context, signal) {
    if (args.operands.length > 0)
      throw new Misuse(`"${args.operands[0]}" is not expected here; a configuration goes after -c`)
    const file = args.value('config')
    const { environment, clock } = context
    const first = { wallTime: clock.wallTime(), now: clock.now() }
    const config =
      file === undefined ? undefined : await loadAnyConfig({ file, environment, lenient: args.has('lenient') })
    const { findings: program, capabilities } = await lookForHaproxy(config, context, signal)
    const findings = [
      examineNode(context.nodeVersion),
      ...program,
      await examineFileLimit(filesNeeded(haproxyLines(config))),
      ...(config === undefined ? [] : await examineConfig(config, context, signal)),
      examineClock(
        first,
        { wallTime: clock.wallTime(), now: clock.now() },
        await newestOf(config?.loaded.inputs ?? []),
      ),
    ]
    if (args.has('json')) context.print(`${JSON.stringify(toJson(findings, capabilities), null, 2)}\n`)
    else context.print(`${formatReport(findings, capabilities, context).join('\n')}\n`)
    return findings.some(({ level }) => level === 'problem') ? exitStatus.trouble : exitStatus.fine
  },
}

function lookForHaproxy(
  config: AnyConfig | undefined,
  { clock }: CliContext,
  signal: AbortSignal,
): Promise<ProgramFindings> {
  if (config === undefined) return examineProgram('haproxy', false, clock, signal)
  const options = config.kind === 'synapse' ? haproxyOptionsOf(config.loaded.config) : undefined
  if (options === undefined) return Promise.resolve(NO_PROGRAM)
  return examineProgram(options.haproxy_path, isManaged(options), clock, signal)
}

/** undefined: no HAProxy shares the limits of the daemon. */
function haproxyLines(config: AnyConfig | undefined): readonly string[] | undefined {
  const options = config?.kind === 'synapse' ? haproxyOptionsOf(config.loaded.config) : undefined
  return options !== undefined && isManaged(options) ? globalLines(options) : undefined
}

async function examineConfig(config: AnyConfig, context: CliContext, signal: AbortSignal): Promise<Finding[]> {
  const { kind, loaded } = config
  const own =
    kind === 'nerve' ? await examineNerve(loaded.config) : await examineSynapse(loaded.config, context, signal)
  const ensembles: readonly ConfiguredEnsemble[] =
    kind === 'nerve' ? ensemblesOfNerve(loaded.config) : ensemblesOfSynapse(loaded.config)
  const registry = await Promise.all(ensembles.map((ensemble) => examineEnsemble(ensemble, context, signal)))
  return [...loaded.warnings.map(configWarning), ...own, ...registry.flat()]
}

function configWarning(found: Problem): Finding {
  return warning('config', formatProblem(found), 'remove or mend the key')
}

async function examineNerve(config: NerveConfig): Promise<Finding[]> {
  const {
    stateDirectory,
    hacheckSpool,
    heartbeatPath,
    keyNames: { state_directory: key = 'state_directory' } = {},
  } = config
  return [
    ...(stateDirectory === undefined ? [] : [await examineDirectory(key, stateDirectory)]),
    ...(hacheckSpool === undefined ? [] : [await examineSpool(hacheckSpool)]),
    ...(heartbeatPath === undefined ? [] : [await examineDirectory('heartbeat_path', dirname(heartbeatPath))]),
  ]
}

async function examineSynapse(config: SynapseConfig, { clock }: CliContext, signal: AbortSignal): Promise<Finding[]> {
  const options = haproxyOptionsOf(config)
  return [
    await examineDirectory('state_directory', config.stateDirectory),
    ...(options === undefined ? [] : await examineHaproxy(options, clock, signal)),
  ]
}

function haproxyOptionsOf({ generators }: SynapseConfig): HaproxyOptions | undefined {
  return generators.find(({ type }) => type === 'haproxy')?.options as HaproxyOptions | undefined
}

function formatReport(
  findings: readonly Finding[],
  capabilities: Capabilities | undefined,
  { width, style }: CliContext,
): string[] {
  return [
    ...formatFindings(findings, { width, style }),
    '',
    ...(capabilities === undefined ? [] : [...capabilityLines(capabilities, { width, style }), '']),
    formatCount(findings, style),
  ]
}

function capabilityLines(capabilities: Capabilities, options: Pick<CliContext, 'width' | 'style'>): string[] {
  const { style, width } = options
  const rows = capabilityRows(capabilities).map(({ what, has }) => [
    what,
    has ? ({ text: 'yes', mood: 'good' } as const) : 'no',
  ])
  const defects = capabilities.defects.flatMap((defect) => formatParagraph('  - ', defect, width))
  return [
    `${style.bold('What HAProxy can do')}  ${style.dim(capabilities.version)}`,
    ...formatTable({ columns: ['CAPABILITY', 'HAS'], rows, width, style }),
    ...(defects.length === 0 ? [] : ['', style.bold('Known defects that synapse works around'), ...defects]),
  ]
}

function toJson(findings: readonly Finding[], capabilities: Capabilities | undefined) {
  return {
    ok: findings.every(({ level }) => level !== 'problem'),
    findings: findings.map(({ remedy = null, ...finding }) => ({ ...finding, remedy })),
    haproxy: capabilities ?? null,
  }
}
