import * as z from 'zod'

/** What nerve's `/manual` says, as far as `smartstack` uses it; other releases may say more. */

export const manualEntry = z.looseObject({
  target: z.string(),
  says: z.string(),
  weight: z.number().nullish(),
  reason: z.string().default(''),
  by: z.string().nullish(),
  since: z.string(),
  expires_at: z.string().nullish(),
})

export const manualService = z.looseObject({
  service: z.string(),
  host: z.string(),
  port: z.number(),
  state: z.string(),
  by_hand: manualEntry.nullish(),
  weight_by_hand: manualEntry.nullish(),
  health: z.string(),
  why: z.string().nullish(),
  weight: z.number(),
  max_weight: z.number(),
  registered: z.boolean(),
  error: z.string().nullish(),
  draining: z
    .looseObject({
      since: z.string(),
      seconds_left: z.looseObject({ least: z.number().nullish(), most: z.number().nullish() }),
    })
    .nullish(),
  done: z.boolean(),
})

const keeping = {
  kept: z.boolean(),
  file: z.string().nullish(),
  problem: z.string().nullish(),
  hint: z.string().nullish(),
  entries: z.array(manualEntry),
  services: z.array(manualService),
}

/** The answer about everything. */
export const manualOverview = z.looseObject(keeping)

/** The answer about one target. */
export const manualTarget = z.looseObject({ target: z.string(), ...keeping, done: z.boolean() })

export const manualRefusal = z.looseObject({
  error: z.string(),
  nearest: z.string().nullish(),
  services: z.array(z.string()).optional(),
})

export type ManualEntryAnswer = z.output<typeof manualEntry>
export type ManualServiceAnswer = z.output<typeof manualService>
export type ManualOverview = z.output<typeof manualOverview>
export type ManualTarget = z.output<typeof manualTarget>
