/** Addresses as HAProxy takes them. Its own resolver of names is only asked when a file is loaded. */
export type Address =
  | { readonly kind: 'ip'; readonly host: string }
  | { readonly kind: 'name'; readonly host: string }
  | { readonly kind: 'invalid' }

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}))*\.?$/
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d\d|\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d\d|\d)$/
const LEADING_ZERO = /(?:^|\.)0\d/

/** Reads the host of an instance. IPv6 comes back in the one spelling that HAProxy reports, so that it can be compared. */
export function parseHost(host: string): Address {
  if (host.includes(':')) {
    const groups = parseIpv6(host)
    return groups === undefined ? { kind: 'invalid' } : { kind: 'ip', host: formatIpv6(groups) }
  }
  if (isIpv4(host)) return { kind: 'ip', host }
  if (/^[\d.]+$/.test(host)) return { kind: 'invalid' }
  return HOST_NAME.test(host) ? { kind: 'name', host } : { kind: 'invalid' }
}

function isIpv4(text: string): boolean {
  return IPV4.test(text) && !LEADING_ZERO.test(text)
}

function parseIpv6(text: string): readonly number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(parseGroups)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  if (tail === undefined || head.length + tail.length > 7) return undefined
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Reads groups between `::`; the last may be an IPv4 address. */
function parseGroups(text: string): readonly number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part.includes('.')) {
      if (!isIpv4(part)) return undefined
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
      groups.push(a * 256 + b, c * 256 + d)
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

/** RFC 5952: lower case, and the longest run of two or more zero groups as `::`. IPv4-mapped ones keep their dots. */
function formatIpv6(groups: readonly number[]): string {
  const [hi = 0, lo = 0] = groups.slice(6)
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${hi >> 8}.${hi & 255}.${lo >> 8}.${lo & 255}`
  }
  const hex = groups.map((group) => group.toString(16))
  const run = longestZeroRun(groups)
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}
