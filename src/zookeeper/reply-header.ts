/** What stands at the start of every answer but the first. */
export interface ReplyHeader {
  /** Number of the request that it answers; negative for what is not the answer to a numbered one. */
  readonly xid: number
  /** The newest transaction that the server had seen; negative where that does not apply. */
  readonly zxid: bigint
  /** ZooKeeper's error number; 0 means success. */
  readonly error: number
}

/** Reads the header of a frame, which has its length field in front. @throws RangeError when the frame is too short. */
export function readReplyHeader(frame: Buffer): ReplyHeader {
  return { xid: frame.readInt32BE(4), zxid: frame.readBigInt64BE(8), error: frame.readInt32BE(16) }
}
