import type { Cell } from '../core/status-page.ts'
import type { ManualEntryAnswer, ManualOverview, ManualServiceAnswer, ManualTarget } from './manual-answer.ts'
import type { Style } from './style.ts'
import { formatParagraph, formatTable } from './table.ts'

/** Manual state for a terminal. Pure. `now` is ms since 1970. */

export interface ReportOptions {
  readonly width: number
  readonly style: Style
}

/** `smartstack nerve manual`: what is said, of whom, and until when. */
export function formatOverview(overview: ManualOverview, now: number, options: ReportOptions): string[] {
  const { entries, services } = overview
  const draining = services.filter((service) => service.draining !== undefined && service.draining !== null)
  return [
    ...(entries.length === 0 ? ['Nothing is said by hand: the checks decide.'] : entryTable(entries, options, now)),
    ...(draining.length === 0 ? [] : ['', ...draining.map((service) => `${service.service} ${drainWords(service)}`)]),
    ...formatKeeping(overview, options),
  ]
}

/** A table of what is said. Without `now` it does not tell how long that still is. */
export function entryTable(
  entries: readonly ManualEntryAnswer[],
  options: ReportOptions,
  now: number | undefined = undefined,
): string[] {
  const rows = entries.map((entry): (string | Cell)[] => [
    entry.target,
    { text: wordsOf(entry), mood: entry.says === 'enabled' ? 'plain' : 'unsure' },
    secondsOf(entry.since),
    untilOf(entry, now),
    entry.by ?? '',
    entry.reason,
  ])
  return formatTable({ columns: ['TARGET', 'SAYS', 'SINCE', 'UNTIL', 'BY', 'REASON'], rows, ...options })
}

/** What a command has come to: its services, and what of them does not follow it. */
export function formatChange(answer: ManualTarget, wanted: string | undefined, options: ReportOptions): string[] {
  const { services, target } = answer
  const rows = services.map((service): (string | Cell)[] => [
    service.service,
    `${service.host}:${service.port}`,
    { text: service.state, mood: service.state === 'enabled' ? 'good' : 'unsure' },
    String(service.max_weight),
    service.why ?? '',
  ])
  const columns = ['SERVICE', 'ADDRESS', 'STATE', 'WEIGHT#', 'WHY']
  return [
    ...(services.length === 0 ? [`${target} means no service that is configured now.`] : []),
    ...(services.length === 0 ? [] : formatTable({ columns, rows, ...options })),
    ...services.flatMap((service) => contrary(service, wanted)).flatMap((text) => paragraph(text, options)),
    ...formatKeeping(answer, options),
  ]
}

/** How long it may take, or that it is done. */
export function formatProgress({ services, done }: ManualTarget): string[] {
  if (done) return []
  return services.filter((service) => !service.done).map((service) => `${service.service} ${waitWords(service)}`)
}

/** Whether what is said outlives nerve; silence when it does. */
function formatKeeping({ problem, hint }: ManualOverview | ManualTarget, options: ReportOptions): string[] {
  const { style } = options
  return [
    ...(isGiven(hint) ? paragraph(`note: ${hint} in nerve's configuration`, options) : []),
    ...(isGiven(problem) ? paragraph(problem, options).map((line) => style.mood('bad', line)) : []),
  ]
}

const paragraph = (text: string, { width }: ReportOptions) => formatParagraph('', text, width)

/** A service that something else that was said keeps from what was asked. */
function contrary({ service, state, by_hand: said }: ManualServiceAnswer, wanted: string | undefined) {
  if (wanted === undefined || state === wanted) return []
  if (said === undefined || said === null)
    return [`${service} stays ${state}: it keeps out of what is said of all; name it to change it`]
  const why = said.reason === '' ? '' : `: ${said.reason}`
  const remedy = said.by === 'hacheck' ? `haup ${said.target} takes that back` : 'name it to change it'
  const whose = said.by === 'hacheck' ? "in hacheck's spool" : `of ${said.target}`
  return [`${service} stays ${state}, as is said ${whose}${why}; ${remedy}`]
}

/** Why a service is not done, and how long that may last. */
export function waitWords(service: ManualServiceAnswer): string {
  const { state, registered, health, why, draining, error } = service
  if (draining !== undefined && draining !== null) return drainWords(service)
  const because = isGiven(error) ? `: ${error}` : ''
  if (state === 'disabled')
    return `${registered ? 'is still registered' : 'has no answer of its registry yet'}${because}`
  if (health !== 'up') return `is ${health}${isGiven(why) ? `: ${why}` : ''}`
  return `is up, and about to be registered${because}`
}

function drainWords({ draining, registered }: ManualServiceAnswer): string {
  const { least = 0, most = null } = draining?.seconds_left ?? {}
  const range =
    least === most
      ? (least ?? 0) > 0
        ? `, ${least} s left`
        : ''
      : `, ${least ?? 0} s left at least, ${most === null ? 'as long as its clients take' : `${most} s at most`}`
  return `drains${registered ? ', still registered' : ''}${range}`
}

const wordsOf = ({ says, weight }: ManualEntryAnswer) => (says === 'weight' ? `weight ${weight ?? ''}` : says)

/** `2030-01-01T00:30:00Z, in 29m`; a time without end says so. */
function untilOf({ expires_at: expiresAt }: ManualEntryAnswer, now: number | undefined): string {
  if (expiresAt === undefined || expiresAt === null) return 'further notice'
  return now === undefined ? secondsOf(expiresAt) : `${secondsOf(expiresAt)}, in ${spanOf(Date.parse(expiresAt) - now)}`
}

/** Nobody reads milliseconds. */
const secondsOf = (time: string) => time.replace(/\.\d+Z$/, 'Z')

/** A span of time as people say it: `300ms`, `1.5s`, `45s`, `29m`, `3h 10m`, `2d 4h`. */
export function spanOf(ms: number): string {
  const tenths = Math.round(ms / 100)
  if (ms >= 1 && ms < 999.5) return `${Math.round(ms)}ms`
  if (tenths > 0 && tenths < 100) return `${tenths / 10}s`
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 100) return `${seconds}s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 100) return `${minutes}m`
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  if (hours < 48) return rest === 0 ? `${hours}h` : `${hours}h ${rest}m`
  return hours % 24 === 0 ? `${hours / 24}d` : `${Math.floor(hours / 24)}d ${hours % 24}h`
}

const isGiven = (text: string | null | undefined): text is string => text !== undefined && text !== null && text !== ''

/** The verdict of `--wait`. */
export function formatWaited({ services, done }: ManualTarget, timeoutMs: number): string {
  if (!done) {
    const left = services
      .filter((service) => !service.done)
      .map((service) => `${service.service} ${waitWords(service)}`)
    return `not done in ${spanOf(timeoutMs)}: ${left.join('; ')}`
  }
  if (services.length === 0) return 'Done.'
  const down = services.filter(({ state }) => state === 'disabled').map(({ service }) => service)
  const up = services.filter(({ state }) => state !== 'disabled').map(({ service }) => service)
  const are = (names: readonly string[], what: string) =>
    names.length === 0 ? [] : [`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} ${what}`]
  return `Done: ${[...are(down, 'out of every registry, and drained'), ...are(up, 'up and registered')].join('; ')}.`
}
