import { ConfigError } from '../core/config/config-error.ts'
import { nearestKey } from '../core/config/nearest-key.ts'
import { messageOf, SmartStackError } from '../core/errors.ts'
import { type Arguments, type Flags, Misuse, parseArguments } from './arguments.ts'
import { type CliCommand, type CliContext, type ExitStatus, exitStatus } from './command.ts'

const COMMON_FLAGS: Flags = {
  json: { help: 'print JSON, for scripts' },
  help: { short: 'h', help: 'print this' },
}

/** Runs one command line, without the interpreter and the script. Resolves with the exit status. */
export async function runSmartstack(
  args: readonly string[],
  commands: readonly CliCommand[],
  version: string,
  context: CliContext,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const [first, ...rest] = args
  if (first === undefined) return misuse('give a command', 'smartstack', context)
  if (first === '--version' || first === '-v') return answer(`smartstack ${version}\n`, context)
  if (first === '--help' || first === '-h') return answer(overview(commands), context)
  if (first === 'help') return help(rest[0], commands, context)
  const command = commands.find(({ name }) => name === first)
  if (command === undefined) return misuse(unknown(first, commands), 'smartstack', context)
  return runCommand(command, rest, context, signal)
}

async function runCommand(
  command: CliCommand,
  rest: readonly string[],
  context: CliContext,
  signal: AbortSignal,
): Promise<ExitStatus> {
  let args: Arguments | undefined
  try {
    args = parseArguments(rest, { ...command.flags, ...COMMON_FLAGS })
    if (args.has('help')) return answer(commandHelp(command), context)
    return await command.run(args, context, signal)
  } catch (error) {
    if (error instanceof Misuse) return misuse(error.message, `smartstack ${command.name}`, context)
    return failure(error, args?.has('json') === true, context, signal)
  }
}

function failure(error: unknown, json: boolean, context: CliContext, signal: AbortSignal): ExitStatus {
  const isBadConfig = error instanceof SmartStackError && error.code === 'CONFIG_INVALID'
  const message = signal.aborted && error === signal.reason ? 'interrupted' : messageOf(error)
  if (json) {
    const problems = error instanceof ConfigError ? { problems: error.problems } : {}
    context.print(`${JSON.stringify({ error: message, ...problems }, null, 2)}\n`)
  } else context.complain(`${isBadConfig ? message : `smartstack: ${message}`}\n`)
  return isBadConfig ? exitStatus.badConfig : exitStatus.trouble
}

function answer(text: string, context: CliContext): ExitStatus {
  context.print(text)
  return exitStatus.fine
}

function misuse(reason: string, program: string, context: CliContext): ExitStatus {
  context.complain(`${program}: ${reason}\nTry: ${program} --help\n`)
  return exitStatus.misuse
}

function help(name: string | undefined, commands: readonly CliCommand[], context: CliContext): ExitStatus {
  if (name === undefined) return answer(overview(commands), context)
  const command = commands.find((candidate) => candidate.name === name)
  if (command === undefined) return misuse(unknown(name, commands), 'smartstack', context)
  return answer(commandHelp(command), context)
}

function unknown(name: string, commands: readonly CliCommand[]): string {
  const names = commands.map((command) => command.name)
  const kind = name.startsWith('-') ? 'flag' : 'command'
  const nearest = nearestKey(name.replace(/^-+/, ''), kind === 'flag' ? ['help', 'version'] : names)
  if (kind === 'flag') return `unknown flag ${name}${nearest === undefined ? '' : `. Did you mean --${nearest}?`}`
  const hint = nearest === undefined ? `; known are ${names.join(', ')}` : `. Did you mean "${nearest}"?`
  return `unknown command "${name}"${hint}`
}

function overview(commands: readonly CliCommand[]): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`)
  return `smartstack looks after nerve and synapse. Only "nerve" changes anything.

Usage: smartstack COMMAND [FLAGS]

${rows.join('\n')}

  smartstack COMMAND --help tells more; --json prints for scripts; --version.

Exit status: 0 all is well, 1 something needs a hand or could not be found out,
2 wrong command line, 78 a configuration that cannot be used.
`
}

function commandHelp({ name, summary, operands, flags, details }: CliCommand): string {
  const all = Object.entries({ ...flags, ...COMMON_FLAGS })
  const usage = ['smartstack', name, operands, '[FLAGS]'].filter((word) => word !== '').join(' ')
  const rows = all.map(([long, { short, value, whenBare, help: text }]) => {
    const start = short === undefined ? '    ' : `-${short}, `
    const end = value === undefined ? '' : whenBare === undefined ? ` ${value}` : ` [${value}]`
    return [`${start}--${long}${end}`, text] as const
  })
  const widest = Math.max(...rows.map(([flag]) => flag.length))
  return `${summary}.

Usage: ${usage}

${rows.map(([flag, text]) => `  ${flag.padEnd(widest)}  ${text}`).join('\n')}

${details.trim()}
`
}
