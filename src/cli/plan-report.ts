import type { Cell } from '../core/status-page.ts'
import { formatCommand } from '../synapse/generators/haproxy/commands.ts'
import type { HaproxyService } from '../synapse/generators/haproxy/desired-model.ts'
import type { DryRun, PlannedFile, PlannedWorker } from '../synapse/generators/haproxy/dry-run.ts'
import { mayHoldSecret } from '../synapse/generators/haproxy/reasons.ts'
import { type DiffLine, diffLines, withContext } from './diff.ts'
import type { Style } from './style.ts'
import { formatParagraph, formatTable, plainText, plural } from './table.ts'

/** What `smartstack plan` found out. */
export interface PlanFindings {
  readonly services: readonly HaproxyService[]
  /** Where the instances come from. */
  readonly from: 'registry' | 'memory'
  readonly run: DryRun
  /** Beside those of the dry run. */
  readonly warnings: readonly string[]
  /** What keeps the plan from being the whole truth: it needs a hand. */
  readonly troubles: readonly string[]
}

export interface PlanReportOptions {
  readonly width: number
  readonly style: Style
  /** Show every command and line, however many. */
  readonly all: boolean
}

const MAX_COMMANDS = 30
const MAX_LINES = 60
const CONTEXT_LINES = 2

/** For people. Pure. */
export function formatPlan(findings: PlanFindings, options: PlanReportOptions): string[] {
  const { run, services, from, warnings, troubles } = findings
  const { style, width } = options
  const rows = services.map(({ name, backends: { source, instances } }): (string | Cell)[] => [
    name,
    String(instances.length),
    { text: source, mood: source === 'none' ? 'bad' : 'plain' },
  ])
  const blocks = [
    [
      `${style.bold('Instances')}  ${style.dim(from === 'registry' ? 'as the registry says now' : 'as remembered on disk')}`,
      ...formatTable({ columns: ['SERVICE', 'COUNT#', 'FROM'], rows, width, style }),
    ],
    ...run.workers.map((worker) => workerLines(worker, run, options)),
    run.workers.length === 0 ? withoutSocket(run, options) : [],
    run.file === undefined ? [] : fileLines(run.file, options),
    listed('Warnings', 'unsure', [...warningsOf(run), ...warnings], options),
    listed('Needs a hand', 'bad', troubles, options),
    [summaryOf(run, style)],
  ]
  return blocks.filter((block) => block.length > 0).flatMap((block, index) => (index === 0 ? block : ['', ...block]))
}

/** For scripts. */
export function planToJson({ run, services, from, warnings, troubles }: PlanFindings) {
  const { version, workers, file } = run
  return {
    ok: troubles.length === 0,
    instances_from: from,
    services: services.map(({ name, backends }) => ({ name, ...backends })),
    haproxy_version: version,
    workers: workers.map(({ socket, pid, plan: { commands, reloadReasons } }) => ({
      socket,
      pid: pid ?? null,
      commands: commands.map(formatCommand),
      reload_reasons: reloadReasons,
    })),
    file:
      file === undefined
        ? null
        : {
            path: file.path,
            changes: file.before !== file.after,
            diff: diffOf(file).flatMap((line) => (line === undefined || line.kind === 'same' ? [] : [printed(line)])),
            refusal: file.refusal ?? null,
          },
    warnings: [...warningsOf(run), ...warnings],
    troubles,
  }
}

function workerLines({ socket, pid, plan }: PlannedWorker, { version }: DryRun, options: PlanReportOptions): string[] {
  const { style, width } = options
  const who = pid === undefined ? 'does not run' : `${plainText(version)}, pid ${pid}`
  const commands = plan.commands.map((command) => `  ${plainText(formatCommand(command))}`)
  return [
    `${style.bold('HAProxy')}  ${style.dim(`${socket}, ${who}`)}`,
    ...(pid === undefined ? ['  It would be started.'] : []),
    ...(pid !== undefined && commands.length === 0 ? ['  No command.'] : []),
    ...limited(commands, MAX_COMMANDS, 'command', options),
    ...(pid === undefined
      ? []
      : plan.reloadReasons.flatMap((reason) =>
          formatParagraph('  ', `reload: ${reason}`, width).map((line) => style.mood('unsure', line)),
        )),
  ]
}

