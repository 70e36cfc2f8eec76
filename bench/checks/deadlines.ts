import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { type CheckUnderTest, type Options, prepareCheck } from '../../test/harness/check.ts'
import { inTime, type Subject } from '../../test/harness/check-subject.ts'
import { startFullServer } from '../../test/harness/full-server.ts'
import { type Downstream, oneByteEvery, silentAfter, startRelay } from '../../test/harness/relay.ts'
import { distribution, missed, type Target } from '../measure.ts'
import { scenarioTable } from '../report.ts'

const TIMEOUT_MS = 200
/** What the issue allows. */
const ALLOWED_MS = 50

/** How late one run was over, and how much of that the machine is to blame for, ms. */
interface Lateness {
  readonly asMeasured: number
  readonly machine: number
}

/** Measures how long after its deadline a run is over that something never comes to. */
export async function deadlines(subjects: readonly Subject[], runs: number): Promise<boolean> {
  const full = await startFullServer()
  const cells: Cell[] = []
  try {
    for (const subject of subjects) {
      cells.push(await overshoot(subject, 'no connection', full.port, runs))
      cells.push(...(await overshoots(subject, runs)))
    }
  } finally {
    await full.close()
  }
  const all = cells.flatMap(({ samples }) => samples)
  const measures = [
    ...cells.map(({ name, samples }) => distribution(name, 'ms', samples.map(ownLateness), target)),
    distribution(
      'all, with the share of the machine',
      'ms',
      all.map(({ asMeasured }) => asMeasured),
    ),
    distribution(
      'a bare timer beside each: the share of the machine',
      'ms',
      all.map(({ machine }) => machine),
    ),
  ]
  const title = `how late a run is over that has a timeout of ${TIMEOUT_MS} ms, less the share of the machine`
  console.log(`\n${scenarioTable({ scenario: 'deadlines', title, measures })}`)
  return measures.every((measure) => missed(measure).length === 0)
}

const target: readonly Target[] = [{ stat: 'max', atMost: ALLOWED_MS }]

const ownLateness = ({ asMeasured, machine }: Lateness) => asMeasured - machine

/** A check in a condition, and how late its runs were. */
interface Cell {
  readonly name: string
  readonly samples: readonly Lateness[]
}

async function overshoots(subject: Subject, runs: number): Promise<readonly Cell[]> {
  if (subject.words.silence === undefined) return [] // it is healthy already
  const kinds: readonly (readonly [string, Downstream])[] = [
    ['never answered', silentAfter(0)],
    ['silent after 5 bytes', silentAfter(5)],
    ['one byte per 0.1 s', oneByteEvery(100)],
  ]
  const cells: Cell[] = []
  for (const [kind, downstream] of kinds) {
    const relay = await startRelay(subject.port, downstream)
    try {
      cells.push(await overshoot(subject, kind, relay.port, runs))
    } finally {
      await relay.close()
    }
  }
  return cells
}

async function overshoot(subject: Subject, kind: string, port: number, runs: number): Promise<Cell> {
  const options: Options = { ...subject.options, ...inTime(subject, TIMEOUT_MS) }
  const target = { host: '127.0.0.1', port }
  const check = await prepareCheck(subject.type, { target, timeoutMs: TIMEOUT_MS }, options)
  await late(check) // what is loaded and compiled once
  const samples: Lateness[] = []
  while (samples.length < runs) samples.push(await late(check))
  return { name: `${subject.name}: ${kind}`, samples }
}

/**
 * How much longer than the timeout a run takes. A bare timer that is set at the same moment tells how long this process
 * could not look at its timers; what of that it did not compute itself, somebody else had the processor. How long it
 * waits for a processor after that, Linux counts.
 */
async function late({ verdict }: CheckUnderTest): Promise<Lateness> {
  const usage = process.cpuUsage()
  const started = performance.now()
  const sinceTimeout = () => performance.now() - started - TIMEOUT_MS
  const bare = setTimeout(TIMEOUT_MS).then(() => ({
    blocked: Math.max(0, sinceTimeout() - cpuMsSince(usage)),
    waited: waitedForProcessorMs(),
  }))
  const found = await verdict()
  const asMeasured = sinceTimeout()
  const waited = waitedForProcessorMs()
  if (!found.endsWith(`within ${TIMEOUT_MS} ms`)) throw new Error(`expected a missed deadline, found: ${found}`)
  const atTimer = await bare
  return { asMeasured, machine: atTimer.blocked + Math.max(0, waited - atTimer.waited) }
}

/** How long this thread could have run but was not let, since it exists. */
function waitedForProcessorMs(): number {
  const [, waitedNs] = readFileSync('/proc/self/schedstat', 'utf8').split(' ')
  return Number(waitedNs) / 1e6
}

function cpuMsSince(usage: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(usage)
  return (user + system) / 1000
}
