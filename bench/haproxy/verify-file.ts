import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from '../../test/harness/child.ts'
import { eventually } from '../../test/harness/eventually.ts'
import { type Measure, value } from '../measure.ts'
import type { RunningSubject } from '../subjects/subject.ts'
import { isMaint, type ServerRow, Stats } from './stats.ts'

/** How long a subject may take to write down what it did last. */
const SETTLE_MS = 10_000

/**
 * Starts a second HAProxy from the subject's file and compares its servers, ids and weights with those that run: what a
 * restart would lose. Servers in maintenance are gone instances that wait to be deleted; the file need not have them.
 */
export async function verifyFile(running: RunningSubject, stats: Stats): Promise<Measure> {
  let found: readonly string[] = []
  await eventually(async () => {
    found = await differences(running.configFile, stats)
    if (found.length > 0) throw new Error('the file differs')
  }, SETTLE_MS).catch(() => {
    process.stderr.write(`  the file is not what runs:\n    ${found.slice(0, 20).join('\n    ')}\n`)
  })
  return value('servers that a restart from the file would change', '', found.length, { atMost: 0 })
}

/** What differs between the running HAProxy and one started from the file: `+` only runs, `-` only in the file. */
export async function differences(configFile: string, stats: Stats): Promise<readonly string[]> {
  const fromFile = new Set((await startedFrom(configFile)).map(describe))
  const runs = new Set((await stats.servers()).filter((row) => !isMaint(row)).map(describe))
  return [
    ...[...runs].filter((row) => !fromFile.has(row)).map((row) => `+ ${row}`),
    ...[...fromFile].filter((row) => !runs.has(row)).map((row) => `- ${row}`),
  ]
}

function describe({ backend, name, id, address, port, weight, admin }: ServerRow): string {
  return `${backend}/${name} id ${id} ${address}:${port} weight ${weight} admin ${admin}`
}

async function startedFrom(configFile: string): Promise<readonly ServerRow[]> {
  const directory = await mkdtemp(join(tmpdir(), 'bv-'))
  const socket = join(directory, 's')
  const file = join(directory, 'haproxy.cfg')
  await writeFile(file, elsewhere(await readFile(configFile, 'utf8'), directory, socket))
  const child = new Child('haproxy from the file', 'haproxy', ['-db', '-f', file])
  try {
    const stats = await eventually(() => {
      if (child.exited) return undefined
      return Stats.open(socket)
    })
    if (stats === undefined) throw new Error(`HAProxy does not start from ${configFile}:\n${child.output}`)
    try {
      return await stats.servers()
    } finally {
      stats.close()
    }
  } finally {
    await child.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** The same configuration on sockets of its own, so that both can run. */
function elsewhere(text: string, directory: string, socket: string): string {
  let binds = 0
  return text
    .replace(/^(\s*stats socket) \S+/gm, `$1 ${socket}`)
    .replace(/^(\s*bind) \S+/gm, (_, word: string) => `${word} unix@${directory}/b${binds++}`)
    .replace(/^\s*(?:server-state-file|pidfile|chroot|daemon)\b.*$/gm, '')
}