function withoutSocket({ file }: DryRun, { style }: PlanReportOptions): string[] {
  const reload = file !== undefined && file.before !== file.after
  return [
    style.bold('HAProxy'),
    `  do_socket is off, so nobody asks it.${reload ? ' It would be reloaded with the new file.' : ''}`,
  ]
}

function fileLines(file: PlannedFile, options: PlanReportOptions): string[] {
  const { style, width } = options
  const { path, before, after, refusal } = file
  const title = `${style.bold('File')}  ${style.dim(path)}`
  if (before === after) return [title, '  It stays as it is.']
  const lines = diffOf(file).map((line) => (line === undefined ? style.dim('  ...') : paint(line, style)))
  return [
    title,
    ...(before === undefined ? ['  It would be new.'] : []),
    ...limited(lines, MAX_LINES, 'line', options),
    ...(refusal === undefined
      ? []
      : formatParagraph('  ', `HAProxy refuses it: ${refusal}`, width).map((line) => style.mood('bad', line))),
  ]
}

function diffOf({ before = '', after }: PlannedFile): readonly (DiffLine | undefined)[] {
  return withContext(diffLines(before, after), CONTEXT_LINES)
}

const MARKS = { same: ' ', added: '+', removed: '-' } as const

function printed({ kind, text }: DiffLine): string {
  return `${MARKS[kind]} ${mayHoldSecret(text) ? `${keywordOf(text)} ... (not shown: it may hold a password)` : text}`
}

const keywordOf = (line: string) => /^\s*\S+/.exec(line)?.[0] ?? ''

function paint(line: DiffLine, style: Style): string {
  const text = `  ${plainText(printed(line).replaceAll('\t', '  '))}`.trimEnd()
  return style.mood(line.kind === 'added' ? 'good' : line.kind === 'removed' ? 'bad' : 'plain', text)
}

function limited(lines: readonly string[], most: number, noun: string, { all, style }: PlanReportOptions): string[] {
  const more = lines.length - most
  if (all || more <= 0) return [...lines]
  return [...lines.slice(0, most), style.dim(`  and ${plural(more, `more ${noun}`)}; --all shows them`)]
}

function listed(title: string, mood: 'unsure' | 'bad', sentences: readonly string[], options: PlanReportOptions) {
  if (sentences.length === 0) return []
  const { style, width } = options
  return [style.mood(mood, title), ...sentences.flatMap((sentence) => formatParagraph('  - ', sentence, width))]
}

function warningsOf({ warnings }: DryRun): string[] {
  return warnings.map(({ service, message }) => (service === undefined ? message : `service ${service}: ${message}`))
}

/** The last line says whether anything would happen at all. */
function summaryOf({ workers, file }: DryRun, style: Style): string {
  const commands = workers.reduce((sum, { plan }) => sum + plan.commands.length, 0)
  const starts = workers.some(({ pid }) => pid === undefined)
  const reloads = workers.some(({ pid, plan }) => pid !== undefined && plan.reloadReasons.length > 0)
  const writes = file !== undefined && file.before !== file.after
  const steps = [
    ...(commands > 0 ? [plural(commands, 'command')] : []),
    ...(writes ? [file.before === undefined ? 'a new file' : 'a changed file'] : []),
    ...(reloads || (workers.length === 0 && writes) ? ['a reload'] : []),
    ...(starts ? ['a start of HAProxy'] : []),
  ]
  if (steps.length === 0) return style.mood('good', 'Nothing to do: HAProxy is as it should be.')
  return `synapse would do this: ${steps.join(', ')}. Nothing was changed now.`
}
