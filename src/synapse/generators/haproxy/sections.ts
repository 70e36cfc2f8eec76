import type { Backend } from './model.ts'

/** A HAProxy configuration, cut into its sections. */

const SECTION = new Set(
  `acme backend cache crt-store defaults dynamic-update fcgi-app frontend global healthcheck http-errors listen log-forward
  log-profile mailers peers program resolvers ring traces userlist`.split(/\s+/),
)

/**
 * Sections by their header line, in file order. Indents, comments and blank lines do not count; sections with equal headers
 * are joined.
 */
export function sectionsOf(configText: string): ReadonlyMap<string, string> {
  const sections = new Map<string, string[]>()
  let lines: string[] = []
  for (const raw of configText.split('\n')) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    if (SECTION.has(firstWord(line))) {
      const header = line.replaceAll(/\s+/g, ' ')
      lines = sections.get(header) ?? []
      sections.set(header, lines)
    } else lines.push(line)
  }
  return new Map([...sections].map(([header, content]) => [header, content.join('\n')]))
}

/**
 * The sections of a file without the server lines that synapse writes: what only a reload can change. For a file whose
 * `DesiredState` is gone, such as the one on disk after a restart of synapse.
 */
export function structureOf(
  configText: string,
  backends: ReadonlyMap<string, Pick<Backend, 'fixedServers'>>,
): ReadonlyMap<string, string> {
  const structure = new Map<string, string>()
  for (const [header, text] of sectionsOf(configText)) {
    const [, name = ''] = header.split(' ')
    const backend = header.startsWith('backend ') ? backends.get(name) : undefined
    structure.set(header, backend === undefined ? text : withoutServers(text, backend.fixedServers))
  }
  return structure
}

function withoutServers(text: string, fixed: ReadonlySet<string> = new Set()): string {
  return text
    .split('\n')
    .filter((line) => firstWord(line) !== 'server' || fixed.has(line.split(/\s+/)[1] ?? ''))
    .join('\n')
}

function firstWord(line: string): string {
  const end = line.search(/\s/)
  return end === -1 ? line : line.slice(0, end)
}
