import { readFileSync } from 'node:fs'
import { median } from './measure.ts'

/** USER_HZ: Linux fixes it at 100 for what it shows in /proc. */
const TICKS_PER_SECOND = 100

/** CPU time that a process has used since its start, all threads, in ms. Resolution 10 ms. */
export function cpuMs(pid: number): number {
  return statMs(pid, 14) + statMs(pid, 15) // utime and stime
}

/** CPU time of its child processes that have ended, and of theirs, in ms. Resolution 10 ms. */
export function childrenCpuMs(pid: number): number {
  return statMs(pid, 16) + statMs(pid, 17) // cutime and cstime
}

/** A field of /proc/PID/stat, counted from 1, that is a time. */
function statMs(pid: number, field: number): number {
  // After the last ")": the name of the program, field 2, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[field - 3]) * 1000) / TICKS_PER_SECOND
}

/** Resident memory in MB. */
export function rssMb(pid: number): number {
  return statusKb(pid, 'VmRSS') / 1024
}

/** Proportional set size in MB: what processes share, such as the text of node, counts for each by its part. */
export function pssMb(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024
}

function statusKb(pid: number, key: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
}

/** Follows the memory of a process, a look a second. */
export class MemoryWatch {
  readonly #samples: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      if (isAlive(pid)) this.#samples.push(rssMb(pid)) // that it died is told by another measure
    }, 1000)
  }

  /** The largest seen, MB. */
  get most(): number {
    return Math.max(...this.#samples)
  }

  /**
   * Ends it. MB between the typical size in the second quarter and in the last: a heap that fills up to its limit for the
   * first time is no leak. NaN, which misses every target, when there were too few looks to tell.
   */
  growth(): number {
    clearInterval(this.#timer)
    const quarter = Math.floor(this.#samples.length / 4)
    return median(this.#samples.slice(3 * quarter)) - median(this.#samples.slice(quarter, 2 * quarter))
  }
}

export function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')
  } catch {
    return false // no such process
  }
}
