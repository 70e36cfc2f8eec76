import type { Clock } from '../../../core/clock.ts'
import { SmartStackError } from '../../../core/errors.ts'
import type { Master } from './master.ts'
import { WorkerSession } from './runtime.ts'
import { servingWorkers } from './takeover.ts'

/**
 * A worker that takes so many connections in a row and says nothing on any of them within the time hangs. One that is only
 * slow, on a machine without a free processor, answers sooner; to kill it would cost the requests that it serves.
 */
const ATTEMPTS = 3
const ATTEMPT_MS = 1_000

export interface HungWorkerOptions {
  readonly statsSocket: string
  readonly master: Master
  readonly masterPid: number
  readonly clock: Clock
}

/**
 * What to kill so that HAProxy can be started again: the pid of a worker that hangs, or, when its master hangs too and
 * cannot tell which process that is, the process group of the master as a negative number. undefined: nothing hangs, or
 * the signal aborted. A worker that refuses connections does not hang, it is gone.
 */
export async function findHung(options: HungWorkerOptions, signal: AbortSignal): Promise<number | undefined> {
  if (!(await hangs(options, signal))) return undefined
  try {
    return servingWorkers(await options.master.info(signal))[0]
  } catch (error) {
    // One that refuses connections executes itself anew: somebody reloads HAProxy, which may be the cure.
    return isDeadline(error) && !signal.aborted ? -options.masterPid : undefined
  }
}

async function hangs({ statsSocket: address, clock }: HungWorkerOptions, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const session = await WorkerSession.open({ address, clock, deadlineMs: ATTEMPT_MS, onLost: () => {} }, signal)
      session.close()
      return false
    } catch (error) {
      if (!isDeadline(error) || signal.aborted) return false
    }
  }
  return true
}

const isDeadline = (error: unknown): boolean => error instanceof SmartStackError && error.code === 'DEADLINE'
