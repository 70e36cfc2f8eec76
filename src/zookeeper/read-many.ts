import { type NodeData, nodeDataLength, readNodeData } from './get-data.ts'

/** ZooKeeper's numbers: of the request (since 3.6), of a read in it, and of a read that failed. */
const MULTI_READ = 22
const GET_DATA = 4
const ERROR = -1
/** The header of each part: its number, whether it is the last one, an error that nobody looks at. */
const PART_BYTES = 9
/** Length of the frame, number of the request, number of the operation. */
const PARTS_AT = 12
/** Length of the frame, number of the request, transaction, error. */
const ANSWERS_AT = 20

/** Reads many nodes with one request, of which each may fail for itself. It sets no watches: ZooKeeper drops them here. */
export class ReadManyRequest {
  /** The number is given when it is sent. */
  readonly header: { xid: number; readonly type: number } = { xid: 0, type: MULTI_READ }
  readonly #paths: readonly string[]
  #answers: readonly (NodeData | number)[] | undefined

  constructor(paths: readonly string[]) {
    this.#paths = paths
  }

  /** The whole frame, with its length in front. */
  toBuffer(): Buffer {
    const lengths = this.#paths.map((path) => Buffer.byteLength(path))
    const total = lengths.reduce((sum, length) => sum + PART_BYTES + 4 + length + 1, PARTS_AT + PART_BYTES)
    const frame = Buffer.alloc(total) // zeros: no part is the last one, none is watched
    frame.writeInt32BE(total - 4, 0)
    frame.writeInt32BE(this.header.xid, 4)
    frame.writeInt32BE(this.header.type, 8)
    let at = PARTS_AT
    for (const [index, path] of this.#paths.entries()) {
      frame.writeInt32BE(GET_DATA, at)
      frame.writeInt32BE(-1, at + 5)
      at += PART_BYTES
      at = frame.writeInt32BE(lengths[index] ?? 0, at)
      at += frame.write(path, at) + 1
    }
    frame.writeInt32BE(-1, at)
    frame[at + 4] = 1
    frame.writeInt32BE(-1, at + 5)
    return frame
  }

  /** Takes the frame that answers it. @throws RangeError when it is not an answer to as many reads. */
  take(frame: Buffer): void {
    const answers: (NodeData | number)[] = []
    for (let at = ANSWERS_AT; frame[at + 4] !== 1; ) {
      const type = frame.readInt32BE(at)
      at += PART_BYTES
      if (type === GET_DATA) {
        answers.push(readNodeData(frame, at))
        at += nodeDataLength(frame, at)
      } else if (type === ERROR) {
        answers.push(frame.readInt32BE(at))
        at += 4
      } else throw new RangeError(`a read was answered with ${type}`)
    }
    if (answers.length !== this.#paths.length) {
      throw new RangeError(`${this.#paths.length} reads were answered with ${answers.length}`)
    }
    this.#answers = answers
  }

  /** What each read says, in the order of the paths, or ZooKeeper's number of its error. @throws RangeError when there was no answer. */
  get answers(): readonly (NodeData | number)[] {
    if (this.#answers === undefined) throw new RangeError('the answer has no data')
    return this.#answers
  }
}
