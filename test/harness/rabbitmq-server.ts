import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze, thaw } from './freeze.ts'
import { freePort, freePorts } from './ports.ts'

const run = promisify(execFile)

/** Debian's programs on the PATH change to an account of their own; those behind them run as whoever starts them. */
const PROGRAMS = '/usr/lib/rabbitmq/bin'
const program = (name: string) => (existsSync(PROGRAMS) ? join(PROGRAMS, name) : name)

const START_DEADLINE_MS = 120_000

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

export interface RabbitmqOptions {
  /** Makes the server talk TLS too, on `tlsPort`. */
  readonly certificates?: Certificates
}

/** A real RabbitMQ on 127.0.0.1 with the account `guest`, and an Erlang port mapper of its own beside it. */
export class RabbitmqServer {
  readonly port: number
  readonly tlsPort: number
  readonly #directory: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #children: readonly Child[]

  constructor(
    ports: { readonly port: number; readonly tlsPort: number },
    directory: string,
    environment: NodeJS.ProcessEnv,
    children: readonly Child[],
  ) {
    this.port = ports.port
    this.tlsPort = ports.tlsPort
    this.#directory = directory
    this.#environment = environment
    this.#children = children
  }

  /** Runs rabbitmqctl; the result has no headings. */
  async ctl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(program('rabbitmqctl'), ['--quiet', ...args], { env: this.#environment })
    return stdout.trim()
  }

  /** Runs an expression inside the server. */
  async eval(expression: string): Promise<string> {
    return this.ctl('eval', expression)
  }

  /** How many clients are connected. */
  async connections(): Promise<number> {
    return Number(await this.eval('length(rabbit_networking:connections()).'))
  }

  get #server(): Child {
    const [server] = this.#children
    if (server === undefined) throw new Error('rabbitmq is not running')
    return server
  }

  /** Freezes the process: it keeps its connections and answers nothing. */
  async freeze(): Promise<void> {
    await freeze(this.#server)
  }

  thaw(): void {
    thaw(this.#server)
  }

  /** Stops the server and removes its files. */
  async close(): Promise<void> {
    for (const child of this.#children) await child.stop(20_000)
    await rm(this.#directory, { recursive: true, force: true })
    directories.delete(this.#directory)
  }
}

export async function startRabbitmq({ certificates }: RabbitmqOptions = {}): Promise<RabbitmqServer> {
  const directory = await mkdtemp(join(tmpdir(), 'rabbitmq-'))
  directories.add(directory)
  const [port = 0, tlsPort = 0, distributionPort] = await freePorts(3)
  const mapperPort = await freePort()
  // Of connections nothing is logged: what a child says is kept, and ten thousand checks would make it megabytes.
  const logging = ['log.console = true', 'log.file = false', 'log.connection.level = critical']
  const lines = [`listeners.tcp.1 = 127.0.0.1:${port}`, ...logging]
  if (certificates !== undefined) lines.push(...tlsLines(tlsPort, certificates))
  await writeFile(join(directory, 'rabbitmq.conf'), `${lines.join('\n')}\n`)
  await writeFile(join(directory, 'enabled_plugins'), '[].\n')
  const environment = {
    ...process.env,
    HOME: directory, // the cookie of the Erlang nodes is there
    RABBITMQ_NODENAME: `test-${port}@localhost`,
    RABBITMQ_DIST_PORT: `${distributionPort}`,
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'none'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(directory, 'generated'),
    RABBITMQ_PID_FILE: join(directory, 'pid'),
    RUNNING_UNDER_SYSTEMD: 'true', // then the program becomes the server, instead of being its parent
    ERL_EPMD_PORT: `${mapperPort}`,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none',
    RABBITMQ_CTL_ERL_ARGS: '+S 1:1 +sbwt none',
  }
  // A mapper that runs already keeps the server from starting one as a daemon, which would outlive it.
  const mapper = new Child('epmd', 'epmd', ['-port', `${mapperPort}`, '-address', '127.0.0.1'])
  await eventually(() => connects(mapperPort))
  const child = new Child('rabbitmq', program('rabbitmq-server'), [], { env: environment, cwd: directory })
  const server = new RabbitmqServer({ port, tlsPort }, directory, environment, [child, mapper])
  await eventually(() => {
    if (child.exited) throw new Error(`rabbitmq ended:\n${child.output}`)
    if (!/Server startup complete/.test(child.output)) throw new Error(`rabbitmq does not start:\n${child.output}`)
  }, START_DEADLINE_MS)
  return server
}

async function connects(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
  } finally {
    socket.destroy()
  }
}

const tlsLines = (port: number, { ca, server }: Certificates): readonly string[] => [
  `listeners.ssl.1 = 127.0.0.1:${port}`,
  `ssl_options.cacertfile = ${ca}`,
  `ssl_options.certfile = ${server.cert}`,
  `ssl_options.keyfile = ${server.key}`,
]
