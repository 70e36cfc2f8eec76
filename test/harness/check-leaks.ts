import assert from 'node:assert/strict'
import { type CheckUnderTest, nobody, prepareCheck, repeat } from './check.ts'
import { type Aim, type Closable, inTime, type Subject } from './check-subject.ts'
import { eventually } from './eventually.ts'
import { type Footprint, footprint, growth } from './footprint.ts'
import { type Downstream, halfClosedAfter, resetAtOnce, silentAfter, startRelay } from './relay.ts'

/** Of the runs on a server that says nothing. */
const SILENCE_MS = 10
/** Of all others. Longer than is waited for in the end, so that a timer that stays is seen. */
const LONG_MS = 60_000
/** As many services have a check of the same server. */
const AT_ONCE = 5
const SETTLED_WITHIN_MS = 40_000

const nonsense: Downstream = (_server, client) => {
  client.write('\xff\0\r\nnonsense, nonsense, nonsense\r\n'.repeat(10))
}

/** A check in good and in bad times. */
interface Variant {
  readonly name: string
  readonly check: CheckUnderTest
  readonly passes: boolean
}

export interface LeakReport {
  readonly subject: string
  readonly runs: number
  readonly seconds: number
  readonly before: Footprint
  readonly after: Footprint
  /** What is left behind, here and in the server, and verdicts that were wrong. */
  readonly complaints: readonly string[]
}

/** Half of the runs are on the healthy server, the others on all bad ones in turn. */
export async function runManyTimes(subject: Subject, runs: number, allowedHeapMb: number): Promise<LeakReport> {
  const relays: Closable[] = []
  try {
    const variants = await prepareVariants(subject, relays)
    const stop = new AbortController()
    const wrong = new Map<string, number>()
    const runAll = async (count: number) => {
      for (const [index, variant] of variants.entries()) {
        const share = index === 0 ? Math.ceil(count / 2) : Math.ceil(count / 2 / (variants.length - 1))
        await repeat(share, AT_ONCE, async () => {
          const verdict = await variant.check.verdict(stop.signal)
          if ((verdict === 'pass') === variant.passes) return
          const complaint = `${variant.name}: ${verdict}`
          wrong.set(complaint, (wrong.get(complaint) ?? 0) + 1)
        })
      }
    }
    // What is loaded and compiled once, and what the servers of the tests remember, is there before.
    await runAll(Math.min(runs / 3, 1000))
    await settled(subject)
    const before = footprint(stop.signal)
    const started = performance.now()
    await runAll(runs)
    const seconds = (performance.now() - started) / 1000
    const left = await settled(subject, () => growth(before, footprint(stop.signal), allowedHeapMb))
    const complaints = [...[...wrong].map(([complaint, times]) => `${times} x ${complaint}`), ...left]
    return { subject: subject.name, runs, seconds, before, after: footprint(stop.signal), complaints }
  } finally {
    for (const relay of relays) await relay.close()
  }
}

/** Waits until the server has no connection left and nothing is complained of; resolves with what is after all. */
async function settled(subject: Subject, complaints: () => readonly string[] = () => []): Promise<readonly string[]> {
  let last: readonly string[] = []
  const assertion = async () => {
    const left = complaints() // before a process is started to ask the server
    const connections = await subject.connections()
    last = [...left, ...(connections === 0 ? [] : [`${connections} connections in the server`])]
    assert.deepEqual(last, [])
  }
  return eventually(assertion, SETTLED_WITHIN_MS, 100).then(
    () => [],
    () => last,
  )
}

async function prepareVariants(subject: Subject, relays: Closable[]): Promise<readonly Variant[]> {
  const { type, port, options, words, wrongPassword, certificates } = subject
  /** Who waits for nothing passes wherever it can connect. */
  const passes = words.silence === undefined
  const prepare = async (name: string, aim: Aim, expected: Pick<Variant, 'passes'>, timeoutMs = LONG_MS) => ({
    name,
    check: await prepareCheck(type, { target: { host: '127.0.0.1', port: aim.port }, timeoutMs }, aim.options),
    ...expected,
  })
  const spoiled = async (name: string, downstream: Downstream, timeoutMs?: number) => {
    const relay = await startRelay(port, downstream)
    relays.push(relay)
    const hurry = timeoutMs === undefined || passes ? {} : inTime(subject, timeoutMs)
    const aim = { port: relay.port, options: { ...options, ...hurry } }
    return prepare(name, aim, { passes }, passes ? undefined : timeoutMs)
  }
  const bad: Readonly<Record<string, Aim>> = {
    refused: { port: nobody.port, options },
    ...(wrongPassword && { 'wrong password': wrongPassword }),
    ...certificates,
  }
  return Promise.all([
    prepare('healthy', subject, { passes: true }),
    spoiled('silent', silentAfter(0), SILENCE_MS),
    spoiled('nonsense', nonsense, SILENCE_MS),
    spoiled('half closed', halfClosedAfter(5)),
    // A connection that is reset may have been there for a moment.
    ...(passes ? [] : [spoiled('reset', resetAtOnce)]),
    ...Object.entries(bad).map(([name, aim]) => prepare(name, aim, { passes: false })),
  ])
}
