import assert from 'node:assert/strict'
import { chmod, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { HaproxyDirectory, workerPid } from './haproxy.ts'
import type { HaproxyBinary } from './haproxy-binaries.ts'

/**
 * A HAProxy that somebody else runs: a shell command starts it, or replaces it softly. `processes` of them share one
 * file and its ports, each with a stats socket of its own, as HAProxy did by itself with `nbproc`.
 */
export class ExternalSetup {
  readonly directory: HaproxyDirectory
  readonly sockets: readonly string[]
  /** Shell command that reloads all of them, or starts those that do not run. */
  readonly reloadCommand: string

  private constructor(directory: HaproxyDirectory, processes: number) {
    this.directory = directory
    this.sockets = Array.from({ length: processes }, (_, index) => directory.file(`stats-${index}.sock`))
    this.reloadCommand = directory.file('reload')
  }

  static async create(binary: HaproxyBinary, processes = 1): Promise<ExternalSetup> {
    const setup = new ExternalSetup(await HaproxyDirectory.create(binary), processes)
    const start = setup.sockets.map((socket, index) => {
      const pidFile = setup.#pidFile(index)
      return `
old=$(cat ${pidFile} 2>/dev/null)
replace=
[ -n "$old" ] && kill -0 $old 2>/dev/null && replace="-sf $old"
STATS=${socket} '${binary.path}' -q -D -p ${pidFile} -f ${setup.configFile} $replace || exit 1`
    })
    await setup.mend(`#!/bin/sh\ndate +%s%3N >> ${setup.#runs}${start.join('')}\n`)
    return setup
  }

  /** For `stats socket` in the configuration; each process has another. */
  get statsLine(): string {
    return `stats socket ${this.sockets.length === 1 ? this.socket : '"$STATS"'} level admin`
  }

  get configFile(): string {
    return this.directory.file('haproxy.cfg')
  }

  /** The stats socket of the first process. */
  get socket(): string {
    return this.sockets[0] ?? ''
  }

  /** As a configuration of Airbnb's synapse would say it. */
  options(more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      global: [this.statsLine],
      defaults: ['mode http', 'timeout connect 1s', 'timeout client 5s', 'timeout server 5s'],
      config_file_path: this.configFile,
      socket_file_path: this.sockets.length === 1 ? this.socket : this.sockets,
      reload_command: this.reloadCommand,
      bind_address: '127.0.0.1',
      restart_interval: 0.1,
      ...more,
    }
  }

  /** When the reload command was run, ms since 1970. */
  async runs(): Promise<readonly number[]> {
    const text = await readFile(this.#runs, 'utf8').catch(() => '')
    return text.split('\n').filter(Boolean).map(Number)
  }

  /** Makes the reload command do something else: shell lines. Its runs are counted still. Returns what mends it. */
  async sabotage(lines: string): Promise<() => Promise<void>> {
    const good = await readFile(this.reloadCommand, 'utf8')
    await this.mend(`#!/bin/sh\ndate +%s%3N >> ${this.#runs}\n${lines}\n`)
    return () => this.mend(good)
  }

  /** Reloads it, or starts it, without synapse: as its own operators do. */
  async reloadByHand(): Promise<void> {
    const child = new Child('reload', this.reloadCommand, [])
    if ((await child.exit()) !== 0) throw new Error(child.output)
  }

  /** Replaces the whole reload command. */
  async mend(script: string): Promise<void> {
    await writeFile(`${this.reloadCommand}.new`, script)
    await chmod(`${this.reloadCommand}.new`, 0o755)
    await rename(`${this.reloadCommand}.new`, this.reloadCommand)
  }

  /** kill -9. */
  async kill(index = 0): Promise<void> {
    const pid = await workerPid(this.sockets[index] ?? '')
    process.kill(pid, 'SIGKILL')
    await eventually(async () => assert.ok(!(await processesOf(this.directory.path)).includes(pid), 'it has ended'))
  }

  /** Ends every process that was started, frozen ones too, and one that is just being started; removes the directory. */
  async close(): Promise<void> {
    await eventually(async () => {
      const pids = await processesOf(this.directory.path)
      for (const pid of pids) process.kill(pid, 'SIGKILL')
      assert.deepEqual(pids, [])
    })
    await this.directory.remove()
  }

  #pidFile(index: number): string {
    return this.directory.file(`${index}.pid`)
  }

  get #runs(): string {
    return this.directory.file('runs')
  }
}

/** Processes whose command line names the directory; a zombie has none any more. */
async function processesOf(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_, index) => commands[index]?.includes(directory)).map(Number)
}
