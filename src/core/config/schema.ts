import * as z from 'zod'

/** The building blocks of both daemons' schemas. Each turns what people write into what the code uses, once. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/
const DURATION_EXPECTED = 'expected a duration: seconds as a number, or text like 500ms, 2s, 1m'

/** The longest time that a timer of Node can wait; anything above would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * A duration: a number of seconds (Airbnb's way, fractions allowed) or a string with a unit (`500ms`, `2s`, `1m`, `1h`, `1d`).
 * The parsed value is in milliseconds, at most 24 days.
 */
export const durationMs = z
  .union([z.number().nonnegative(DURATION_EXPECTED), z.string().regex(DURATION, DURATION_EXPECTED)], {
    error: DURATION_EXPECTED,
  })
  .transform(toMs)
  .refine((ms) => ms <= MAX_TIMER_MS, 'expected at most 24 days')

/** A duration that is longer than nothing. */
export const positiveDurationMs = durationMs.refine((ms) => ms > 0, 'expected a duration longer than 0')

function toMs(value: number | string): number {
  if (typeof value === 'number') return value * 1000
  const [, amount, unit] = DURATION.exec(value) ?? []
  return Number(amount) * (UNIT_MS[unit ?? ''] ?? 1)
}

const MAX_PORT = 65_535
const PORT_EXPECTED = 'expected a port number, 1 to 65535'

/** A port, 1 to 65535, as a number or a string of digits (Airbnb's nerve), kept as it is written. */
export const portAsWritten = z.union(
  [
    z.int(PORT_EXPECTED).min(1, PORT_EXPECTED).max(MAX_PORT, PORT_EXPECTED),
    z
      .string()
      .regex(/^\d{1,5}$/, PORT_EXPECTED)
      .refine((digits) => Number(digits) >= 1 && Number(digits) <= MAX_PORT, PORT_EXPECTED),
  ],
  { error: PORT_EXPECTED },
)

/** A port, 1 to 65535. A string of digits is accepted. The parsed value is a number. */
export const port = portAsWritten.transform(Number)

/** A non-empty string. */
export const text = z.string().min(1, 'must not be empty')

/** A whole number of at least `min`. */
export const count = (min: number) => z.int().min(min)

/** A whole number of at least 0, or its digits. The parsed value is a number. */
export const wholeNumber = z
  .union([z.int().min(0), z.string().regex(/^\d+$/, 'expected a whole number')], { error: 'expected a whole number' })
  .transform(Number)

/**
 * A key that old configurations carry and nothing reads: always a warning, never an error. `why` follows "ignored: ".
 */
export const ignoredKey = (why: string) =>
  z
    .unknown()
    .superRefine((_, context) => {
      context.addIssue({ code: 'custom', message: `ignored: ${why}`, params: { ignoredKey: true } })
    })
    .optional()
    .meta({ deprecated: true, description: `Ignored: ${why}.` })
