import { oneLine } from './failure.ts'

/** A range of status codes, both ends included. */
export interface StatusRange {
  readonly from: number
  readonly to: number
}

/** What an answer must be like. */
export interface HttpExpectation {
  readonly statuses: readonly StatusRange[]
  /** Everything the body must contain or match. */
  readonly body: readonly (string | RegExp)[]
}

/** An answer, its body cut off at the limit of what is read. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
  /** The `content-encoding` header: a compressed body matches nothing, which is worth a word. */
  readonly encoding?: string | undefined
}

const BODY_IN_REASON = 100
const RANGE = /^([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?$/
const PATTERN = /^\/(.+)\/([imsu]*)$/s

/** Reads `204`, `"200-299"` or a list of them. @throws RangeError that names what it is not. */
export function parseStatuses(value: number | string | readonly (number | string)[]): readonly StatusRange[] {
  const parts = (Array.isArray(value) ? value : [value]) as readonly (number | string)[]
  return parts.map((part) => {
    const [, from, to = from] = RANGE.exec(String(part).trim()) ?? []
    if (from === undefined || Number(from) > Number(to)) {
      throw new RangeError(`expected a status like 200 or a range like "200-299", found ${JSON.stringify(part)}`)
    }
    return { from: Number(from), to: Number(to) }
  })
}

/** Reads `/pattern/flags` as a regular expression and anything else as text to be contained. @throws SyntaxError. */
export function parseBody(value: string): string | RegExp {
  const [, pattern, flags] = PATTERN.exec(value) ?? []
  return pattern === undefined ? value : new RegExp(pattern, flags)
}

/** Why `answer` is not as expected, or undefined when it is. */
export function unexpected(answer: HttpAnswer, { statuses, body }: HttpExpectation): string | undefined {
  if (!statuses.some(({ from, to }) => answer.status >= from && answer.status <= to)) {
    return `status ${answer.status}, expected ${statuses.map(formatRange).join(' or ')}${describeBody(answer)}`
  }
  const missing = body.find((each) =>
    typeof each === 'string' ? !answer.body.includes(each) : !each.test(answer.body),
  )
  if (missing === undefined) return undefined
  const what = typeof missing === 'string' ? `does not contain ${JSON.stringify(missing)}` : `does not match ${missing}`
  return `status ${answer.status}, but the body ${what}${describeBody(answer)}`
}

const formatRange = ({ from, to }: StatusRange) => (from === to ? `${from}` : `${from}-${to}`)

function describeBody({ body, encoding }: HttpAnswer): string {
  if (encoding !== undefined && encoding !== 'identity') return `; the body is ${oneLine(encoding, 20)}-encoded`
  const line = oneLine(body, BODY_IN_REASON)
  return line === '' ? '; the body is empty' : `: ${line}`
}
