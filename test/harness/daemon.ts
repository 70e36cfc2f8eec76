import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './ports.ts'

/** A configuration file's content: text, or its keys. `admin` is added when it is not there. */
export type DaemonConfig = string | Readonly<Record<string, unknown>>

export interface DaemonOptions {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Arguments after `-c FILE`. */
  readonly args?: readonly string[]
  /** Wait until it is ready. Default true; false returns as soon as the process was started. */
  readonly awaitReady?: boolean
  /** ms to become ready in. Default 40 s: a cold start on a slow machine that is busy. */
  readonly deadlineMs?: number
}

const READY_WITHIN_MS = 40_000

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const ownDirectories = new Set<string>()
process.on('exit', () => {
  for (const directory of ownDirectories) rmSync(directory, { recursive: true, force: true })
})

/** bin/nerve or bin/synapse as a child process with a configuration file of its own. */
export class Daemon {
  readonly name: string
  /** A temporary directory, removed by close(). The configuration is in it; a test may put more there. */
  readonly directory: string
  readonly configPath: string
  readonly #adminPort: number
  #child: Child

  constructor(name: string, directory: string, adminPort: number, options: DaemonOptions) {
    this.name = name
    this.directory = directory
    this.configPath = join(directory, `${name}.yaml`)
    this.#adminPort = adminPort
    this.#child = this.#spawn(options)
  }

  get pid(): number {
    return this.#child.pid
  }

  get exited(): boolean {
    return this.#child.exited
  }

  /** What it logged. */
  get output(): string {
    return this.#child.output
  }

  /** What it wrote to stderr alone. */
  get stderr(): string {
    return this.#child.stderr
  }

  /** Of the admin server, without a slash at its end. */
  get adminUrl(): string {
    return `http://127.0.0.1:${this.#adminPort}`
  }

  /** Resolves when /readyz says yes. @throws with the log when it ends or does not get ready. */
  async ready(deadlineMs = READY_WITHIN_MS): Promise<void> {
    const isReady = async () => {
      if (this.exited) return
      const response = await fetch(`${this.adminUrl}/readyz`)
      assert.ok(response.ok, `${this.name} is not ready: ${await response.text()}`)
    }
    await eventually(isReady, deadlineMs, 20).catch((cause: unknown) => {
      throw new Error(`${this.name} did not get ready in ${deadlineMs} ms: ${cause}\n${this.output}`, { cause })
    })
    if (this.exited) throw new Error(`${this.name} ended with ${await this.exit()}:\n${this.output}`)
  }

  /** The JSON of /state, as the shape that the test expects of it. */
  async state<State = Readonly<Record<string, unknown>>>(): Promise<State> {
    return (await (await fetch(`${this.adminUrl}/state`)).json()) as State
  }

  /** Everything in Prometheus' text format. */
  async metrics(): Promise<string> {
    return (await fetch(`${this.adminUrl}/metrics`)).text()
  }

  /** The sum of a metric's samples, over all labels or those that hold `labels` (`service="web"`). 0 when there is none. */
  async metric(name: string, labels = ''): Promise<number> {
    return (await this.metrics())
      .split('\n')
      .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  /** Writes another configuration (with the same admin server). The daemon watches the file; hup() makes it read now. */
  async configure(config: DaemonConfig): Promise<void> {
    await writeFile(this.configPath, withAdmin(config, this.#adminPort).text)
  }

  /** SIGHUP: read the configuration again. */
  hup(): void {
    this.#child.kill('SIGHUP')
  }

  /** Any signal, e.g. SIGSTOP for a frozen daemon. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The exit status, once it has ended. */
  exit(): Promise<number | NodeJS.Signals> {
    return this.#child.exit()
  }

  /** Orderly stop; SIGKILL after `graceMs`. The configuration stays, for restart(). */
  stop(graceMs = 30_000): Promise<number | NodeJS.Signals> {
    return this.#child.stop(graceMs)
  }

  /** Starts it again with the same files, after an orderly stop if it still runs. */
  async restart(options: DaemonOptions = {}): Promise<void> {
    await this.stop()
    this.#child = this.#spawn(options)
    if (options.awaitReady !== false) await this.ready(options.deadlineMs)
  }

  /** Stops it and removes its directory. */
  async close(): Promise<void> {
    await this.stop()
    ownDirectories.delete(this.directory)
    await rm(this.directory, { recursive: true, force: true })
  }

  #spawn({ args = [], env = {} }: DaemonOptions): Child {
    const command = [...programOf(this.name), '-c', this.configPath, ...args]
    return new Child(this.name, process.execPath, command, {
      cwd: this.directory,
      env: { ...process.env, ...env },
      // A Ctrl-C at the terminal goes to its whole process group, and a daemon takes a second signal for "at once".
      detached: true,
    })
  }
}

/** What node is told to run: the built program, or with SMARTSTACK_TSX=1 its sources. */
export function programOf(name: string): string[] {
  if (process.env['SMARTSTACK_TSX'] !== '1') return [join(checkout, 'bin', name)]
  return [
    '--import',
    pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
    join(checkout, 'test/harness/run-source.ts'),
    name,
  ]
}

async function startDaemon(name: string, config: DaemonConfig, options: DaemonOptions): Promise<Daemon> {
  const directory = await mkdtemp(join(tmpdir(), `${name}-`))
  ownDirectories.add(directory)
  const { text, port } = withAdmin(config, await freePort())
  await writeFile(join(directory, `${name}.yaml`), text)
  const daemon = new Daemon(name, directory, port, options)
  if (options.awaitReady !== false) await daemon.ready(options.deadlineMs)
  return daemon
}

/** The configuration as text, and the port of its admin server: its own if it has one, or the one given. */
function withAdmin(config: DaemonConfig, port: number): { readonly text: string; readonly port: number } {
  const text = typeof config === 'string' ? config : JSON.stringify(config, null, 2)
  const found: unknown = typeof config === 'string' && !/^admin:/m.test(config) ? {} : parse(text)
  const admin = (found as { readonly admin?: { readonly port?: number } }).admin
  if (admin?.port !== undefined) return { text, port: admin.port }
  // BlaBlaCar's files name the port so.
  const apiPort = typeof config === 'string' ? /^apiPort: *(\d+)/m.exec(config)?.[1] : undefined
  if (apiPort !== undefined) return { text, port: Number(apiPort) }
  const added = { admin: { host: '127.0.0.1', port } }
  if (typeof config === 'string') return { text: `${text}\nadmin: ${JSON.stringify(added.admin)}\n`, port }
  return { text: JSON.stringify({ ...config, ...added }, null, 2), port }
}

/** Starts bin/nerve and waits until it is ready. Call close() when done. */
export const startNerve = (config: DaemonConfig, options: DaemonOptions = {}): Promise<Daemon> =>
  startDaemon('nerve', config, options)

/** Starts bin/synapse and waits until it is ready. Call close() when done. */
export const startSynapse = (config: DaemonConfig, options: DaemonOptions = {}): Promise<Daemon> =>
  startDaemon('synapse', config, options)
