import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { runCommand } from '../core/run-command.ts'
import type { CommandConfig } from './model.ts'

/** The commands around a service's availability, by the names that go-nerve's metric has for them. */
export const hookKinds = ['pre-available', 'check-stable', 'disable-shutdown', 'disable-grace'] as const
export type HookKind = (typeof hookKinds)[number]

export interface HookContext {
  readonly clock: Clock
  readonly log: Logger
  readonly onHookFailed: (kind: HookKind) => void
}

const MAX_SHOWN = 300

/**
 * Runs a command and says whether it succeeded: exit status 0 within its time. A failure is counted and logged, and is
 * nobody's error. False at once when `signal` aborts; the command is killed then, with all it started.
 */
export async function runHook(
  kind: HookKind,
  { command, timeoutMs }: CommandConfig,
  { clock, log, onHookFailed }: HookContext,
  signal: AbortSignal,
): Promise<boolean> {
  const reason = await failureOf(command, timeoutMs, clock, signal)
  if (signal.aborted) return false
  if (reason === undefined) return true
  onHookFailed(kind)
  // That clients are still connected is what a drain expects to hear.
  if (kind === 'disable-grace') log.debug('clients have not gone yet', { hook: kind, reason })
  else log.warn('command failed', { hook: kind, command: command.join(' '), reason })
  return false
}

async function failureOf(
  command: readonly string[],
  deadlineMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { status, output } = await runCommand(command, { clock, deadlineMs }, signal)
    if (status === 0) return undefined
    const said = output.trim().slice(0, MAX_SHOWN)
    const how = typeof status === 'number' ? `exit status ${status}` : status === 'start' ? 'cannot start' : status
    return said === '' ? how : `${how}: ${said}`
  } catch (error) {
    return messageOf(error)
  }
}
