import * as z from 'zod'
import type { Problem } from '../core/config/problems.ts'
import { durationMs, positiveDurationMs, text } from '../core/config/schema.ts'
import { problemAt, type Sources } from '../core/config/sources.ts'
import type { CommandConfig, DrainConfig, HooksConfig, WarmUpConfig } from './model.ts'
import { DEFAULT_INTERVALS, MIN_INTERVALS } from './warm-up.ts'

/**
 * The keys of a service that say how it comes and goes: go-nerve's warm-up, commands and drain (reference
 * blablacar-yelp.md 1.4), in the words of our own files and off unless they are given.
 */

/** How long `drained` is asked unless the configuration says otherwise, as go-nerve. */
const MAX_DRAIN_MS = 60_000
/** What readers of BlaBlaCar's payload want to see, since there is always a weight in it: 0 would be none of the traffic. */
const WHOLE_WEIGHT = 255

const COMMAND_EXPECTED = 'expected a command line for sh, or a program and its arguments as a list'
const command = () =>
  z
    .union([text, z.array(z.string()).min(1, COMMAND_EXPECTED)], { error: COMMAND_EXPECTED })
    .transform((line): readonly string[] => (typeof line === 'string' ? ['/bin/sh', '-c', line] : line))
    .describe('A program and its arguments as a list, or a command line for sh. It has the environment of nerve.')

/** Defaults are in seconds. */
const once = (timeout: number) =>
  z.strictObject({
    command: command(),
    timeout: positiveDurationMs
      .prefault(timeout)
      .describe(`After this time it is killed, with all that it started. Default: ${timeout} seconds.`),
  })

const hook = (timeout: number) =>
  once(timeout).transform(({ command, timeout: timeoutMs }): CommandConfig => ({ command, timeoutMs }))

const repeatedHook = (timeout: number) =>
  once(timeout)
    .extend({
      interval: positiveDurationMs.prefault(1).describe('From the end of a run to the next. Default: 1 second.'),
    })
    .transform(({ command, timeout: timeoutMs, interval }) => ({ command, timeoutMs, intervalMs: interval }))

const warmUp = () =>
  z
    .strictObject({
      interval: positiveDurationMs
        .prefault(2)
        .describe('Time on each of the 13 weights, of which the last is the whole. Default: 2 seconds.'),
      max_duration: positiveDurationMs
        .optional()
        .describe(
          `After this time the weight is whole, however often stable failed or the registry was away. Default: ${DEFAULT_INTERVALS} times the interval; at least ${MIN_INTERVALS} times.`,
        ),
      stable: repeatedHook(2)
        .optional()
        .describe('Run again and again while the weight grows: a failure starts it at 1 again. Default: none.'),
    })
    .superRefine(({ interval, max_duration: max }, context) => {
      const least = MIN_INTERVALS * interval
      if (max === undefined || max >= least) return
      const message = `expected at least ${MIN_INTERVALS} times the interval, which is ${least / 1000} seconds`
      context.addIssue({ code: 'custom', path: ['max_duration'], message })
    })
    .transform(
      ({ interval, max_duration: max = DEFAULT_INTERVALS * interval, stable }): WarmUpConfig => ({
        intervalMs: interval,
        maxDurationMs: max,
        stableCommand: stable,
      }),
    )

const hooks = () =>
  z
    .strictObject({
      before_available: hook(1)
        .optional()
        .describe('Run before the registration, each time the service becomes available. Default: none.'),
      shutdown: hook(30).optional().describe('Run when nerve stops, once the service is taken down. Default: none.'),
      drained: repeatedHook(1)
        .optional()
        .describe(
          'Asked again and again, once the service is taken down, whether its last client has gone: exit status 0 says so. Default: none.',
        ),
    })
    .transform(
      ({ before_available, shutdown, drained }): HooksConfig => ({
        beforeAvailable: before_available,
        shutdown,
        drained,
      }),
    )

