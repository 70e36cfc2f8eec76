import { type Clock, sleep } from '../../../core/clock.ts'
import { SmartStackError } from '../../../core/errors.ts'
import { withDeadline } from '../../../core/time-limit.ts'
import type { Master } from './master.ts'
import type { MasterInfo } from './observe.ts'
import { WorkerSession } from './runtime.ts'

const POLL_MS = 10

export interface TakeoverOptions {
  readonly master: Master
  /** undefined: there is none, the master's word is taken. */
  readonly statsSocket: string | undefined
  readonly clock: Clock
  readonly deadlineMs: number
}

/**
 * Waits until a worker of this master answers on the stats socket, and resolves with its pid. A worker that is on its way
 * out may still answer there for a moment, after a reload as well as after the death of an earlier master.
 * @throws SmartStackError DEADLINE.
 */
export async function workerOf(
  { master, statsSocket, clock, deadlineMs }: TakeoverOptions,
  known: MasterInfo | undefined,
  signal: AbortSignal,
): Promise<number> {
  return withDeadline(clock, deadlineMs, 'the worker of HAProxy', signal, async (limited) => {
    let info = known
    for (;;) {
      const workers = servingWorkers(info)
      const pid =
        statsSocket === undefined ? workers[0] : await answeringWorker(statsSocket, clock, deadlineMs, limited)
      if (pid !== undefined && workers.includes(pid)) return pid
      await sleep(clock, POLL_MS, limited)
      info = (await unlessSilent(master.info(limited), limited)) ?? info
    }
  })
}

/** The pids of the workers that take connections. After a failed reload HAProxy 3 lists the serving one among the old ones. */
export function servingWorkers(info: MasterInfo | undefined): readonly number[] {
  if (info === undefined) return []
  return info.workers.length > 0 ? info.workers : info.oldWorkers
}

async function answeringWorker(
  address: string,
  clock: Clock,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const opening = WorkerSession.open({ address, clock, deadlineMs, onLost: () => {} }, signal)
  const session = await unlessSilent(opening, signal)
  session?.close()
  return session === undefined || session.info.stopping ? undefined : session.info.pid
}

/** undefined when HAProxy does not answer, which is no error while it starts or is replaced. */
export async function unlessSilent<T>(asking: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await asking
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof SmartStackError && (error.code === 'HAPROXY_SOCKET' || error.code === 'DEADLINE'))
      return undefined
    throw error
  }
}
