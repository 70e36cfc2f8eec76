import type { Backend } from './model.ts'
import { shorten } from './server-options.ts'

/** Why HAProxy has to be reloaded: sentences that name the service and what changed. */

export type Structure = ReadonlyMap<string, string>

/** Differences between what the worker was started with and what it shall be; `before` is undefined when nobody knows. */
export function structureReasons(
  before: Structure | undefined,
  after: Structure,
  backends: ReadonlyMap<string, Backend>,
): readonly string[] {
  if (before === after) return []
  if (before === undefined) return ['it is not known what the running HAProxy was started with']
  const subject = subjects(backends)
  const reasons: string[] = []
  for (const [header, text] of after) {
    const old = before.get(header)
    if (old === undefined) reasons.push(`${subject(header)} is new`)
    else if (old !== text) reasons.push(`${subject(header)}: ${lineChanges(old, text)}`)
  }
  for (const header of before.keys()) if (!after.has(header)) reasons.push(`${subject(header)} is gone`)
  if (reasons.length === 0 && defaultsMoved(before, after)) reasons.push('the sections moved to other defaults')
  return [...new Set(reasons)]
}

/** Services whose sections are other than before. */
export function changedServices(
  before: Structure | undefined,
  { structure, backends }: { readonly structure: Structure; readonly backends: ReadonlyMap<string, Backend> },
): readonly string[] {
  if (before === structure) return []
  return [...backends.values()].flatMap(({ name, service }) => {
    const headers = [`frontend ${service}`, `backend ${name}`]
    return headers.some((header) => before?.get(header) !== structure.get(header)) ? [service] : []
  })
}

/** Names the owner of a section: the service, or the section itself. */
function subjects(backends: ReadonlyMap<string, Backend>): (header: string) => string {
  const services = new Set([...backends.values()].map(({ service }) => service))
  return (header) => {
    const [kind, name = ''] = header.split(' ')
    const service = kind === 'backend' ? backends.get(name)?.service : services.has(name) ? name : undefined
    if (service !== undefined && (kind === 'backend' || kind === 'frontend')) return `service ${service}`
    return name === '' ? (kind ?? '') : `section "${header}"`
  }
}

/** With several `defaults`, those before a section decide about it. */
function defaultsMoved(before: Structure, after: Structure): boolean {
  const headers = [...after.keys()]
  const several = headers.filter((header) => header.startsWith('defaults')).length > 1
  return several && [...before.keys()].join('\n') !== headers.join('\n')
}

const MAX_CHANGES = 4

function lineChanges(before: string, after: string): string {
  const removed = without(before.split('\n'), after.split('\n'))
  const added = without(after.split('\n'), before.split('\n'))
  const changes: string[] = []
  for (const line of removed) {
    const keyword = keywordOf(line)
    const index = added.findIndex((candidate) => keywordOf(candidate) === keyword)
    if (index === -1) changes.push(`${show(line)} was removed`)
    else changes.push(changeOf(keyword, line, added.splice(index, 1)[0] ?? ''))
  }
  for (const line of added) changes.push(`${show(line)} was added`)
  if (changes.length === 0) return 'the order of its lines changed'
  const more = changes.length - MAX_CHANGES
  return [...changes.slice(0, MAX_CHANGES), ...(more > 0 ? [`and ${more} more changes`] : [])].join(', ')
}

/** The lines of `lines` that are not in `others`, equal ones counted. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>()
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1)
  return lines.filter((line) => {
    const count = left.get(line) ?? 0
    if (count > 0) left.set(line, count - 1)
    return line !== '' && count === 0
  })
}

const TWO_WORDS = new Set([
  'option',
  'timeout',
  'stats',
  'no',
  'capture',
  'http-check',
  'tcp-check',
  'http-request',
  'server',
])

function keywordOf(line: string): string {
  const [first = '', second = ''] = line.split(/\s+/)
  return TWO_WORDS.has(first) && second !== '' ? `${first} ${second}` : first
}

// A reason is logged and shown: what may hold a password is named, not quoted.
const SECRET = /auth|passw|secret|token|credential|\buser\b|cookie-key/i

/** Whether a line of the configuration may hold a password: it is then never shown. */
export function mayHoldSecret(line: string): boolean {
  return SECRET.test(line)
}

function show(line: string): string {
  return SECRET.test(line) ? keywordOf(line) : `"${shorten(line)}"`
}

function changeOf(keyword: string, before: string, after: string): string {
  if (SECRET.test(before) || SECRET.test(after)) return `${keyword} changed`
  return `${keyword} changed from "${argumentsOf(keyword, before)}" to "${argumentsOf(keyword, after)}"`
}

function argumentsOf(keyword: string, line: string): string {
  return shorten(line.slice(keyword.length).trim(), 60)
}
