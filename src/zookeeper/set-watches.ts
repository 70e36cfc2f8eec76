import type { WatchedPaths } from './watch-table.ts'

/** ZooKeeper's own client sends no more in one SetWatches; above 1 MiB (jute.maxbuffer) a server closes the connection. */
export const SET_WATCHES_BYTES = 128 * 1024

/** Spreads watched paths over as few SetWatches requests as stay below `maxBytes` each (a single longer path goes alone). */
export function chunkWatches(paths: WatchedPaths, maxBytes: number = SET_WATCHES_BYTES): WatchedPaths[] {
  const chunks: { data: string[]; exist: string[]; child: string[] }[] = []
  let size = Number.POSITIVE_INFINITY
  for (const kind of ['data', 'exist', 'child'] as const) {
    for (const path of paths[kind]) {
      const bytes = 4 + Buffer.byteLength(path)
      if (size + bytes > maxBytes) {
        chunks.push({ data: [], exist: [], child: [] })
        size = 0
      }
      chunks.at(-1)?.[kind].push(path)
      size += bytes
    }
  }
  return chunks
}
