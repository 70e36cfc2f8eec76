import { execFile } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze, thaw } from './freeze.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

export interface PostgresOptions {
  /** Makes the server talk TLS. */
  readonly certificates?: Certificates
  /** Further settings, `name=value`. */
  readonly settings?: readonly string[]
}

/** An account that may connect and nothing else; its database has the same name. */
export const POSTGRES_USER = 'nerve'
export const POSTGRES_PASSWORD = "it's secret"

const START_DEADLINE_MS = 45_000
const SUPERUSER = 'postgres'

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** Debian keeps the programs of each version in a directory of its own, off the PATH. */
function program(name: string): string {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return name
  const newest = readdirSync(versions).sort((a, b) => Number(b) - Number(a))[0]
  return join(versions, newest ?? '', 'bin', name)
}

/** PostgreSQL refuses to run as root: then it runs as the account that its package makes. */
async function account(): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (process.getuid?.() !== 0) return {}
  const id = async (flag: string) => Number((await run('id', [flag, SUPERUSER])).stdout)
  return { uid: await id('-u'), gid: await id('-g') }
}

/** A real PostgreSQL on 127.0.0.1, with a database of its own. */
export class PostgresServer {
  readonly port: number
  /** Path of its unix socket. */
  readonly socketPath: string
  readonly #directory: string
  readonly #options: PostgresOptions
  #child: Child | undefined

  constructor(port: number, directory: string, options: PostgresOptions) {
    this.port = port
    this.socketPath = join(directory, `.s.PGSQL.${port}`)
    this.#directory = directory
    this.#options = options
  }

  get #running(): Child {
    if (this.#child === undefined) throw new Error('postgres is not running')
    return this.#child
  }

  async start(): Promise<void> {
    const { certificates, settings = [] } = this.#options
    const tls = certificates === undefined ? [] : ['ssl=on', ...(await this.#copyCertificates(certificates))]
    const all = [
      `port=${this.port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.#directory}`,
      'fsync=off',
      'log_checkpoints=off', // they come by the clock, between the lines of a test
      'shared_buffers=16MB',
      'max_wal_senders=2',
      ...tls,
      ...settings,
    ]
    const child = new Child(
      'postgres',
      program('postgres'),
      ['-D', join(this.#directory, 'data'), ...all.flatMap((setting) => ['-c', setting])],
      await account(),
    )
    this.#child = child
    await eventually(async () => {
      if (child.exited) throw new Error(`postgres ended:\n${child.output}`)
      await this.sql('SELECT 1')
    }, START_DEADLINE_MS)
  }

  /** The server wants a key that is its own and that nobody else may read. */
  async #copyCertificates({ ca, server }: Certificates): Promise<readonly string[]> {
    const { uid, gid } = await account()
    const copies = { ssl_ca_file: ca, ssl_cert_file: server.cert, ssl_key_file: server.key }
    return Promise.all(
      Object.entries(copies).map(async ([name, from]) => {
        const to = join(this.#directory, `${name}.pem`)
        await copyFile(from, to)
        await chmod(to, 0o600)
        if (uid !== undefined && gid !== undefined) await chown(to, uid, gid)
        return `${name}=${to}`
      }),
    )
  }

  /** Runs statements as the superuser over the unix socket; the result has no column names. */
  async sql(statements: string): Promise<string> {
    const where = ['--host', this.#directory, '--port', `${this.port}`, '--username', SUPERUSER, '--dbname', 'postgres']
    const { stdout } = await run(program('psql'), [
      ...['--no-psqlrc', '--tuples-only', '--no-align', '--quiet', '--set', 'ON_ERROR_STOP=1'],
      ...where,
      ...['--command', statements],
    ])
    return stdout.trim()
  }

  /** The process ids of the connections of `nerve`. */
  async connections(): Promise<readonly number[]> {
    const ids = await this.sql(`SELECT pid FROM pg_stat_activity WHERE usename = '${POSTGRES_USER}'`)
    return ids === '' ? [] : ids.split('\n').map(Number)
  }

  /** What the server has logged so far. */
  get log(): string {
    return this.#running.output
  }

  /** Freezes the process that accepts connections. */
  async freeze(): Promise<void> {
    await freeze(this.#running)
  }

  thaw(): void {
    thaw(this.#running)
  }

  async stop(): Promise<void> {
    await this.#child?.stop(20_000)
    this.#child = undefined
  }

  /** Makes it start as a standby without a primary. */
  async becomeStandby(): Promise<void> {
    await this.stop()
    await writeFile(join(this.#directory, 'data', 'standby.signal'), '')
    await this.start()
  }

  /** Stops the server and removes its files. */
  async close(): Promise<void> {
    await this.stop()
    await rm(this.#directory, { recursive: true, force: true })
    directories.delete(this.#directory)
  }
}

/** Starts a PostgreSQL with the account and the database `nerve`. Passwords are asked for on TCP. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), 'postgres-'))
  directories.add(directory)
  const owner = await account()
  const data = join(directory, 'data')
  await mkdir(data)
  if (owner.uid !== undefined && owner.gid !== undefined) {
    for (const path of [directory, data]) await chown(path, owner.uid, owner.gid)
  }
  await run(
    program('initdb'),
    ['-D', data, '-U', SUPERUSER, '--no-sync', '--auth-local=trust', '--auth-host=scram-sha-256', '--no-instructions'],
    owner,
  )
  const server = new PostgresServer(await freePort(), directory, options)
  await server.start()
  const password = POSTGRES_PASSWORD.replaceAll("'", "''")
  await server.sql(`CREATE ROLE ${POSTGRES_USER} LOGIN PASSWORD '${password}'`)
  await server.sql(`CREATE DATABASE ${POSTGRES_USER}`)
  return server
}
