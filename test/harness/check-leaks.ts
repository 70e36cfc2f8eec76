import assert from 'node:assert/strict'
import { type CheckUnderTest, nobody, type Options, prepareCheck, repeat } from './check.ts'
import { type Closable, inTime, type Subject } from './check-subject.ts'
import { eventually } from './eventually.ts'
import { type Footprint, footprint, growth } from './footprint.ts'
import { type Downstream, halfClosedAfter, silentAfter, startRelay } from './relay.ts'

/** Of the runs on a server that says nothing. */
const SILENCE_MS = 10
/** As many services have a check of the same server. */
const AT_ONCE = 5
const SETTLED_WITHIN_MS = 20_000

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
    const connections = await subject.connections()
    last = [...complaints(), ...(connections === 0 ? [] : [`${connections} connections in the server`])]
    assert.deepEqual(last, [])
  }
  return eventually(assertion, SETTLED_WITHIN_MS, 100).then(
    () => [],
    () => last,
  )
}

async function prepareVariants(subject: Subject, relays: Closable[]): Promise<readonly Variant[]> {
  const { type, port, options, words, wrongPassword, certificates } = subject
  const local = (to: number) => ({ host: '127.0.0.1', port: to })
  const answers = words.silence !== undefined
  const variant = async (
    name: string,
    to: number,
    more: Options,
    passes = false,
    timeoutMs = 5000,
  ): Promise<Variant> => {
    const check = await prepareCheck(type, { target: local(to), timeoutMs }, more)
    return { name, check, passes }
  }
  const relayed = async (downstream: Downstream) => {
    const relay = await startRelay(port, downstream)
    relays.push(relay)
    return relay.port
  }
  const hasty = { ...options, ...inTime(subject, SILENCE_MS) }
  const starting = [
    variant('healthy', port, options, true),
    variant('refused', nobody.port, options),
    answers
      ? variant('silent', await relayed(silentAfter(0)), hasty, false, SILENCE_MS)
      : variant('silent', await relayed(silentAfter(0)), options, true),
    variant('half closed', await relayed(halfClosedAfter(5)), options, !answers),
  ]
  if (wrongPassword !== undefined) {
    starting.push(variant('wrong password', wrongPassword.port, wrongPassword.options))
  }
  for (const [kind, aim] of Object.entries(certificates ?? {})) {
    starting.push(variant(`certificate ${kind}`, aim.port, aim.options))
  }
  return Promise.all(starting)
}
