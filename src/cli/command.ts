import type { Clock } from '../core/clock.ts'
import type { Arguments, Flags } from './arguments.ts'
import type { Style } from './style.ts'

/** How a command ends; scripts rely on these. */
export const exitStatus = {
  fine: 0,
  /** Something needs a hand, or the command itself failed. */
  trouble: 1,
  /** The command line is wrong; nothing was done. */
  misuse: 2,
  /** sysexits.h: the configuration cannot be used. */
  badConfig: 78,
} as const

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus]

/** What a command may use of the process and the terminal around it. */
export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  /** As `process.versions.node`. */
  readonly nodeVersion: string
  readonly style: Style
  /** Columns that lines should keep to. */
  readonly width: number
  /** Writes to stdout: the answer. */
  print(text: string): void
  /** Writes to stderr: what is wrong. */
  complain(text: string): void
}

/** One command of `smartstack`. A value in a file of its own; commands/index.ts is the list. */
export interface CliCommand {
  readonly name: string
  /** One line for the list of commands; no full stop at the end. */
  readonly summary: string
  /** What follows the name in the usage line, e.g. `FILE...`. */
  readonly operands: string
  /** Beside `--json` and `--help`, which every command takes. */
  readonly flags: Flags
  /** Shown below the flags in the command's help. */
  readonly details: string
  /** @throws Misuse, ConfigError, or whatever keeps it from its answer. */
  run(args: Arguments, context: CliContext, signal: AbortSignal): Promise<ExitStatus>
}
