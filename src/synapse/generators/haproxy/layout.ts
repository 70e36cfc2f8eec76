import { FileText } from './file-text.ts'
import type { ConfigTemplate, ConfigView, ServiceView } from './render.ts'

/** The file cut where the servers of the backends stand, so that a change of some is not a new file to be laid out. */
export interface Layout {
  /** The file without any of our servers. */
  readonly frame: string
  readonly pieces: readonly Piece[]
}

interface Piece {
  readonly text: Buffer
  /** Whose server lines follow the text; undefined after the last of them. */
  readonly service: string | undefined
}

/** Stands for the server lines of a service; a private character of Unicode that no configuration has a use for. */
const MARK = /\uE000(\d+)\uE000\n/

/**
 * Finds out where the template puts the server lines.
 * @returns undefined when the template does anything else with servers than to put `backend.serverLines` somewhere: then
 * only the template itself can tell what the file is.
 */
export function layOut(
  template: ConfigTemplate,
  view: (services: readonly ServiceView[]) => ConfigView,
  services: readonly ServiceView[],
): Layout | undefined {
  const frame = template(view(services.map(withoutServers)))
  let looked = false
  const marked = services.map((service, index) => ({
    ...service,
    backend: {
      name: service.backend.name,
      lines: service.backend.lines,
      serverLines: `\uE000${index}\uE000\n`,
      get servers() {
        looked = true
        return service.backend.servers
      },
    },
  }))
  // Text, number, text, number ... text.
  const parts = template(view(marked)).split(MARK)
  const texts = parts.filter((_, index) => index % 2 === 0)
  if (looked || texts.join('') !== frame) return undefined
  const serviceAfter = (index: number) => services[Number(parts[2 * index + 1])]?.name
  return { frame, pieces: texts.map((text, index) => ({ text: Buffer.from(text), service: serviceAfter(index) })) }
}

/** The whole file. @param serverLines those of a service, each ended by a line feed. */
export function fill({ pieces }: Layout, serverLines: (service: string) => Buffer): FileText {
  return new FileText(
    pieces.flatMap(({ text, service }) => (service === undefined ? [text] : [text, serverLines(service)])),
  )
}

export function withoutServers(service: ServiceView): ServiceView {
  const { name, lines } = service.backend
  return { ...service, backend: { name, lines, servers: [], serverLines: '' } }
}
