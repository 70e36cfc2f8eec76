/** Reads from HAProxy's complaints about a configuration which parts of it they are about. */

/** A complaint, and what it points at. */
export interface Blame {
  readonly complaint: string
  /** Header lines of the sections that it may mean, e.g. `backend web`. Empty: it does not say. */
  readonly sections: readonly string[]
}

const PLACE = /\[([^\]\s]*):(\d+)\]/
const PROXY = /\b(?:proxy|frontend|backend|listen)\s+'?([A-Za-z0-9_.:-]*[A-Za-z0-9_-])'?/i

/**
 * @param text the configuration.
 * @param path the file that it was checked as: complaints about other files mean none of its sections.
 */
export function readComplaints(complaints: readonly string[], text: string, path: string): readonly Blame[] {
  const lines = text.split('\n')
  return complaints.map((complaint) => {
    const [, file, number] = PLACE.exec(complaint) ?? []
    if (file !== undefined && baseName(file) === baseName(path)) return atLine(complaint, lines, Number(number))
    if (file !== undefined) return { complaint, sections: [] }
    const [, name] = PROXY.exec(complaint) ?? []
    return { complaint, sections: name === undefined ? [] : [`frontend ${name}`, `backend ${name}`] }
  })
}

function atLine(complaint: string, lines: readonly string[], number: number): Blame {
  const header = lines.slice(0, number).findLast((line) => /^\S/.test(line) && !line.startsWith('#'))
  return { complaint, sections: header === undefined ? [] : [header.trim().replaceAll(/\s+/g, ' ')] }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
