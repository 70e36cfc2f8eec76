import type { KnownFile } from './file-state.ts'
import { FileText } from './file-text.ts'
import type { Backend } from './model.ts'
import { sectionsOf, structureOf } from './sections.ts'

/**
 * What a file that an earlier synapse left says, as far as it concerns us: its structure, and the servers wanted now with
 * the options that they have there. Options that were edited while no synapse ran then differ, and are reloaded.
 */
export function readFoundFile(text: string, wanted: ReadonlyMap<string, Backend>): KnownFile {
  const state = { structure: structureOf(text, wanted), backends: readRunningServers(text, wanted) }
  return { text: FileText.of(text), state }
}

/**
 * The servers wanted now with the options that they have in a file which synapse keeps in step with HAProxy: what a
 * running synapse knows of them, for one that does not run.
 */
export function readRunningServers(text: string, wanted: ReadonlyMap<string, Backend>): ReadonlyMap<string, Backend> {
  const sections = sectionsOf(text)
  const known = [...wanted.values()].map((backend): Backend => {
    const lines = serverLines(sections.get(`backend ${backend.name}`) ?? '')
    const servers = backend.servers.flatMap((server) => {
      const words = lines.get(server.name)
      return words === undefined ? [] : [{ ...server, options: words }]
    })
    return { ...backend, servers }
  })
  return new Map(known.map((backend) => [backend.name, backend]))
}

/** `server NAME ADDRESS id N weight N OPTIONS...`, as `formatServerLine` writes it: the options by name. */
function serverLines(section: string): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, readonly string[]>()
  for (const line of section.split('\n')) {
    const [keyword, name = '', , id, , weight, , ...options] = line.split(' ')
    if (keyword !== 'server' || id !== 'id' || weight !== 'weight') continue
    lines.set(name, options.at(-1) === 'disabled' ? options.slice(0, -1) : options)
  }
  return lines
}
