// Runs test files of one level, in a process of its own. Asks the parent (scripts/level.mjs) for one after another and tells
// it which test runs and how it ended; without a parent it runs all: `node --import tsx test/harness/run-level.ts test/unit`.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Mocha from 'mocha'
import { FileReporter } from './file-reporter.ts'
import type { LevelMessage, NextFile } from './level-report.ts'
import './strict.ts'

/** How long the process may live on after the last test. What keeps it alive then was left behind by a test. */
const lingerMs = 15_000

const directory = resolve(process.argv[2] ?? '')
let passed = 0
let failed = 0
for await (const file of filesToRun()) await runFile(file)
tell({ kind: 'end', passed, failed })
if (process.connected) process.disconnect()
process.exitCode = failed === 0 ? 0 : 1
setTimeout(reportLeak, lingerMs).unref()

async function* filesToRun(): AsyncGenerator<string> {
  if (!process.connected) {
    const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    yield* names.filter((name) => name.endsWith('.test.ts')).sort()
    return
  }
  for (;;) {
    const answer = once(process, 'message')
    tell({ kind: 'next' })
    const [{ file }] = (await answer) as [NextFile]
    if (file === undefined) return
    yield file
  }
}

async function runFile(file: string): Promise<void> {
  const mocha = new Mocha({
    reporter: FileReporter,
    reporterOptions: { directory },
    timeout: 60_000,
    forbidOnly: true,
    forbidPending: true,
  })
  mocha.addFile(join(directory, file))
  await mocha.loadFilesAsync()
  const { passes = 0, failures = 0 } = await new Promise<Partial<Mocha.Stats>>((done) => {
    const runner = mocha.run(() => done(runner.stats ?? {}))
    runner.on('test', (test) => tell({ kind: 'test', title: test.fullTitle() }))
    runner.on('hook', (hook) => tell({ kind: 'test', title: hook.fullTitle() }))
  })
  mocha.dispose() // or its listeners on the process stay
  passed += passes
  failed += failures
}

function reportLeak(): void {
  const resources = process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe)Wrap$/.test(name))
  console.error(`The tests are over, but the process does not end: a test left ${resources.join(', ')} behind.`)
  process.exit(1)
}

function tell(message: LevelMessage): void {
  process.send?.(message)
}
