import * as z from 'zod'
import { manualEntry } from './manual-answer.ts'

/**
 * What `/state` of a daemon says, as far as `smartstack status` shows it. Daemons of other releases may say more; what is
 * missing there is left out here.
 */

const session = z.looseObject({
  ensemble: z.string(),
  session: z.looseObject({ status: z.string(), reason: z.string().optional() }),
})

const nerveService = z.looseObject({
  name: z.string(),
  host: z.string(),
  port: z.number(),
  status: z.string(),
  reason: z.string().nullish(),
  registered: z.boolean(),
  error: z.string().nullish(),
  availability: z
    .looseObject({ manual: z.string(), draining: z.unknown().optional(), byHand: manualEntry.nullish() })
    .optional(),
  reporters: z.array(z.looseObject({ type: z.string(), path: z.string().nullish() })).default([]),
})

export const nerveState = z.looseObject({
  instanceId: z.string(),
  version: z.string(),
  config: z.string(),
  configError: z.string().nullish(),
  services: z.array(nerveService),
  manual: z
    .looseObject({ kept: z.boolean(), problem: z.string().nullish(), entries: z.array(manualEntry).default([]) })
    .optional(),
  sessions: z.array(session),
})

const synapseService = z.looseObject({
  name: z.string(),
  source: z.string(),
  discovered: z.boolean(),
  held: z.number().default(0),
  instances: z.array(z.looseObject({ name: z.string(), host: z.string(), port: z.number() })),
})

/** The haproxy generator's own part. */
export const haproxyState = z.looseObject({
  mode: z.string(),
  pid: z.number().nullish(),
  version: z.string().nullish(),
  connected: z.boolean(),
  reloads: z.number().optional(),
  last_reload: z.looseObject({ at: z.string(), reasons: z.array(z.string()).default([]) }).nullish(),
  waiting_for_reload: z.array(z.string()).default([]),
  file_error: z.string().nullish(),
  tombstones: z.number().optional(),
  not_settled_by_reload: z.array(z.string()).default([]),
  quarantined: z
    .array(z.looseObject({ service: z.string(), reason: z.string(), since: z.string(), meanwhile: z.string() }))
    .default([]),
  warnings: z.array(z.looseObject({ service: z.string().nullish(), message: z.string() })).default([]),
})

export const synapseState = z.looseObject({
  version: z.string(),
  config: z.string(),
  configError: z.string().nullish(),
  services: z.array(synapseService),
  generators: z.record(z.string(), z.looseObject({ error: z.string().nullish() })),
  sessions: z.array(session),
})

export type NerveState = z.output<typeof nerveState>
export type SynapseState = z.output<typeof synapseState>
export type HaproxyState = z.output<typeof haproxyState>
export type SessionEntry = z.output<typeof session>
