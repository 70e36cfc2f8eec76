import { systemClock } from '../core/clock.ts'
import { version } from '../core/version.ts'
import type { CliContext } from './command.ts'
import { commands } from './commands/index.ts'
import { runSmartstack } from './smartstack.ts'
import { createStyle, wantsColours } from './style.ts'

const PLAIN_WIDTH = 80
/** Longer lines are hard to follow, however wide the terminal is. */
const MAX_WIDTH = 120
const MIN_WIDTH = 60

/** Runs `smartstack` with the arguments and the environment of this process. Resolves with the exit status. */
export function main(): Promise<number> {
  const { stdout, stderr } = process
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(1)
      stop.abort()
    })
  }
  const context: CliContext = {
    environment: process.env,
    clock: systemClock,
    random: Math.random,
    nodeVersion: process.versions.node,
    style: createStyle(wantsColours(stdout.isTTY === true, process.env)),
    width: stdout.isTTY === true ? Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, stdout.columns)) : PLAIN_WIDTH,
    print: (text) => stdout.write(text),
    complain: (text) => stderr.write(text),
  }
  return runSmartstack(process.argv.slice(2), commands, version, context, stop.signal)
}
