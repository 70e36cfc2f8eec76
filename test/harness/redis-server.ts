import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze, thaw } from './freeze.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

export interface RedisOptions {
  /** `requirepass`. */
  readonly password?: string
  /** Makes it a replica of this port of 127.0.0.1. */
  readonly replicaOf?: number
  /** Makes the server talk TLS only. */
  readonly certificates?: Certificates
  /** Further arguments of redis-server, e.g. `['--maxclients', '2']`. */
  readonly args?: readonly string[]
}

const START_DEADLINE_MS = 45_000

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** A real Redis on 127.0.0.1. */
export class RedisServer {
  readonly port: number
  /** Path of its unix socket. */
  readonly socketPath: string
  readonly #directory: string
  readonly #options: RedisOptions
  #child: Child | undefined

  constructor(port: number, directory: string, options: RedisOptions) {
    this.port = port
    this.socketPath = join(directory, 'redis.sock')
    this.#directory = directory
    this.#options = options
  }

  get #running(): Child {
    if (this.#child === undefined) throw new Error('redis is not running')
    return this.#child
  }

  /**
   * Starts the process, with further arguments if wanted.
   * @param ready what PING must be answered with, e.g. LOADING for a server that is to be met while it loads.
   */
  async start(args: readonly string[] = [], ready = /PONG|NOAUTH|MASTERDOWN/): Promise<void> {
    const { password, replicaOf, certificates, args: usual = [] } = this.#options
    const listen = certificates === undefined ? ['--port', `${this.port}`] : tlsArguments(this.port, certificates)
    const child = new Child('redis', 'redis-server', [
      ...['--dir', this.#directory, '--bind', '127.0.0.1', '--unixsocket', this.socketPath, '--save', ''],
      ...['--enable-debug-command', 'yes'],
      ...listen,
      ...(password === undefined ? [] : ['--requirepass', password]),
      ...(replicaOf === undefined ? [] : ['--replicaof', '127.0.0.1', `${replicaOf}`]),
      ...usual,
      ...args,
    ])
    this.#child = child
    await eventually(async () => {
      if (child.exited) throw new Error(`redis ended:\n${child.output}`)
      const said = await this.#cli(['PING'])
      if (!ready.test(said)) throw new Error(`redis says ${said}`)
    }, START_DEADLINE_MS)
  }

  /** Runs a command over the unix socket, logged in; throws what redis says if that is an error. */
  async command(...words: readonly string[]): Promise<string> {
    const { password } = this.#options
    return this.#cli([...(password === undefined ? [] : ['--pass', password, '--no-auth-warning']), '-e', ...words])
  }

  async #cli(args: readonly string[]): Promise<string> {
    const { stdout } = await run('redis-cli', ['-s', this.socketPath, ...args])
    return stdout.trim()
  }

  /** Connections other than the one that asks. */
  async connections(): Promise<number> {
    return Number(/^connected_clients:(\d+)/m.exec(await this.command('INFO', 'clients'))?.[1]) - 1
  }

  /** Freezes the process: it keeps its connections and answers nothing. */
  async freeze(): Promise<void> {
    await freeze(this.#running)
  }

  thaw(): void {
    thaw(this.#running)
  }

  async stop(): Promise<void> {
    await this.#child?.stop()
    this.#child = undefined
  }

  /** Stops the server and removes its files. */
  async close(): Promise<void> {
    await this.stop()
    await rm(this.#directory, { recursive: true, force: true })
    directories.delete(this.#directory)
  }
}

/** Starts a Redis that keeps nothing on disk, unless its arguments say so. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'redis-'))
  directories.add(directory)
  const server = new RedisServer(await freePort(), directory, options)
  await server.start()
  return server
}

function tlsArguments(port: number, { ca, server }: Certificates): readonly string[] {
  return [
    ...['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'optional'],
    ...['--tls-ca-cert-file', ca, '--tls-cert-file', server.cert, '--tls-key-file', server.key],
  ]
}
