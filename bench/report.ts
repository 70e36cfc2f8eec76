import { type Measure, missed, type ScenarioResult, type Stat, type Target } from './measure.ts'

/** Everything that one run measured on one subject: what the JSON file holds. */
export interface RunResult {
  readonly subject: string
  readonly at: string
  readonly machine: Readonly<Record<string, string>>
  readonly results: readonly ScenarioResult[]
}

const COLUMNS: readonly (Stat | 'n')[] = ['n', 'p50', 'p90', 'p99', 'max']

/** One scenario of one subject as text: a row per measure, with its target and whether it is met. */
export function scenarioTable({ scenario, title, measures }: ScenarioResult): string {
  const rows = measures.map((measure) => [
    measure.unit === '' ? measure.name : `${measure.name} (${measure.unit})`,
    ...columns(measure),
    measure.targets.map(formatTarget).join(', '),
    verdict(measure),
  ])
  return `${scenario}: ${title}\n${table([['', ...COLUMNS, 'target', ''], ...rows])}`
}

/** The same measures of several subjects side by side. */
export function comparisonTable(runs: readonly RunResult[]): string {
  const names = new Map<string, Measure[]>()
  for (const [index, { results }] of runs.entries()) {
    for (const { scenario, measures } of results) {
      for (const measure of measures) {
        const key = `${scenario}: ${measure.name}${measure.unit === '' ? '' : ` (${measure.unit})`}`
        const row = names.get(key) ?? []
        row[index] = measure
        names.set(key, row)
      }
    }
  }
  const header = ['p50 / p99, or value', ...runs.map(({ subject }) => subject)]
  const rows = [...names].map(([name, row]) => [name, ...runs.map((_, index) => short(row[index]))])
  return table([header, ...rows])
}

function short(measure: Measure | undefined): string {
  if (measure === undefined) return '-'
  const { value, p50, p99 } = measure.values
  return value === undefined ? `${format(p50)} / ${format(p99)}` : format(value)
}

function columns({ values }: Measure): readonly string[] {
  if (values.value !== undefined) return ['', format(values.value), '', '', '']
  return COLUMNS.map((column) => format(values[column]))
}

function verdict(measure: Measure): string {
  if (measure.targets.length === 0) return ''
  return missed(measure).length === 0 ? 'ok' : 'MISSED'
}

function formatTarget({ stat, atMost, atLeast }: Target): string {
  const name = stat === 'value' ? '' : `${stat} `
  if (atMost === atLeast) return `${name}${atMost}`
  return `${name}${atMost === undefined ? `>= ${atLeast}` : `<= ${atMost}`}`
}

function format(amount: number | undefined): string {
  if (amount === undefined) return ''
  if (Number.isInteger(amount)) return String(amount)
  return amount.toFixed(Math.abs(amount) < 100 ? 2 : 0)
}

/** Columns padded to their widest cell; the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  const [header = [], ...body] = rows
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [line(header), rule, ...body.map(line), ''].join('\n')
}
