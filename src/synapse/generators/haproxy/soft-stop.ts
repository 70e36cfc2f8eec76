import { kill } from 'node:process'
import { type Clock, sleep } from '../../../core/clock.ts'

const POLL_MS = 10
const TERMINATE_MS = 2_000

export interface SoftStop {
  readonly pid: number
  /** How long requests in flight may last, ms. */
  readonly deadlineMs: number
  readonly clock: Clock
  /** Whether it has ended. */
  readonly gone: () => Promise<boolean>
}

/** Lets HAProxy's requests in flight end, for a while; then less and less politely. Resolves with the signal that did it. */
export async function softStop({ pid, deadlineMs, clock, gone }: SoftStop): Promise<NodeJS.Signals | undefined> {
  const steps = [
    ['SIGUSR1', deadlineMs],
    ['SIGTERM', TERMINATE_MS],
    ['SIGKILL', TERMINATE_MS],
  ] as const
  for (const [name, waitMs] of steps) {
    sendSignal(pid, name)
    if (await within(waitMs, clock, gone)) return name
  }
  return undefined
}

async function within(ms: number, clock: Clock, holds: () => Promise<boolean>): Promise<boolean> {
  const never = new AbortController().signal
  const end = clock.now() + ms
  do {
    if (await holds()) return true
    await sleep(clock, POLL_MS, never)
  } while (clock.now() < end)
  return false
}

/** Sends a signal to a process, or with a negative pid to a process group. Harmless when there is none any more. */
export function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // ESRCH: it has just ended by itself
  }
}
