import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Makes a temporary directory the place for everything that the demo writes, and sees to it that neither a file nor a
 * process that works there outlives us, however we end.
 */
export function createWorkspace(): string {
  const directory = mkdtempSync(join(tmpdir(), 'demo-')) // short: the path of a UNIX socket has 107 characters at most
  process.env['TMPDIR'] = directory
  process.on('exit', () => {
    for (const pid of processesIn(directory)) endProcess(pid)
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  })
  return directory
}

/** The processes with a path of this directory among their arguments. */
export function processesIn(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && commandOf(name).includes(`${directory}/`))
    .map(Number)
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // ESRCH: it has just ended
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it has just ended
  }
}
