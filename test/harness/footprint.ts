import { getEventListeners } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { collectGarbage } from './garbage.ts'

/** What this process holds. */
export interface Footprint {
  /** What node waits for, by kind: sockets, timers, requests. */
  readonly resources: Readonly<Record<string, number>>
  readonly openFiles: number
  readonly children: number
  /** On the signal that outlives all runs, and on the process. */
  readonly listeners: number
  /** In use after a collection of the garbage, MB. */
  readonly heapMb: number
}

/** `signal` is one that was handed to all runs. */
export function footprint(signal: AbortSignal): Footprint {
  collectGarbage()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const ofProcess = process.eventNames().reduce((total, name) => total + process.listenerCount(name), 0)
  return {
    resources,
    openFiles: readdirSync('/proc/self/fd').length,
    children: readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).length,
    listeners: getEventListeners(signal, 'abort').length + ofProcess,
    heapMb: process.memoryUsage().heapUsed / 1024 / 1024,
  }
}

/** What there is more of in `now` than there was `before`, in words. The heap may have grown by `heapMb`. */
export function growth(before: Footprint, now: Footprint, heapMb: number): readonly string[] {
  const counts = ({ resources, openFiles, children, listeners }: Footprint): Readonly<Record<string, number>> => ({
    ...resources,
    'open files': openFiles,
    children,
    listeners,
  })
  const earlier = counts(before)
  const more = Object.entries(counts(now)).filter(([name, count]) => count > (earlier[name] ?? 0))
  const grown = now.heapMb - before.heapMb
  return [
    ...more.map(([name, count]) => `${count - (earlier[name] ?? 0)} ${name}`),
    ...(grown > heapMb ? [`${grown.toFixed(1)} MB of heap`] : []),
  ]
}
