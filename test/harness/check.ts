import assert from 'node:assert/strict'
import { systemClock } from '../../src/core/clock.ts'
import type { Logger } from '../../src/core/log.ts'
import { runCheck } from '../../src/nerve/check-runner.ts'
import type { Check, CheckType, Target } from '../../src/nerve/checks/check.ts'
import { createLimit } from '../../src/nerve/checks/deadline.ts'
import { eventually } from './eventually.ts'
import { type Behaviour, startTcpServer, type TcpServer } from './tcp-server.ts'

/** Options of a check as a file has them. */
export type Options = Readonly<Record<string, unknown>>

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

/** The verdicts of a configured check, as the runner gets them. */
export interface CheckUnderTest {
  readonly check: Check
  /** Runs the check once: `pass`, or the reason why not. */
  verdict(signal?: AbortSignal): Promise<string>
}

export interface CheckSetup {
  readonly target: Target
  /** Default 20 s: far more than a loaded machine needs, so that only what never comes meets it. */
  readonly timeoutMs?: number
}

/** Configures a check as nerve does: its options go through its schema. */
export async function prepareCheck(
  type: CheckType,
  { target, timeoutMs = 20_000 }: CheckSetup,
  options: Options = {},
): Promise<CheckUnderTest> {
  const parsed = type.options.strict().parse(options)
  const check = await type.prepare({ target, timeoutMs, log: silent, clock: systemClock }, parsed)
  return {
    check,
    async verdict(signal = new AbortController().signal) {
      const limit = createLimit(systemClock, check.deadlineMs ?? timeoutMs, () => check.waitingFor?.() ?? 'answer')
      const onAbort = () => limit.stop(signal.reason)
      signal.addEventListener('abort', onAbort)
      const run = await runCheck(check, limit, systemClock)
      signal.removeEventListener('abort', onAbort)
      if (run.kind === 'stopped') return 'stopped'
      return run.result.ok ? 'pass' : run.result.reason
    },
  }
}

/** A check type with the options that a suite's tests have in common. */
export interface ChecksOf {
  check(target: { readonly port: number }, options?: Options, timeoutMs?: number): Promise<CheckUnderTest>
  /** Configures a check and runs it once. */
  verdict(target: { readonly port: number }, options?: Options, timeoutMs?: number): Promise<string>
}

/** Checks of 127.0.0.1. `common` may be a function of what is known only when the tests run. */
export function checksOf(type: CheckType, common: Options | (() => Options) = {}): ChecksOf {
  const check: ChecksOf['check'] = ({ port }, options = {}, timeoutMs) => {
    const shared = typeof common === 'function' ? common() : common
    const setup = { target: { host: '127.0.0.1', port }, ...(timeoutMs !== undefined && { timeoutMs }) }
    return prepareCheck(type, setup, { ...shared, ...options })
  }
  return { check, verdict: async (...aim) => (await check(...aim)).verdict() }
}

/** Servers that live as long as a test. */
export interface Servers {
  /** Closes it after the test. */
  keep<Server extends { close(): Promise<void> }>(starting: Promise<Server>): Promise<Server>
  tcp(behaviour: Behaviour, host?: string): Promise<TcpServer>
  /** Closes them now. */
  close(): Promise<void>
}

/** To be called in a `describe`. */
export function useServers(): Servers {
  const started: { close(): Promise<void> }[] = []
  const servers: Servers = {
    async keep(starting) {
      const server = await starting
      started.push(server)
      return server
    },
    tcp: (behaviour, host) => servers.keep(startTcpServer(behaviour, host)),
    async close() {
      for (const server of started.splice(0)) await server.close()
    },
  }
  afterEach(() => servers.close())
  return servers
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
