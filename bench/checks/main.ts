// npm run bench:checks -- deadlines|leaks [--runs N] [--only TYPE]: nerve's checks against real servers, good and bad.
import { parseArgs } from 'node:util'
import { type Subjects, startSubjects } from '../../test/harness/check-subjects.ts'
import { closeOnSignal } from '../interrupt.ts'
import { describeMachine, loadAverage } from '../machine.ts'
import { deadlines } from './deadlines.ts'
import { leaks } from './leaks.ts'

/** Prints a table; resolves with whether all is well. */
export type CheckBench = (subjects: Subjects['all'], runs: number) => Promise<boolean>

const benches: Readonly<Record<string, { readonly run: CheckBench; readonly runs: number }>> = {
  deadlines: { run: deadlines, runs: 25 },
  leaks: { run: leaks, runs: 10_000 },
}

const USAGE = `usage: npm run bench:checks -- ${Object.keys(benches).join('|')} [--runs N] [--only TYPE]
deadlines  how long after its deadline a run is over, for every type and kind of silence; default: 25 runs each
leaks      what is left after many runs of each type, good and bad; default: 10000 runs
--only     the checks whose names contain TYPE`

async function main(args: readonly string[]): Promise<number> {
  const options = { runs: { type: 'string' }, only: { type: 'string', default: '' } } as const
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options })
  const bench = benches[positionals[0] ?? '']
  const runs = Number(values.runs ?? bench?.runs)
  if (bench === undefined || positionals.length !== 1 || !(runs >= 1)) {
    console.error(USAGE)
    return 2
  }
  for (const [key, text] of Object.entries(describeMachine())) console.log(`${key}: ${text}`)
  const subjects = await startSubjects()
  const forget = closeOnSignal(() => subjects.close())
  try {
    const chosen = subjects.all.filter(({ name }) => name.includes(values.only))
    return (await bench.run(chosen, runs)) ? 0 : 1
  } finally {
    forget()
    await subjects.close()
    console.log(`load of the machine: ${loadAverage()}`)
  }
}

process.exit(await main(process.argv.slice(2)))
