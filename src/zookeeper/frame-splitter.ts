/** The length field in front of each frame. */
const LENGTH_BYTES = 4

/**
 * Cuts the bytes of one connection into ZooKeeper's frames (a 4-byte length, then that many bytes), however the network
 * cut them. Make a new one for each connection: half a frame must never meet the bytes of another.
 */
export class FrameSplitter {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #held = 0
  /** With fewer bytes than this there is no point in looking. */
  #needed = LENGTH_BYTES

  /** @param maxBytes the longest frame that is believed. A longer one means that we lost our place in the stream. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The frames that this chunk completes, each with its length field in front; they share memory with the chunks.
   * @throws RangeError when a length is negative or above the limit; the connection is of no use then.
   */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#needed) return []
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held)
    const frames: Buffer[] = []
    let start = 0
    this.#needed = LENGTH_BYTES
    while (bytes.length - start >= LENGTH_BYTES) {
      const end = start + LENGTH_BYTES + this.#readLength(bytes, start)
      if (end > bytes.length) {
        this.#needed = end - start
        break
      }
      frames.push(bytes.subarray(start, end))
      start = end
    }
    this.#chunks = start < bytes.length ? [bytes.subarray(start)] : []
    this.#held = bytes.length - start
    return frames
  }

  #readLength(bytes: Buffer, start: number): number {
    const length = bytes.readInt32BE(start)
    if (length < 0 || length > this.#maxBytes) throw new RangeError(`bad frame length ${length}`)
    return length
  }
}
