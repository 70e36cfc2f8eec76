import { type SpawnOptions, spawn } from 'node:child_process'
import { kill } from 'node:process'
import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import { withDeadline } from './time-limit.ts'

const MAX_OUTPUT = 64 * 1024
/** A script may hand its pipes to a daemon that it leaves behind, so the end of the output may never come. */
const OUTPUT_GRACE_MS = 200

/** How a command ended. */
export interface CommandResult {
  /** Exit status; the signal's name when it was killed; `start` when it could not be started. */
  readonly status: number | string
  /** stdout and stderr in the order of their arrival, cut at 64 kB. */
  readonly output: string
}

export interface CommandOptions {
  readonly clock: Clock
  readonly deadlineMs: number
}

/**
 * Runs a command to its end: a string through the shell, a list as it is. It has the environment of this process, and
 * leads a process group of its own, which is killed at the deadline and on an abort, so that nothing it started stays
 * behind.
 * @throws SmartStackError DEADLINE, or `signal.reason`. A failing command is a result, not an error.
 */
export function runCommand(
  command: string | readonly string[],
  { clock, deadlineMs }: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> {
  const what = typeof command === 'string' ? command : command.join(' ')
  return withDeadline(clock, deadlineMs, `"${what}"`, signal, (limited) => run(command, clock, limited))
}

function run(command: string | readonly string[], clock: Clock, signal: AbortSignal): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = typeof command === 'string' ? ['/bin/sh', '-c', command] : command
    const options: SpawnOptions = { detached: true, stdio: ['ignore', 'pipe', 'pipe'] }
    const child = spawn(file, args, options)
    let output = ''
    const keep = (chunk: string) => {
      if (output.length < MAX_OUTPUT) output = (output + chunk).slice(0, MAX_OUTPUT)
    }
    child.stdout?.setEncoding('utf8').on('data', keep)
    child.stderr?.setEncoding('utf8').on('data', keep)
    let cancelGrace = () => {}
    const release = () => {
      cancelGrace()
      signal.removeEventListener('abort', onAbort)
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    const onAbort = () => {
      if (child.pid !== undefined) killGroup(child.pid)
      release()
      reject(signal.reason)
    }
    const settle = (status: number | string) => {
      release()
      resolve({ status, output })
    }
    signal.addEventListener('abort', onAbort, { once: true })
    child.once('error', (error) => {
      output += messageOf(error)
      settle('start')
    })
    child.once('exit', (code, killedBy) => {
      const status = code ?? killedBy ?? 'unknown'
      cancelGrace = clock.after(OUTPUT_GRACE_MS, () => settle(status))
      child.once('close', () => settle(status))
    })
  })
}

function killGroup(leader: number): void {
  try {
    kill(-leader, 'SIGKILL')
  } catch (error) {
    // It has just ended by itself, or it is another user by now, as after sudo: then it has to end by itself.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}
