import type { CliContext } from '../../src/cli/command.ts'
import { createStyle } from '../../src/cli/style.ts'
import { systemClock } from '../../src/core/clock.ts'

/** A context for commands that keeps what they print. */
export function recordingCli(more: Partial<CliContext> = {}): CliContext & { out: string; err: string } {
  const context = {
    environment: {},
    clock: systemClock,
    random: () => 0.5,
    nodeVersion: '20.19.0',
    style: createStyle(false),
    width: 80,
    out: '',
    err: '',
    print(text: string) {
      context.out += text
    },
    complain(text: string) {
      context.err += text
    },
    ...more,
  }
  return context
}
