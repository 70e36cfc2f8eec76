import type { FileHandle } from 'node:fs/promises'

/**
 * Writes the pieces one after the other, without a copy of them: of ten thousand instances it would be megabytes each time.
 * @throws when the disk is full.
 */
export async function writePieces(file: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  const { bytesWritten } = await file.writev(pieces)
  const total = pieces.reduce((sum, { length }) => sum + length, 0)
  if (bytesWritten !== total) throw new Error(`only ${bytesWritten} of ${total} bytes could be written`)
}
