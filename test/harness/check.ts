import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.ts'
import type { Logger } from '../../src/core/log.ts'
import { runCheck } from '../../src/nerve/check-runner.ts'
import type { Check, CheckType, Target } from '../../src/nerve/checks/check.ts'
import { eventually } from './eventually.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

/** The verdicts of a configured check, as the runner gets them. */
export interface CheckUnderTest {
  readonly check: Check
  /** Runs the check once: `pass`, or the reason why not. */
  verdict(signal?: AbortSignal): Promise<string>
}

export interface CheckSetup {
  readonly target: Target
  /** Default 5 s: far more than a loaded machine needs, so that only what never comes meets it. */
  readonly timeoutMs?: number
}

/** Configures a check as nerve does: its options go through its schema. */
export async function prepareCheck(
  type: CheckType,
  { target, timeoutMs = 5000 }: CheckSetup,
  options: Readonly<Record<string, unknown>> = {},
): Promise<CheckUnderTest> {
  const parsed = type.options.strict().parse(options)
  const check = await type.prepare({ target, timeoutMs, log: silent, clock: systemClock }, parsed)
  return {
    check,
    async verdict(signal = new AbortController().signal) {
      const run = await runCheck(check, check.deadlineMs ?? timeoutMs, systemClock, signal)
      if (run.kind === 'stopped') return 'stopped'
      return run.result.ok ? 'pass' : run.result.reason
    },
  }
}

/** What a target does when nobody listens there. */
export const nobody = { host: '127.0.0.1', port: 1 } // tcpmux; nothing uses it

/** What keeps this process busy now, by kind: open sockets, timers, pipes. */
export function openResources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'TTYWrap' && kind !== 'PipeWrap') counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** Runs `work` many times and asserts that it leaves no socket, timer or request open that was not there before. */
export async function assertNothingLeft(work: () => Promise<void>): Promise<void> {
  const before = openResources()
  await work()
  await eventually(() => {
    const more = Object.entries(openResources()).filter(([kind, count]) => count > (before[kind] ?? 0))
    assert.deepEqual(Object.fromEntries(more), {})
  })
}

/** Does `work` `times` times, `atOnce` at once, as many services do. */
export async function repeat(times: number, atOnce: number, work: () => Promise<void>): Promise<void> {
  let left = times
  const worker = async () => {
    while (left > 0) {
      left -= 1
      await work()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