const DRAIN_EXPECTED = 'expected a duration, or a map with min and max'
const drain = () =>
  z
    .union(
      [
        durationMs.transform((min) => ({ min, max: undefined })),
        z.strictObject({
          min: durationMs.prefault(0).describe('Taking the service down lasts at least this long. Default: 0.'),
          max: durationMs
            .optional()
            .describe('The longest time to ask hooks.drained. Default: 1 minute, or min if that is longer.'),
        }),
      ],
      { error: DRAIN_EXPECTED },
    )
    .superRefine(({ min, max }, context) => {
      if (max === undefined || max >= min) return
      context.addIssue({
        code: 'custom',
        path: ['max'],
        message: `expected at least min, which is ${min / 1000} seconds`,
      })
    })
    .transform(({ min, max }): DrainConfig => ({ minMs: min, maxMs: max ?? Math.max(MAX_DRAIN_MS, min) }))

export const availabilityKeys = () => ({
  warm_up: warmUp()
    .optional()
    .describe(
      'Let the weight grow from 1 to the whole one (weight, or 255 without one) each time the service becomes available. Default: the whole weight at once.',
    ),
  hooks: hooks()
    .optional()
    .describe('Commands around the coming and going of the service. One that fails is logged, and holds up nothing.'),
  drain: drain()
    .optional()
    .describe(
      'How long taking the service down, by hand or at the end of nerve, waits for its clients: min to max, or a duration for min alone. The drain at the top level comes after it. Default: not at all.',
    ),
  down_on_shutdown: z
    .boolean()
    .default(true)
    .describe(
      'Whether the end of nerve takes the service down; false leaves the registration to the timeout of its session. Default: true.',
    ),
  exclude_from_global_disable: z
    .boolean()
    .default(false)
    .describe('Only a request that names this service disables it. Default: false.'),
  publish_availability: z
    .boolean()
    .default(false)
    .describe(
      "Publish BlaBlaCar's payload: with available, a weight (255 unless weight says otherwise), and unavailable_reason while a service that is down stays visible. Default: false, Airbnb's.",
    ),
})

type Parsed = z.output<z.ZodObject<ReturnType<typeof availabilityKeys>>>

/** The model of these keys. */
export function availabilityOf(parsed: Parsed & { readonly weight?: number | undefined }) {
  const { warm_up, hooks, drain, down_on_shutdown, exclude_from_global_disable, publish_availability } = parsed
  return {
    publishAvailability: publish_availability,
    weight: parsed.weight ?? (publish_availability ? WHOLE_WEIGHT : undefined),
    warmUp: warm_up,
    hooks,
    // Without an end, a command that never agrees would hold up the stop of nerve for ever.
    drain: drain ?? (hooks === undefined ? undefined : { minMs: 0, maxMs: MAX_DRAIN_MS }),
    downOnShutdown: down_on_shutdown,
    excludeFromGlobalDisable: exclude_from_global_disable,
  }
}

type ReporterKeys = Readonly<Record<string, unknown>>

/** Warns of keys of a service that another one keeps from having any effect. */
export function idleKeys(
  name: string,
  service: Parsed & { readonly reporters: readonly ReporterKeys[] },
  sources: Sources,
): readonly Problem[] {
  const warn = (path: readonly (string | number)[], message: string) =>
    problemAt(sources, ['services', name, ...path], message, { severity: 'warning', atKey: true })
  const { hooks, down_on_shutdown, publish_availability, reporters } = service
  const shutdown =
    hooks?.shutdown === undefined || down_on_shutdown
      ? []
      : [warn(['hooks', 'shutdown'], 'never run: with down_on_shutdown: false the end of nerve does not take it down')]
  const exposing: readonly { readonly path: readonly (string | number)[]; readonly reporter: ReporterKeys }[] = [
    { path: [], reporter: { ...service } },
    ...reporters.map((reporter, index) => ({ path: ['reporters', index], reporter })),
  ]
  const exposed = exposing
    .filter(({ reporter }) => reporter['expose_on_unavailable'] === true && !publish_availability)
    .map(({ path }) =>
      warn([...path, 'expose_on_unavailable'], 'without effect: only with publish_availability: true can it be told'),
    )
  return [...shutdown, ...exposed]
}
