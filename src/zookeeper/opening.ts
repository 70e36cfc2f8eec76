import type { Outgoing } from 'node-zookeeper-client/lib/ConnectionManager.js'
import jute from 'node-zookeeper-client/lib/jute/index.js'
import { chunkWatches } from './set-watches.ts'
import type { WatchedPaths } from './watch-table.ts'

/** What goes first on a connection: the wish for a session, who we are, what we watch. */

export interface SessionWish {
  /** The newest transaction that we know of. */
  readonly zxid: Buffer
  readonly sessionTimeoutMs: number
  /** Zeros: a new one. */
  readonly sessionId: Buffer
  readonly password: Buffer
}

export function connectFrame({ zxid, sessionTimeoutMs, sessionId, password }: SessionWish): Buffer {
  const { protocol, PROTOCOL_VERSION } = jute
  const record = new protocol.ConnectRequest(PROTOCOL_VERSION, zxid, sessionTimeoutMs, sessionId, password)
  // The byte that follows refuses read-only servers. The package does not know it, and without it every server since
  // 3.4 logs a warning about an old client.
  const frame = Buffer.concat([new jute.Request(null, record).toBuffer(), Buffer.alloc(1)])
  frame.writeInt32BE(frame.length - 4)
  return frame
}

/** @param digest `user:password`. */
export function authRequest(digest: string): Outgoing {
  const header = new jute.protocol.RequestHeader(jute.XID_AUTHENTICATION, jute.OP_CODES.AUTH)
  return new jute.Request(header, new jute.protocol.AuthPacket(0, 'digest', Buffer.from(digest)))
}

/** Sets watches. What changed after this transaction fires at once. */
export function watchRequests(zxid: Buffer, paths: WatchedPaths): readonly Outgoing[] {
  return chunkWatches(paths).map(({ data, exist, child }) => {
    const header = new jute.protocol.RequestHeader(0, jute.OP_CODES.SET_WATCHES)
    return new jute.Request(header, new jute.protocol.SetWatches(zxid, data, exist, child))
  })
}
