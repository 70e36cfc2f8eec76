import type { Backoff } from '../core/backoff.ts'
import { type Clock, pause } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { type Session, ZooKeeperError } from './zookeeper.ts'

export interface DataWatchOptions {
  readonly session: Session
  readonly path: string
  readonly clock: Clock
  /** Waits after failed reads. */
  readonly backoff: Backoff
  readonly log: Logger
  /** Reads again after this long whatever the watches say. */
  readonly resyncMs: number
}

/**
 * Follows the data of one znode: publishes it first, then each change; undefined while the node does not exist. A read
 * that fails publishes nothing and is tried again. Resolves after an abort.
 */
export async function watchData(
  { session, path, clock, backoff, log, resyncMs }: DataWatchOptions,
  publish: (data: Buffer | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  let last: { readonly data: Buffer | undefined } | undefined
  let wake = () => {}
  const unsubscribe = session.subscribe(({ status }) => {
    if (status === 'connected') wake() // a new session holds none of our watches
  })
  while (!signal.aborted) {
    const woken = new AbortController()
    wake = () => woken.abort()
    const stop = () => woken.abort()
    signal.addEventListener('abort', stop, { once: true })
    let waitMs = resyncMs
    try {
      const data = await read(session, path, () => woken.abort(), signal)
      backoff.reset()
      if (last === undefined || !same(last.data, data)) publish(data)
      last = { data }
    } catch (error) {
      waitMs = backoff.next()
      if (!signal.aborted && !(error instanceof ZooKeeperError && error.retryable)) {
        log.warn('cannot read znode', { path, error: messageOf(error), retry_in_ms: Math.round(waitMs) })
      }
    }
    await pause(clock, waitMs, woken.signal)
    signal.removeEventListener('abort', stop)
  }
  unsubscribe()
}

async function read(
  session: Session,
  path: string,
  changed: () => void,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  for (;;) {
    try {
      return (await session.getData(path, signal, changed)).data
    } catch (error) {
      if (!(error instanceof ZooKeeperError && error.code === 'NO_NODE')) throw error
    }
    if ((await session.exists(path, signal, changed)) === undefined) return undefined
  }
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.equals(b))
}
