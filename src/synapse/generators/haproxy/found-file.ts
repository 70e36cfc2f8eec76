import type { Backend } from './model.ts'
import type { FileState } from './reloader.ts'
import { sectionsOf, structureOf } from './sections.ts'
import { formatServerLine } from './server-line.ts'

/**
 * What a file that an earlier synapse left says, as far as it concerns us: its structure, and of the servers wanted now
 * those that stand in it word for word.
 */
export function readFoundFile(text: string, wanted: ReadonlyMap<string, Backend>): FileState {
  const sections = sectionsOf(text)
  const backends = [...wanted.values()].map((backend) => {
    const lines = new Set(sections.get(`backend ${backend.name}`)?.split('\n'))
    return { ...backend, servers: backend.servers.filter((server) => lines.has(formatServerLine(server))) }
  })
  return { structure: structureOf(text, wanted), backends: new Map(backends.map((backend) => [backend.name, backend])) }
}
