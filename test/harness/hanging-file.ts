import { execFileSync } from 'node:child_process'
import { closeSync, constants, lstatSync, openSync, rmSync } from 'node:fs'

/** A file as on a disk that hangs: who opens it for reading waits until somebody writes it, who opens it for writing until somebody reads. */
export function makeHangingFile(path: string): void {
  execFileSync('mkfifo', [path])
}

/**
 * Lets everybody go on who waits for a hanging file, and removes it, or the process would never end: nothing interrupts a
 * thread that opens a file. Works while all threads for files wait. What has taken the place of the file is left alone.
 */
export function releaseHangingFile(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return
  const bothEnds = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  rmSync(path) // before it is closed: who comes to open it only now would wait for ever
  closeSync(bothEnds)
}

/** How many files and directories this process is waiting for. */
export function filesWaitedFor(): number {
  return process.getActiveResourcesInfo().filter((resource) => /^(FSReq|CloseReq)/.test(resource)).length
}
