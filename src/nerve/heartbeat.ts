import { open } from 'node:fs/promises'
import { type Clock, pause } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Task } from '../core/tasks.ts'

const EVERY_MS = 1_000

/**
 * Sets the modification time of a file every second, so that a supervisor sees that nerve turns (Airbnb's
 * `heartbeat_path`). Creates the file. A failure is said once and tried again.
 */
export function createHeartbeatTask(path: string, clock: Clock, log: Logger): Task {
  return {
    name: 'heartbeat',
    async run(signal) {
      let failed = false
      while (!signal.aborted) {
        try {
          await touch(path, clock.wallTime() / 1000)
          failed = false
        } catch (error) {
          if (!failed) log.warn('cannot touch heartbeat_path', { path, reason: messageOf(error) })
          failed = true
        }
        await pause(clock, EVERY_MS, signal)
      }
    },
  }
}

async function touch(path: string, seconds: number): Promise<void> {
  const file = await open(path, 'a')
  try {
    await file.utimes(seconds, seconds)
  } finally {
    await file.close()
  }
}
