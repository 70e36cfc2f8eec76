import { type CheckUnderTest, type Options, prepareCheck } from '../../test/harness/check.ts'
import { inTime, type Subject } from '../../test/harness/check-subject.ts'
import { startFullServer } from '../../test/harness/full-server.ts'
import { type Downstream, oneByteEvery, silentAfter, startRelay } from '../../test/harness/relay.ts'
import { distribution, type Measure, missed } from '../measure.ts'
import { scenarioTable } from '../report.ts'

const TIMEOUT_MS = 200
/** What the issue allows. */
const ALLOWED_MS = 50

/** Measures how long after its deadline a run is over that something never comes to. */
export async function deadlines(subjects: readonly Subject[], runs: number): Promise<boolean> {
  const full = await startFullServer()
  const measures: Measure[] = []
  try {
    for (const subject of subjects) {
      measures.push(await overshoot(subject, 'no connection', full.port, runs))
      measures.push(...(await overshoots(subject, runs)))
    }
  } finally {
    await full.close()
  }
  const title = `how late a run is over that has a timeout of ${TIMEOUT_MS} ms`
  console.log(`\n${scenarioTable({ scenario: 'deadlines', title, measures })}`)
  return measures.every((measure) => missed(measure).length === 0)
}

async function overshoots(subject: Subject, runs: number): Promise<readonly Measure[]> {
  if (subject.words.silence === undefined) return [] // it is healthy already
  const kinds: readonly (readonly [string, Downstream])[] = [
    ['never answered', silentAfter(0)],
    ['silent after 5 bytes', silentAfter(5)],
    ['one byte per 0.1 s', oneByteEvery(100)],
  ]
  const measures: Measure[] = []
  for (const [kind, downstream] of kinds) {
    const relay = await startRelay(subject.port, downstream)
    try {
      measures.push(await overshoot(subject, kind, relay.port, runs))
    } finally {
      await relay.close()
    }
  }
  return measures
}

async function overshoot(subject: Subject, kind: string, port: number, runs: number): Promise<Measure> {
  const options: Options = { ...subject.options, ...inTime(subject, TIMEOUT_MS) }
  const target = { host: '127.0.0.1', port }
  const check = await prepareCheck(subject.type, { target, timeoutMs: TIMEOUT_MS }, options)
  await late(check) // what is loaded and compiled once
  const samples: number[] = []
  while (samples.length < runs) samples.push(await late(check))
  return distribution(`${subject.name}: ${kind}`, 'ms', samples, [{ stat: 'max', atMost: ALLOWED_MS }])
}

/** How much longer than the timeout a run takes, ms. */
async function late({ verdict }: CheckUnderTest): Promise<number> {
  const started = performance.now()
  const found = await verdict()
  const ms = performance.now() - started
  if (!found.endsWith(`within ${TIMEOUT_MS} ms`)) throw new Error(`expected a missed deadline, found: ${found}`)
  return ms - TIMEOUT_MS
}
