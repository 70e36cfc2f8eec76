import * as z from 'zod'

/** The building blocks of both daemons' schemas. Each turns what people write into what the code uses, once. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/

/**
 * A duration: a number of seconds (Airbnb's way, fractions allowed) or a string with a unit (`500ms`, `2s`, `1m`, `1h`, `1d`).
 * The parsed value is in milliseconds.
 */
export const durationMs = z
  .union([z.number().nonnegative(), z.string().regex(DURATION)], {
    error: 'expected a duration: seconds as a number, or a string like 500ms, 2s, 1m',
  })
  .transform(toMs)

function toMs(value: number | string): number {
  if (typeof value === 'number') return value * 1000
  const [, amount, unit] = DURATION.exec(value) ?? []
  return Number(amount) * (UNIT_MS[unit ?? ''] ?? 1)
}

/** A port, 1 to 65535. A string of digits is accepted, as Airbnb's nerve does. The parsed value is a number. */
export const port = z
  .union([z.number(), z.string().regex(/^\d+$/)], { error: 'expected a port number, 1 to 65535' })
  .transform(Number)
  .pipe(z.int('expected a port number, 1 to 65535').min(1, 'ports start at 1').max(65535, 'ports end at 65535'))

/** A non-empty string. */
export const text = z.string().min(1, 'must not be empty')

/** A whole number of at least `min`. */
export const count = (min: number) => z.int().min(min)
