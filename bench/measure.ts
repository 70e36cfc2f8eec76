/** What a measure must be. `stat` is `value` for a single value. */
export interface Target {
  readonly stat: Stat
  readonly atMost?: number
  readonly atLeast?: number
}

export const stats = ['p50', 'p90', 'p99', 'max', 'min', 'value'] as const
export type Stat = (typeof stats)[number]

/** One row of a table: a distribution (`n`, `p50` ...) or a single value. */
export interface Measure {
  readonly name: string
  /** `ms`, `s`, `MB`, `%`; empty for a count. */
  readonly unit: string
  readonly values: Readonly<Partial<Record<Stat | 'n', number>>>
  readonly targets: readonly Target[]
}

export interface ScenarioResult {
  readonly scenario: string
  /** What was done, in a sentence. */
  readonly title: string
  readonly measures: readonly Measure[]
}

export function distribution(
  name: string,
  unit: string,
  samples: readonly number[],
  targets: readonly Target[] = [],
): Measure {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (fraction: number) => sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? 0
  const values = { n: sorted.length, min: at(0), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
  return { name, unit, values, targets }
}

export function value(name: string, unit: string, amount: number, target: Omit<Target, 'stat'> | null = null): Measure {
  return { name, unit, values: { value: amount }, targets: target === null ? [] : [{ stat: 'value', ...target }] }
}

export function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1] ?? 0
}

/** Targets that the measure misses. A stat that is not there is missed. */
export function missed({ values, targets }: Measure): readonly Target[] {
  return targets.filter(({ stat, atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY }) => {
    const found = values[stat]
    return found === undefined || Number.isNaN(found) || found > atMost || found < atLeast
  })
}
