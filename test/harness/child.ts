import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

/** What is in a pipe is read within one turn of the event loop, or the next when the turn has begun. */
const QUIET_TURNS = 3

/** A server or daemon under test. Its output is kept, and it never outlives the test process. */
export class Child {
  readonly name: string
  readonly process: ChildProcess
  /** stdout and stderr, in the order in which they arrived. */
  output = ''
  stderr = ''

  constructor(name: string, command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.name = name
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    running.add(this)
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk
      })
    }
    this.process.stderr?.on('data', (chunk: string) => {
      this.stderr += chunk
    })
    this.process.on('error', (error) => {
      this.output += `${error.message}\n`
    })
    this.process.on('exit', () => running.delete(this))
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`${this.name} did not start:\n${this.output}`)
    return this.process.pid
  }

  get exited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  /** Resolves with the exit status, or the signal's name, once all that it said is in `output`. */
  async exit(): Promise<number | NodeJS.Signals> {
    if (!this.exited) await once(this.process, 'exit')
    await this.#lastWords()
    return this.process.exitCode ?? this.process.signalCode ?? 0
  }

  /**
   * Its end may be known before its last words are read. The end of its pipes is not waited for: one that it has left
   * running may hold them.
   */
  async #lastWords(): Promise<void> {
    for (let quiet = 0, heard = this.output.length; quiet < QUIET_TURNS; quiet++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.output.length !== heard) quiet = 0
      heard = this.output.length
    }
  }

  /** SIGTERM, then SIGKILL after `graceMs`. */
  async stop(graceMs = 20_000): Promise<number | NodeJS.Signals> {
    if (this.exited) return this.exit()
    this.kill('SIGTERM')
    this.kill('SIGCONT') // a frozen process does not see SIGTERM
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs)
    const status = await this.exit()
    clearTimeout(timer)
    return status
  }
}

const running = new Set<Child>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
