// npm run bench -- [scenario ...] [--quick] [--subject FILE ...] [--compare FILE FILE ...]
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { closeOnSignal } from './interrupt.ts'
import { describeMachine, loadAverage } from './machine.ts'
import { missed, type ScenarioResult } from './measure.ts'
import { comparisonTable, type RunResult, scenarioTable } from './report.ts'
import * as scenarioList from './scenarios/index.ts'
import { ownSubject } from './subjects/own.ts'
import type { Subject } from './subjects/subject.ts'
import { type Scenario, World, type WorldOptions } from './world.ts'

const scenarios: readonly Scenario[] = Object.values(scenarioList)
const resultsDirectory = fileURLToPath(new URL('results/', import.meta.url))

const USAGE = `usage: npm run bench -- [scenario ...] [--quick] [--minutes N] [--only VARIANT] [--profile DIR] [--subject FILE ...]
       npm run bench -- --compare RESULT.json RESULT.json ...
scenarios: ${scenarios.map(({ name }) => name).join(', ')}; default: all
--quick    short runs, to see that all works; their numbers prove nothing
--minutes  how long each variant of nerve lasts, instead of one minute
--only     one variant of nerve: "http", "http, keep_alive", "tcp" or "idle"
--profile  leaves CPU profiles of our daemons in DIR
--subject  measures the SmartStack that FILE describes (bench/README.md) instead of ours; "own" is ours. Several are
           measured one after the other and shown side by side
`

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      only: { type: 'string' },
      subject: { type: 'string', multiple: true },
      profile: { type: 'string' },
      compare: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (values.compare) {
    const runs = await Promise.all(
      positionals.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as RunResult),
    )
    console.log(comparisonTable(runs))
    return 0
  }
  const unknown = positionals.filter((name) => scenarios.every((scenario) => scenario.name !== name))
  if (unknown.length > 0) {
    console.error(`unknown scenario: ${unknown.join(', ')}\n${USAGE}`)
    return 2
  }
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
  if (minutes !== undefined && !(minutes > 0)) {
    console.error(`--minutes ${values.minutes}: expected a number above 0\n${USAGE}`)
    return 2
  }
  const chosen = scenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const subjects = await Promise.all((values.subject ?? ['own']).map((file) => readSubject(file, values.profile)))
  const runs: RunResult[] = []
  for (const subject of subjects)
    runs.push(await measure(subject, chosen, { quick: values.quick, minutes, only: values.only }))
  if (runs.length > 1) console.log(comparisonTable(runs))
  return runs.some(({ results }) => results.some(({ measures }) => measures.some((one) => missed(one).length > 0)))
    ? 1
    : 0
}

async function readSubject(file: string, profileDirectory?: string): Promise<Subject> {
  if (file === 'own') return ownSubject(profileDirectory)
  const { readExternalSubject } = await import('./subjects/external.ts')
  return readExternalSubject(file)
}

async function measure(subject: Subject, chosen: readonly Scenario[], options: WorldOptions): Promise<RunResult> {
  const at = new Date().toISOString()
  const machine = describeMachine()
  console.log(`${subject.name}, ${at}${options.quick ? ', quick' : ''}`)
  for (const [key, text] of Object.entries(machine)) console.log(`  ${key}: ${text}`)
  const results: ScenarioResult[] = []
  for (const scenario of chosen) {
    console.log('')
    const result = await runScenario(subject, scenario, options)
    results.push(result)
    console.log(scenarioTable(result))
    console.log(`load of the machine: ${loadAverage()}`)
  }
  const run = { subject: subject.name, at, machine, results }
  await mkdir(resultsDirectory, { recursive: true })
  const file = `${resultsDirectory}${at.replace(/[:.]/g, '-')}-${subject.name}.json`
  await writeFile(file, `${JSON.stringify(run, null, 2)}\n`)
  console.log(`\nwritten to ${file}\n`)
  return run
}

async function runScenario(subject: Subject, scenario: Scenario, options: WorldOptions): Promise<ScenarioResult> {
  const world = await World.create(subject, options, (text) => console.error(`  ${scenario.name}: ${text}`))
  const forget = closeOnSignal(() => world.close())
  try {
    return { scenario: scenario.name, title: scenario.title, measures: await scenario.run(world) }
  } finally {
    forget()
    await world.close()
  }
}

process.exit(await main(process.argv.slice(2)))
