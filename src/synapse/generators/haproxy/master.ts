import { type Clock, sleep } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import { withDeadline } from '../../../core/time-limit.ts'
import { type MasterInfo, parseProc } from './observe.ts'
import { connectTo, socketError } from './socket.ts'

const ASK_DEADLINE_MS = 2000
const POLL_MS = 10

/** The master process of a HAProxy in master-worker mode, over its socket (`-S`). One connection per command. */
export interface Master {
  /** What runs. @throws SmartStackError HAPROXY_SOCKET when no master answers. */
  info(signal: AbortSignal): Promise<MasterInfo>
  /**
   * Reloads and waits until the new worker has taken over; resolves with what runs then.
   * @throws SmartStackError HAPROXY_RELOAD when the new configuration did not start (the old worker serves on), or DEADLINE.
   */
  reload(deadlineMs: number, signal: AbortSignal): Promise<MasterInfo>
}

export function createMaster(address: string, clock: Clock): Master {
  const ask = (command: string, deadlineMs: number, signal: AbortSignal) =>
    withDeadline(clock, deadlineMs, `"${command}" to the HAProxy master at ${address}`, signal, (limited) =>
      askOnce(address, command, limited),
    )
  const info = async (signal: AbortSignal) => parseProc(await ask('show proc', ASK_DEADLINE_MS, signal))
  return {
    info,
    async reload(deadlineMs, signal) {
      const before = await info(signal)
      // Up to 2.6 the answer is empty and comes at once; from 2.7 it is the outcome with the start-up messages.
      const answer = await ask('reload', deadlineMs, signal).catch((error: unknown) => {
        if (signal.aborted || !isSilence(error)) throw error
        return ''
      })
      if (/^Success=0/m.test(answer)) throw reloadFailed(answer.replace(/^Success=0\s*(?:--\s*)?/m, '').trim())
      return withDeadline(clock, deadlineMs, 'the reload of HAProxy', signal, (limited) =>
        reloaded(before, () => info(limited), clock, limited),
      )
    },
  }
}

/**
 * Polls until the master counts the reload. While it executes itself anew, about 0.1 s, nobody listens on its socket; while
 * it waits for an address that is in use, up to some seconds, it accepts and does not answer.
 * HAProxy 2.6 tells a failure only by its counter of failed reloads.
 */
async function reloaded(
  before: MasterInfo,
  info: () => Promise<MasterInfo>,
  clock: Clock,
  signal: AbortSignal,
): Promise<MasterInfo> {
  for (;;) {
    signal.throwIfAborted()
    const now = await info().catch((error: unknown) => {
      if (signal.aborted || !isSilence(error)) throw error
      return before
    })
    if (now.reloads > before.reloads) {
      if (now.failed > 0) throw reloadFailed('the new worker did not start; its own message is on stderr')
      return now
    }
    await sleep(clock, POLL_MS, signal)
  }
}

function reloadFailed(reason: string): SmartStackError {
  return new SmartStackError('HAPROXY_RELOAD', `HAProxy refused the reload and serves on as before: ${reason}`, {
    retryable: true,
  })
}

function isSilence(error: unknown): boolean {
  return error instanceof SmartStackError && (error.code === 'HAPROXY_SOCKET' || error.code === 'DEADLINE')
}

/** Sends one command on a connection of its own and reads the answer to the end of the connection. */
async function askOnce(address: string, command: string, signal: AbortSignal): Promise<string> {
  const socket = await connectTo(address, signal)
  const onAbort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : undefined)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    socket.end(`${command}\n`)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return answer
  } catch (cause) {
    signal.throwIfAborted()
    throw socketError(`the HAProxy master at ${address} hung up: ${messageOf(cause)}`, cause)
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}
