/**
 * The text of a file as pieces of bytes. Most of them are those of the text before it: the lines of ten thousand servers are
 * a megabyte, and as one string that is garbage after each writing, which costs more than the writing.
 */
export class FileText {
  readonly pieces: readonly Buffer[]

  constructor(pieces: readonly Buffer[]) {
    this.pieces = pieces
  }

  static of(text: string): FileText {
    return new FileText([Buffer.from(text)])
  }

  /** Whether both are the same text, however they are cut. */
  equals(other: FileText): boolean {
    const { pieces } = other
    const cutAlike =
      pieces.length === this.pieces.length &&
      pieces.every((piece, index) => piece.length === this.pieces[index]?.length)
    if (cutAlike)
      return pieces.every((piece, index) => piece === this.pieces[index] || this.pieces[index]?.equals(piece))
    return lengthOf(pieces) === lengthOf(this.pieces) && Buffer.concat(pieces).equals(Buffer.concat(this.pieces))
  }

  toString(): string {
    return Buffer.concat(this.pieces).toString()
  }
}

function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}
