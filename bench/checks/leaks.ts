import { type LeakReport, runManyTimes } from '../../test/harness/check-leaks.ts'
import type { Subject } from '../../test/harness/check-subject.ts'
import type { Footprint } from '../../test/harness/footprint.ts'
import { table } from '../report.ts'

/** What a heap may have grown by in the end, MB: of ten thousand runs 200 bytes each. */
const HEAP_MB = 2

/** Runs every check again and again, and shows what the process held before and after. */
export async function leaks(subjects: readonly Subject[], runs: number): Promise<boolean> {
  const reports: LeakReport[] = []
  for (const subject of subjects) {
    const report = await runManyTimes(subject, runs, HEAP_MB)
    reports.push(report)
    console.error(`  ${report.subject}: ${report.seconds.toFixed(0)} s`)
  }
  const header = ['', 'runs', 's', 'node waits for', 'open files', 'children', 'listeners', 'heap, MB', 'left behind']
  console.log(`\n${table([header, ...reports.map(row)])}`)
  return reports.every(({ complaints }) => complaints.length === 0)
}

function row({ subject, runs, seconds, before, after, complaints }: LeakReport): readonly string[] {
  const change = (of: (footprint: Footprint) => number, digits = 0) =>
    `${of(before).toFixed(digits)} -> ${of(after).toFixed(digits)}`
  return [
    subject,
    `${runs}`,
    seconds.toFixed(0),
    change(({ resources }) => Object.values(resources).reduce((total, count) => total + count, 0)),
    change(({ openFiles }) => openFiles),
    change(({ children }) => children),
    change(({ listeners }) => listeners),
    change(({ heapMb }) => heapMb, 1),
    complaints.length === 0 ? 'nothing' : complaints.join('; '),
  ]
}
