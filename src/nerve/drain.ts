import { pause } from '../core/clock.ts'
import { type HookContext, runHook } from './hooks.ts'
import type { DrainConfig, HooksConfig, ServiceConfig } from './model.ts'

export interface DrainOptions {
  readonly drain: DrainConfig | undefined
  readonly hooks: HooksConfig | undefined
  /** nerve stops: run the shutdown command too. */
  readonly shutdown: boolean
  /** When the service was taken down, on the clock. */
  readonly started: number
}

/** How long taking a service down lasts, from when it is down: at least, and at most. */
export function drainBounds({ drain, hooks }: Pick<ServiceConfig, 'drain' | 'hooks'>) {
  const { minMs, maxMs } = drain ?? NO_DRAIN
  const leastMs = hooks?.drained === undefined ? minMs : Math.min(minMs, maxMs)
  return { leastMs, mostMs: hooks?.drained === undefined ? minMs : Math.max(minMs, maxMs) }
}

const NO_DRAIN: DrainConfig = { minMs: 0, maxMs: Number.POSITIVE_INFINITY }

/**
 * Gives the clients of a service that was just taken down the time to go: the shutdown command, then the drained command
 * until it agrees, and never less than the least time. When `maxMs` have passed without its agreement that is enough,
 * whatever the least time (go-nerve's rules, reference blablacar-yelp.md 1.6). Resolves early when `signal` aborts.
 */
export async function drainClients(
  { drain, hooks = {}, shutdown, started }: DrainOptions,
  context: HookContext,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = context
  const passed = () => clock.now() - started
  if (shutdown && hooks.shutdown !== undefined) await runHook('disable-shutdown', hooks.shutdown, context, signal)
  const { drained } = hooks
  const { minMs, maxMs } = drain ?? NO_DRAIN
  if (drained !== undefined) {
    while (!signal.aborted) {
      const left = maxMs - passed()
      if (left <= 0) {
        log.warn('clients have not gone in time', { ms: Math.round(passed()) })
        return
      }
      const timeoutMs = Math.min(drained.timeoutMs, left)
      if (await runHook('disable-grace', { ...drained, timeoutMs }, context, signal)) break
      await pause(clock, Math.min(drained.intervalMs, Math.max(0, maxMs - passed())), signal)
    }
  }
  if (passed() < minMs) await pause(clock, minMs - passed(), signal)
}
