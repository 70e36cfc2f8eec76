import * as z from 'zod'
import { type AdminAnswer, type AdminRoute, json } from '../core/admin-routes.ts'
import { nearestKey } from '../core/config/nearest-key.ts'
import { phrase } from '../core/config/phrases.ts'
import { durationMs } from '../core/config/schema.ts'
import type { ManualCommand, ManualControl } from './manual-control.ts'
import { ALL, entryState, type ManualService, servicesOf, targetsOf } from './manual-state.ts'
import type { ServiceState } from './service-runner.ts'

/** A service that manual state acts on, and how it is. */
export interface ManualApiService extends ManualService {
  state(): ServiceState
}

export interface ManualApi {
  readonly control: Pick<ManualControl, 'say' | 'forget' | 'status'>
  readonly services: () => readonly ManualApiService[]
  /** ms since 1970. */
  readonly now: () => number
  /** What the configuration calls `state_directory`. */
  readonly directoryKey: () => string
}

/** Text that goes into logs, files, znodes and terminals: one line of it. */
const oneLine = z
  .string()
  .trim()
  .max(500)
  .refine((text) => !/\p{Cc}/u.test(text), 'expected one line of text')

const WEIGHT = 'expected a weight from 1 to 255, or default for what the configuration says'

/** The body of a PUT; its query may say the same. */
const commandSchema = z
  .strictObject({
    state: z.enum(['enabled', 'disabled', 'forced']).optional(),
    weight: z
      .union([z.literal('default'), z.int(), z.string().regex(/^\d+$/).transform(Number)], { error: WEIGHT })
      .refine((weight) => weight === 'default' || (weight >= 1 && weight <= 255), WEIGHT)
      .optional(),
    reason: oneLine.default(''),
    by: oneLine.optional(),
    expires_in: z
      .union([
        z.number(),
        z
          .string()
          .regex(/^\d+(\.\d+)?$/)
          .transform(Number),
        z.string(),
      ])
      .pipe(durationMs)
      .refine((ms) => ms > 0, 'expected a duration longer than 0')
      .optional(),
    expires_at: z.iso.datetime({ offset: true, error: 'expected a time like 2030-01-31T18:00:00Z' }).optional(),
  })
  .refine(({ state, weight }) => state !== undefined || weight !== undefined, 'give a state or a weight')
  .refine(
    ({ expires_in, expires_at }) => expires_in === undefined || expires_at === undefined,
    'give expires_in or expires_at, not both',
  )
  .refine(
    ({ state, weight, expires_in, expires_at }) =>
      state !== 'enabled' || weight !== undefined || (expires_in ?? expires_at) === undefined,
    'enabled takes no expiry: it is what there is when nothing is said',
  )

const KNOWN_KEYS = Object.keys(commandSchema.shape).join(', ')

/**
 * The routes of manual state: GET `/manual` and `/manual/TARGET` tell, PUT and DELETE of a target change. A change is
 * answered at once; 202 says that `done` is still to come, which GET tells.
 */
export function manualRoutes(api: ManualApi): readonly AdminRoute[] {
  const { control, services } = api
  return [
    {
      ...{ methods: ['GET'], path: '/manual', changes: false },
      answer: () => json(200, { ...keeping(api), entries: entriesOf(control), services: services().map(tell) }),
    },
    {
      ...{ methods: ['GET'], path: '/manual/:target', changes: false },
      answer: ({ parameters }) => known(api, parameters, async (target) => json(200, tellTarget(api, target))),
    },
    {
      ...{ methods: ['PUT'], path: '/manual/:target', changes: true },
      answer: ({ parameters, query, body }) =>
        known(api, parameters, async (target) => {
          const read = readCommands(target, query, body, api.now())
          if (!read.ok) return json(400, { error: read.error })
          const kept = read.commands.map((command) => control.say(command))
          if (read.forgetsWeight) kept.push(control.forget(target, 'weight', read.by))
          await Promise.all(kept)
          return changed(api, target)
        }),
    },
    {
      ...{ methods: ['DELETE'], path: '/manual/:target', changes: true },
      answer: ({ parameters, query }) =>
        known(api, parameters, async (target) => {
          const by = oneLine.safeParse(query.get('by'))
          await control.forget(target, undefined, by.success ? by.data : undefined)
          return changed(api, target)
        }),
    },
  ]
}

