import { oneLine } from './failure.ts'

type Fields = Readonly<Record<string, unknown>>

/** An answer of the Kubernetes API. */
export interface ApiAnswer {
  readonly status: number
  readonly body: string
}

/** Why the pod that the API answered with is not ready, or undefined when it is. `pod` is its name for people. */
export function unready({ status, body }: ApiAnswer, pod: string): string | undefined {
  const answer = parse(body)
  if (status !== 200) return `the Kubernetes API says ${status}: ${oneLine(String(answer['message'] ?? body), 200)}`
  if (answer['kind'] !== 'Pod')
    return `the Kubernetes API answered with something that is no pod: ${oneLine(body, 100)}`
  const state = fields(answer['status'])
  const conditions = Array.isArray(state['conditions']) ? state['conditions'].map(fields) : []
  const ready = conditions.find(({ type }) => type === 'Ready')
  if (ready === undefined) return `pod ${pod} is not ready: ${oneLine(String(state['phase'] ?? 'no phase'), 50)}`
  if (ready['status'] === 'True') return undefined
  const why = [ready['reason'], ready['message']].filter((each) => typeof each === 'string' && each !== '').join(': ')
  return oneLine(`pod ${pod} is not ready${why && `: ${why}`}`, 250)
}

/** What is not JSON, or no object, has no fields. */
function parse(body: string): Fields {
  try {
    return fields(JSON.parse(body))
  } catch {
    return {} // said in the words of whoever looks for a field
  }
}

const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {})
