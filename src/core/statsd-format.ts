/** One metric for a StatsD server. */
export interface StatsdMetric {
  readonly name: string
  /** Counter, timer in ms, gauge. */
  readonly type: 'c' | 'ms' | 'g'
  readonly value: number
  /** `key:value` each. */
  readonly tags?: readonly string[]
}

/** A counter that rises by one. */
export const counted = (name: string, ...tags: readonly string[]): StatsdMetric => ({ name, type: 'c', value: 1, tags })

export const timed = (name: string, ms: number, ...tags: readonly string[]): StatsdMetric => ({
  ...{ name, type: 'ms', value: Math.round(ms) },
  tags,
})

export const gauged = (name: string, value: number, ...tags: readonly string[]): StatsdMetric => ({
  ...{ name, type: 'g', value },
  tags,
})

/** Longer texts, e.g. of an error, would not fit into a datagram. */
const MAX_TAG_LENGTH = 200

/**
 * A datagram of DogStatsD as Airbnb's daemons send it: `name:value|type|@rate|#tag,tag` (reference airbnb.md 1).
 * @param rate the share of the samples that is sent; 1 is not written.
 */
export function formatMetric({ name, type, value, tags = [] }: StatsdMetric, rate: number): string {
  const sampled = rate === 1 ? '' : `|@${rate}`
  const tagged = tags.length === 0 ? '' : `|#${tags.map(cleanTag).join(',')}`
  return `${cleanName(name)}:${value}|${type}${sampled}${tagged}`
}

const cleanName = (name: string) => name.replaceAll('::', '.').replaceAll(/[:|@]/g, '_')

/** A line break would start another metric. */
const cleanTag = (tag: string) =>
  tag
    .replaceAll(/[|,]/g, '')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_TAG_LENGTH)

/**
 * Airbnb's name of an ensemble, the value of `zk_cluster`: of the first host in sorted order, what is before the first
 * dot and up to the last character that is no digit; the whole host where nothing is left (reference airbnb.md 1).
 */
export function clusterName(hosts: readonly string[]): string {
  const [first = ''] = hosts.toSorted()
  const label = first.split('.')[0] ?? ''
  return label.replace(/\d+$/, '') || first
}