/** 404 for a target that means nothing here. One that is only remembered, of a service that is gone, is known. */
function known(
  { control, services }: ManualApi,
  { target = '' }: Readonly<Record<string, string>>,
  use: (target: string) => Promise<AdminAnswer>,
): AdminAnswer | Promise<AdminAnswer> {
  const all = services()
  const isRemembered = control.status.entries.some((entry) => entry.target === target)
  if (target === ALL || isRemembered || servicesOf(target, all).length > 0) return use(target)
  const names = all.map(({ name }) => name)
  const nearest = nearestKey(target, [...new Set([ALL, ...all.flatMap(targetsOf)])])
  return json(404, { error: `no service ${target}`, nearest: nearest ?? null, services: names })
}

type ReadCommands =
  | {
      readonly ok: true
      readonly commands: readonly ManualCommand[]
      readonly forgetsWeight: boolean
      readonly by: string | undefined
    }
  | { readonly ok: false; readonly error: string }

function readCommands(target: string, query: URLSearchParams, body: string, now: number): ReadCommands {
  const sent = bodyOf(body)
  if (sent === undefined) return { ok: false, error: 'expected JSON: a map with state or weight' }
  const parsed = commandSchema.safeParse({ ...Object.fromEntries(query), ...sent }, { error: phrase })
  if (!parsed.success) return { ok: false, error: sentenceOf(parsed.error) }
  const { state, weight, reason, by, expires_in: expiresInMs, expires_at } = parsed.data
  const expiresAt = expires_at === undefined ? expiresInMs && now + expiresInMs : Date.parse(expires_at)
  if (expiresAt !== undefined && expiresAt <= now) return { ok: false, error: 'expires_at: that time has passed' }
  const common = { target, reason, by }
  const commands: ManualCommand[] = []
  if (state === 'enabled') commands.push({ ...common, says: { kind: state } })
  else if (state !== undefined) commands.push({ ...common, says: { kind: state }, expiresAt })
  const forgetsWeight = weight === 'default'
  if (weight !== undefined && !forgetsWeight) commands.push({ ...common, says: { kind: 'weight', weight }, expiresAt })
  return { ok: true, commands, forgetsWeight, by }
}

function bodyOf(body: string): object | undefined {
  if (body.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined // not JSON; the answer says what is expected
  }
}

const sentenceOf = ({ issues }: z.ZodError) =>
  issues
    .map((issue) => {
      if (issue.code === 'unrecognized_keys') return `${issue.keys.join(', ')}: unknown key, known are ${KNOWN_KEYS}`
      return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
    })
    .join('; ')

function changed(api: ManualApi, target: string): AdminAnswer {
  const told = tellTarget(api, target)
  return json(told.done ? 200 : 202, told)
}

/** What is said of a target, and how far its services have come with that. */
function tellTarget(api: ManualApi, target: string) {
  const { control, services } = api
  const meant = servicesOf(target, services())
  const told = meant.map(tell)
  const related = new Set([target, ...meant.flatMap(targetsOf)])
  const entries = entriesOf(control).filter((entry) => related.has(entry.target))
  const isDown = entries.some((entry) => entry.target === target && entry.says === 'disabled')
  const asked = isDown ? told.filter(({ state }) => state === 'disabled') : told // some keep out of `all`
  return { target, ...keeping(api), entries, services: told, done: asked.every(({ done }) => done) }
}

const entriesOf = ({ status }: ManualApi['control']) => status.entries.map(entryState)

function keeping({ control, directoryKey }: ManualApi) {
  const { file, kept, problem } = control.status
  const hint = file === null ? `not kept over a restart: set ${directoryKey()}` : null
  return { kept, file, problem, hint }
}

function tell(service: ManualApiService) {
  const { name, host, port, status, reason, registered, error, availability } = service.state()
  const { manual, byHand, weightByHand, currentWeight, maxWeight, draining, isSettled } = availability
  return {
    ...{ service: name, host, port, state: manual, by_hand: byHand, weight_by_hand: weightByHand },
    ...{ health: status, why: reason, weight: currentWeight, max_weight: maxWeight, registered, error },
    draining:
      draining === null
        ? null
        : {
            since: new Date(draining.since).toISOString(),
            seconds_left: { least: secondsOf(draining.leastMs), most: secondsOf(draining.mostMs) },
          },
    /** Disabled: out of every registry, and its clients had their time. Else: up, and every registry says so. */
    done: isSettled && draining === null && (manual === 'disabled' || status === 'up'),
  }
}

/** null: there is no limit. */
const secondsOf = (ms: number) => (Number.isFinite(ms) ? Math.ceil(ms / 100) / 10 : null)
