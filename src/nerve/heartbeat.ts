import { open } from 'node:fs/promises'
import { type Clock, Pauses } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Task } from '../core/tasks.ts'

const EVERY_MS = 1_000

/**
 * Sets the modification time of a file every second, so that a supervisor sees that nerve turns (Airbnb's
 * `heartbeat_path`). Creates the file. A failure is said once and tried again.
 * @param path asked each time, so that an edit takes effect; undefined: no file.
 */
export function createHeartbeatTask(path: () => string | undefined, clock: Clock, log: Logger): Task {
  return {
    name: 'heartbeat',
    async run(signal) {
      const pauses = new Pauses(clock, signal)
      let failed: string | undefined
      while (!signal.aborted) {
        const file = path()
        try {
          if (file !== undefined) await touch(file, clock.wallTime() / 1000)
          failed = undefined
        } catch (error) {
          if (failed !== file) log.warn('cannot touch heartbeat_path', { path: file, reason: messageOf(error) })
          failed = file
        }
        await pauses.next(EVERY_MS)
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
