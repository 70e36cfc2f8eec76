import { parseArgs } from 'node:util'
import { messageOf } from './errors.ts'

/** What a daemon was asked to do. */
export type Command =
  | { readonly kind: 'run'; readonly options: RunOptions }
  /** Print `text` on stdout and exit 0. */
  | { readonly kind: 'print'; readonly text: string }
  /** Print `text` on stderr and exit 1. */
  | { readonly kind: 'misuse'; readonly text: string }

export interface RunOptions {
  /** Path of the main configuration file. */
  readonly configFile: string
  /** Wins over the file's `instance_id`. nerve only. */
  readonly instanceId?: string | undefined
  /** Only check the configuration. */
  readonly checkConfig: boolean
  /** Unknown keys of the configuration are warnings. */
  readonly lenient: boolean
  /** DEBUG is set: log everything, whatever the file says. */
  readonly debug: boolean
  /** Wins over the file's level, unless `debug`. */
  readonly logLevel?: LogLevel
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The two daemons' command lines differ in name and in the instance id. */
export interface Program {
  readonly name: 'nerve' | 'synapse'
  readonly summary: string
  readonly takesInstanceId: boolean
  readonly version: string
}

const FLAGS = {
  config: { type: 'string', short: 'c' },
  'check-config': { type: 'boolean', short: 'k' },
  lenient: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
  // BlaBlaCar's letters (reference blablacar-yelp.md 1.1).
  'log-level': { type: 'string', short: 'L' },
  'print-version': { type: 'boolean', short: 'V' },
} as const

/** The levels of BlaBlaCar's daemons, as ours. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  fatal: 'error',
  panic: 'error',
  error: 'error',
  warn: 'warn',
  warning: 'warn',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
}

const INSTANCE_FLAGS = {
  'instance-id': { type: 'string', short: 'i' },
  // Airbnb's spelling (reference airbnb.md 2.1).
  instance_id: { type: 'string' },
} as const

/** Reads the arguments (without the program's own path) and the environment. Pure. */
export function parseCommandLine(
  program: Program,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const parsed = parseFlags(program, args)
  if (!parsed.ok) return misuse(program, parsed.reason)
  const { flags, files } = parsed
  if (flags['help'] === true) return { kind: 'print', text: usage(program) }
  if (flags['version'] === true || flags['print-version'] === true)
    return { kind: 'print', text: `${program.name} ${program.version}\n` }
  const prefix = program.name.toUpperCase()
  const configFile = textOf(flags['config']) ?? textOf(files[0]) ?? textOf(environment[`${prefix}_CONFIG`])
  if (configFile === undefined) return misuse(program, `no configuration file: give -c FILE or set ${prefix}_CONFIG`)
  const checkConfig = flags['check-config'] === true || parseFlag(environment[`${prefix}_CHECK_CONFIG`])
  if (checkConfig === undefined) return misuse(program, `${prefix}_CHECK_CONFIG must be true or false`)
  const wanted = textOf(flags['log-level'])
  const logLevel = wanted === undefined ? undefined : LEVELS[wanted.toLowerCase()]
  if (wanted !== undefined && logLevel === undefined)
    return misuse(program, `unknown log level ${wanted}; known are ${Object.keys(LEVELS).join(', ')}`)
  const instanceId =
    textOf(flags['instance-id']) ?? textOf(flags['instance_id']) ?? textOf(environment['NERVE_INSTANCE_ID'])
  return {
    kind: 'run',
    options: {
      configFile,
      checkConfig,
      lenient: flags['lenient'] === true,
      debug: environment['DEBUG'] !== undefined,
      ...(program.takesInstanceId ? { instanceId } : {}),
      ...(logLevel === undefined ? {} : { logLevel }),
    },
  }
}

type Flags = Readonly<Record<string, string | boolean | undefined>>

function parseFlags(
  { takesInstanceId }: Program,
  args: readonly string[],
):
  | { readonly ok: true; readonly flags: Flags; readonly files: readonly string[] }
  | { readonly ok: false; readonly reason: string } {
  try {
    const options = takesInstanceId ? { ...FLAGS, ...INSTANCE_FLAGS } : FLAGS
    const { values: flags, positionals: files } = parseArgs({
      args: [...args],
      options,
      strict: true,
      allowPositionals: true,
    })
    // BlaBlaCar's daemons take the file without a flag.
    const surplus = flags.config === undefined ? files[1] : files[0]
    if (surplus !== undefined) return { ok: false, reason: `Unexpected argument '${surplus}'` }
    return { ok: true, flags, files }
  } catch (error) {
    // parseArgs adds advice about "--" that does not help here; its first sentence says what is wrong.
    return { ok: false, reason: messageOf(error).replace(/\. .*$/s, '') }
  }
}

/** An empty value counts as not given, as in Airbnb's daemons. */
const textOf = (value: string | boolean | undefined) => (typeof value === 'string' && value !== '' ? value : undefined)

/** Airbnb's nerve takes any value, even `false`, for true (reference airbnb.md D9); here it is read as a boolean. */
function parseFlag(value: string | undefined): boolean | undefined {
  if (value === undefined || value === '') return false
  if (/^(?:true|yes|on|1)$/i.test(value)) return true
  return /^(?:false|no|off|0)$/i.test(value) ? false : undefined
}

function misuse(program: Program, reason: string): Command {
  return { kind: 'misuse', text: `${program.name}: ${reason}\nTry: ${program.name} --help\n` }
}

function usage({ name, summary, takesInstanceId }: Program): string {
  const prefix = name.toUpperCase()
  const instance = takesInstanceId ? '[-i ID] ' : ''
  const rows = [
    ['-c, --config FILE', `the configuration, YAML or JSON (${prefix}_CONFIG); -c may be left out`],
    ...(takesInstanceId ? [['-i, --instance-id ID', `wins over instance_id of the file (${prefix}_INSTANCE_ID)`]] : []),
    ['-k, --check-config', `check the configuration, connect nowhere, and exit (${prefix}_CHECK_CONFIG)`],
    ['-L, --log-level LEVEL', 'error, warn, info or debug; wins over the file'],
    ['    --lenient', 'unknown keys of the configuration are warnings, not errors'],
    ['-h, --help', 'print this'],
    ['-v, --version', 'print the version'],
  ]
  return `${summary}

Usage: ${name} -c FILE ${instance}[-k] [--lenient]

${rows.map(([flag = '', text = '']) => `  ${flag.padEnd(22)} ${text}`).join('\n')}

The variables in brackets stand in for flags that are not given. With DEBUG set, everything is logged.
Signals: SIGHUP reads the configuration again; SIGQUIT logs the state.
SIGTERM and SIGINT stop in order, a second one at once.
Exit status: 0 after an orderly stop, 78 for a configuration that cannot be used, 1 for anything else.
`
}
