import { ConfigError } from '../../core/config/config-error.ts'
import { formatProblem, type Problem } from '../../core/config/problems.ts'
import { messageOf, SmartStackError } from '../../core/errors.ts'
import { Misuse } from '../arguments.ts'
import { collectingLog } from '../collecting-log.ts'
import { type CliCommand, type CliContext, exitStatus } from '../command.ts'
import type { DaemonKind } from '../daemon-kind.ts'
import { type LoadAnyOptions, loadAnyConfig, stageChecks } from '../load-config.ts'
import { plainText, plural } from '../table.ts'

/** What is said about one file. */
interface Verdict {
  readonly file: string
  readonly good: boolean
  /** Absent when it could not be read far enough to tell. */
  readonly kind?: DaemonKind
  readonly services?: number
  readonly problems: readonly Problem[]
}

/** Checks configurations as the daemons themselves do, connecting nowhere. */
export const validate: CliCommand = {
  name: 'validate',
  summary: 'check configurations: every mistake with its place',
  operands: 'FILE...',
  flags: {
    nerve: { help: 'the files are for nerve' },
    synapse: { help: 'the files are for synapse' },
    lenient: { help: 'unknown keys are warnings, not errors' },
  },
  details: `
Without --nerve or --synapse the keys of a file tell whose it is. Files of a
service_conf_dir are checked with the file that names it. It connects nowhere.
Exit status: 0 all are good, warnings or not; 78 one cannot be used.`,
  async run(args, context) {
    if (args.operands.length === 0) throw new Misuse('give at least one file')
    if (args.has('nerve') && args.has('synapse')) throw new Misuse('give --nerve or --synapse, not both')
    const kind = args.has('nerve') ? 'nerve' : args.has('synapse') ? 'synapse' : undefined
    const { environment } = context
    const verdicts: Verdict[] = []
    for (const file of args.operands)
      verdicts.push(await judge({ file, environment, lenient: args.has('lenient'), kind }))
    const good = verdicts.every((verdict) => verdict.good)
    if (args.has('json')) context.print(`${JSON.stringify({ good, files: verdicts.map(toJson) }, null, 2)}\n`)
    else for (const verdict of verdicts) context.print(formatVerdict(verdict, context))
    return good ? exitStatus.fine : exitStatus.badConfig
  },
}

async function judge(options: LoadAnyOptions): Promise<Verdict> {
  const { file } = options
  try {
    const { kind, loaded } = await loadAnyConfig(options)
    const told: string[] = []
    if (kind === 'nerve')
      await stageChecks(
        loaded.config,
        collectingLog((sentence) => told.push(sentence)),
      )
    const warnings = told.map((message): Problem => ({ severity: 'warning', file, path: [], message }))
    return {
      file,
      good: true,
      kind,
      services: loaded.config.services.length,
      problems: [...loaded.warnings, ...warnings],
    }
  } catch (error) {
    if (error instanceof ConfigError) return { file, good: false, problems: error.problems }
    if (!(error instanceof SmartStackError) || error.code !== 'CONFIG_INVALID') throw error
    const message = messageOf(error).replace(`${file}: `, '')
    return { file, good: false, problems: [{ severity: 'error', file, path: [], message }] }
  }
}

/** One line per problem, so that editors and terminals can jump to its place. */
function formatVerdict({ file, good, kind, services = 0, problems }: Verdict, { style }: CliContext): string {
  const lines = problems.map((problem) => {
    const mood = problem.severity === 'error' ? 'bad' : 'unsure'
    return `${style.mood(mood, problem.severity)} ${plainText(formatProblem(problem))}`
  })
  const count = (severity: Problem['severity']) => problems.filter((problem) => problem.severity === severity).length
  const warnings = count('warning') === 0 ? '' : `, ${plural(count('warning'), 'warning')}`
  const summary = good
    ? `${style.mood('good', 'good')} ${file}: ${kind}, ${plural(services, 'service')}${warnings}`
    : `${style.mood('bad', 'bad')} ${file}: ${plural(count('error'), 'error')}${warnings}`
  return `${[...lines, summary].join('\n')}\n`
}

function toJson({ problems, ...verdict }: Verdict) {
  return {
    ...verdict,
    problems: problems.map(({ position, ...problem }) => ({
      ...problem,
      line: position?.line ?? null,
      column: position?.column ?? null,
    })),
  }
}
