// npm test: installs what is missing, builds, checks and runs every test. The last line is `N passed, N failed`.
// `npm test -- unit integration` runs only the levels named, `npm test -- --workers=1` one file after another.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { runLevel } from './level.mjs'
import { installPrerequisites } from './prerequisites.mjs'
import { root, runTool } from './run.mjs'

/** In the order in which they run: what fails fast comes first. */
const levels = ['checks', 'unit', 'scenarios', 'integration', 'conformance', 'e2e', 'fault']

/** Levels that need neither servers nor the built programs. */
const light = new Set(['checks', 'unit', 'scenarios'])

/** Files that run at the same time: most of their time is waiting, but a server that gets no processor is late. */
const MAX_WORKERS = 4

/** Each counts as one test. */
const checks = {
  'format and lint': () => runTool('biome', ['check', '.']),
  types: () => runTool('tsc', ['--noEmit']),
  'schema freshness': isSchemaFresh,
}

async function main() {
  const options = { workers: { type: 'string', default: `${Math.min(availableParallelism(), MAX_WORKERS)}` } }
  const { values, positionals: chosen } = parseArgs({ allowPositionals: true, options })
  const workers = Number(values.workers)
  const unknown = chosen.filter((level) => !levels.includes(level))
  if (unknown.length > 0 || !(workers >= 1)) {
    if (unknown.length > 0) console.error(`unknown level: ${unknown.join(', ')}; known are ${levels.join(', ')}`)
    else console.error(`--workers=${values.workers}: expected how many files run at the same time`)
    return finish([{ level: 'arguments', passed: 0, failed: 1, seconds: 0 }])
  }
  const wanted = chosen.length === 0 ? levels : levels.filter((level) => chosen.includes(level))
  const servers = wanted.some((level) => !light.has(level))
  const results = [await timed('install', () => install(servers))]
  if (results[0].failed > 0) return finish(results)
  results.push(await timed('build', runBuild))
  for (const level of wanted) {
    console.log(`\n${level}`)
    results.push(await timed(level, () => (level === 'checks' ? runChecks() : runLevel(level, { workers }))))
  }
  return finish(results)
}

/** @param {boolean} servers */
async function install(servers) {
  const installed = await installPrerequisites(servers ? 'tests' : 'packages')
  return { passed: 0, failed: 0, complaints: installed ? [] : ['what the tests need is not there'] }
}

async function runBuild() {
  const built = await build()
  return { passed: built ? 1 : 0, failed: 0, complaints: built ? [] : ['dist/ could not be built'] }
}

async function runChecks() {
  const outcome = { passed: 0, complaints: [], failed: 0 }
  for (const [name, check] of Object.entries(checks)) {
    if (await check()) outcome.passed += 1
    else outcome.complaints.push(`${name} failed`)
  }
  return outcome
}

/** Whether `npm run schema` would change nothing. Puts back what it changed: a test does not edit the checkout. */
async function isSchemaFresh() {
  const directory = join(root, 'config/schema')
  const before = readSchemas(directory)
  const generated = await runTool('tsx', ['scripts/schema.ts'])
  const stale = [...readSchemas(directory)].filter(([path, text]) => before.get(path) !== text)
  for (const [path] of stale) {
    console.error(`${path} does not fit the sources; run: npm run schema`)
    const text = before.get(path)
    if (text === undefined) rmSync(path)
    else writeFileSync(path, text)
  }
  return generated && stale.length === 0
}

/** @param {string} directory @returns {Map<string, string>} */
function readSchemas(directory) {
  const names = existsSync(directory) ? readdirSync(directory) : []
  return new Map(names.map((name) => join(directory, name)).map((path) => [path, readFileSync(path, 'utf8')]))
}

/**
 * @param {string} level
 * @param {() => Promise<{ passed: number, failed: number, complaints: readonly string[] }>} work
 */
async function timed(level, work) {
  const started = performance.now()
  const { passed, failed, complaints } = await work().catch((error) => {
    console.error(error)
    return { passed: 0, failed: 0, complaints: [`${error.message}`] }
  })
  for (const complaint of complaints) console.error(`  FAILED  ${level}: ${complaint}`)
  return { level, passed, failed: failed + complaints.length, seconds: (performance.now() - started) / 1000 }
}

/** @param {readonly { level: string, passed: number, failed: number, seconds: number }[]} results */
function finish(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  console.log('')
  for (const { level, passed, failed, seconds } of results) {
    console.log(
      `${level.padEnd(12)} ${String(passed).padStart(6)} passed ${String(failed).padStart(4)} failed ${seconds.toFixed(1).padStart(8)} s`,
    )
  }
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`)
  return sum('failed') === 0 ? 0 : 1
}

// The levels run in process groups of their own, which a Ctrl-C at the terminal does not reach; exiting ends them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130))
process.exitCode = await main()
