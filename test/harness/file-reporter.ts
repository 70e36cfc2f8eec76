import { relative } from 'node:path'
import Mocha from 'mocha'

interface FileResult {
  passed: number
  failed: number
  ms: number
}

/** One line per test file as it ends, and in full at the end what failed and why. */
export class FileReporter extends Mocha.reporters.Base {
  readonly #directory: string
  #file = ''
  #result: FileResult = { passed: 0, failed: 0, ms: 0 }

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options)
    this.#directory = String(options.reporterOptions?.directory ?? process.cwd())
    runner.on('pass', (test) => {
      this.#resultOf(test).passed += 1
      this.#result.ms += test.duration ?? 0
    })
    // A failed hook comes here too.
    runner.on('fail', (test) => {
      this.#resultOf(test).failed += 1
      console.log(`  ${Mocha.reporters.Base.color('fail', `FAILED  ${test.fullTitle()}`)}`)
    })
    runner.once('end', () => {
      this.#print()
      if (this.failures.length > 0) Mocha.reporters.Base.list(this.failures)
    })
  }

  #resultOf(test: Mocha.Runnable): FileResult {
    const file = relative(this.#directory, test.file ?? test.parent?.file ?? 'outside of any test')
    if (file !== this.#file) {
      this.#print()
      this.#file = file
      this.#result = { passed: 0, failed: 0, ms: 0 }
    }
    return this.#result
  }

  #print(): void {
    if (this.#file === '') return
    const { passed, failed, ms } = this.#result
    const mark = failed === 0 ? Mocha.reporters.Base.color('green', 'ok') : Mocha.reporters.Base.color('fail', '!!')
    const figures = `${passed + failed}`.padStart(5)
    console.log(`  ${mark} ${this.#file.padEnd(58)}${figures} ${`${Math.round(ms)} ms`.padStart(9)}`)
  }
}
