// Runs the test files of one level, in a process of its own: `node --import tsx test/harness/run-level.ts test/unit`.
// Tells the parent, if there is one, which test runs and how it ended (level-report.ts).
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Mocha from 'mocha'
import { FileReporter } from './file-reporter.ts'
import type { LevelMessage } from './level-report.ts'
import './strict.ts'

/** How long the process may live on after the last test. What keeps it alive then was left behind by a test. */
const lingerMs = 5000

const directory = resolve(process.argv[2] ?? '')
const mocha = new Mocha({
  reporter: FileReporter,
  reporterOptions: { directory },
  timeout: 10_000,
  forbidOnly: true,
  forbidPending: true,
})
for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
  if (file.endsWith('.test.ts')) mocha.addFile(join(directory, file))
}
await mocha.loadFilesAsync()
const runner = mocha.run()
runner.on('test', (test) => tell({ kind: 'test', title: test.fullTitle() }))
runner.on('hook', (hook) => tell({ kind: 'test', title: hook.fullTitle() }))
runner.once('end', () => {
  const { passes = 0, failures = 0 } = runner.stats ?? {}
  tell({ kind: 'end', passed: passes, failed: failures })
  if (process.connected) process.disconnect()
  process.exitCode = failures === 0 ? 0 : 1
  setTimeout(reportLeak, lingerMs).unref()
})

function reportLeak(): void {
  const resources = process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe)Wrap$/.test(name))
  console.error(`The tests are over, but the process does not end: a test left ${resources.join(', ')} behind.`)
  process.exit(1)
}

function tell(message: LevelMessage): void {
  process.send?.(message)
}
