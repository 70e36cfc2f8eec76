import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze, thaw } from './freeze.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

export interface MariadbOptions {
  /** Makes the server talk TLS. */
  readonly certificates?: Certificates
  /** Different for each member of a replication. Default 1. */
  readonly serverId?: number
  /** Further arguments of mariadbd, e.g. `--max-connections=3`. */
  readonly args?: readonly string[]
}

/** An account that may connect and nothing else. */
export const MARIADB_USER = 'nerve'
export const MARIADB_PASSWORD = "it's secret"

const START_DEADLINE_MS = 45_000
const AS_USER = process.getuid?.() === 0 ? ['--user=root'] : []

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** A real MariaDB on 127.0.0.1, with a database of its own. */
export class MariadbServer {
  readonly port: number
  /** Path of its unix socket. */
  readonly socketPath: string
  readonly #directory: string
  readonly #options: MariadbOptions
  #child: Child | undefined

  constructor(port: number, directory: string, options: MariadbOptions) {
    this.port = port
    this.socketPath = join(directory, 'mysql.sock')
    this.#directory = directory
    this.#options = options
  }

  get #running(): Child {
    if (this.#child === undefined) throw new Error('mariadb is not running')
    return this.#child
  }

  async start(): Promise<void> {
    const { certificates, serverId = 1, args = [] } = this.#options
    const tls =
      certificates === undefined
        ? ['--skip-ssl']
        : [
            `--ssl-ca=${certificates.ca}`,
            `--ssl-cert=${certificates.server.cert}`,
            `--ssl-key=${certificates.server.key}`,
          ]
    this.#child = new Child('mariadb', 'mariadbd', [
      '--no-defaults',
      ...AS_USER,
      `--datadir=${join(this.#directory, 'data')}`,
      `--tmpdir=${join(this.#directory, 'tmp')}`,
      `--socket=${this.socketPath}`,
      `--port=${this.port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=16M',
      '--innodb-flush-log-at-trx-commit=0',
      `--server-id=${serverId}`,
      '--log-bin=binlog',
      '--slave-net-timeout=2',
      ...tls,
      ...args,
    ])
    const child = this.#child
    await eventually(async () => {
      if (child.exited) throw new Error(`mariadb ended:\n${child.output}`)
      await this.sql('SELECT 1')
    }, START_DEADLINE_MS)
  }

  /** Runs statements as root over the unix socket; the result is tab-separated, without column names. */
  async sql(statements: string): Promise<string> {
    const { stdout } = await run('mariadb', [
      '--no-defaults',
      `--socket=${this.socketPath}`,
      '--user=root',
      '--skip-column-names',
      '--batch',
      `--execute=${statements}`,
    ])
    return stdout.trim()
  }

  /** A counter of SHOW GLOBAL STATUS. */
  async status(name: string): Promise<number> {
    const [, value] = (await this.sql(`SHOW GLOBAL STATUS LIKE '${name}'`)).split('\t')
    return Number(value)
  }

  /** The ids of the connections of `nerve`, and of those that have not logged in yet. */
  async connections(): Promise<readonly number[]> {
    const users = `'${MARIADB_USER}', 'unauthenticated user'`
    const ids = await this.sql(`SELECT id FROM information_schema.processlist WHERE user IN (${users})`)
    return ids === '' ? [] : ids.split('\n').map(Number)
  }

  /** Makes this server a replica of `source`, which must have another server id. */
  async replicate(source: MariadbServer): Promise<void> {
    const to = `MASTER_HOST='127.0.0.1', MASTER_PORT=${source.port}, MASTER_USER='replica', MASTER_PASSWORD='replica'`
    await this.sql(`CHANGE MASTER TO ${to}, MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE`)
  }

  /** Freezes the process: it keeps its connections and answers nothing. */
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

  /** Stops the server and removes its files. */
  async close(): Promise<void> {
    await this.stop()
    await rm(this.#directory, { recursive: true, force: true })
    directories.delete(this.#directory)
  }
}

/** Starts a MariaDB with the accounts `nerve` and, for replication, `replica`. */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  const directory = await mkdtemp(join(tmpdir(), 'mariadb-'))
  directories.add(directory)
  // A temporary directory of its own: a server that starts removes the temporary tables of others.
  await mkdir(join(directory, 'tmp'))
  await run('mariadb-install-db', [
    '--no-defaults',
    ...AS_USER,
    `--datadir=${join(directory, 'data')}`,
    `--tmpdir=${join(directory, 'tmp')}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ])
  const server = new MariadbServer(await freePort(), directory, options)
  await server.start()
  const password = MARIADB_PASSWORD.replaceAll("'", "''")
  // Not logged, so that a replica does not meet the accounts it has itself.
  await server.sql(`SET sql_log_bin = 0;
    CREATE USER '${MARIADB_USER}'@'%' IDENTIFIED BY '${password}';
    CREATE USER 'replica'@'%' IDENTIFIED BY 'replica';
    GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%'`)
  return server
}
