import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze, thaw } from './freeze.ts'
import { freePort, freePorts } from './ports.ts'

export interface ZooKeeperOptions {
  /** Where the data lives. Default: a temporary directory of its own, removed by close(). */
  readonly dataDir?: string
  /** Default: a free port. */
  readonly clientPort?: number
  /** ZooKeeper's clock unit, ms. Sessions expire on its multiples. Default 500, so that short session timeouts work. */
  readonly tickTime?: number
  /** Further or other lines of zoo.cfg. */
  readonly config?: Readonly<Record<string, string>>
  /** Further options of the Java machine, e.g. `-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory`. */
  readonly javaOptions?: readonly string[]
  /** What the ensemble's `myid` holds. Set by startEnsemble. */
  readonly memberId?: number
}

/** One connection that a server holds, as its `cons` command tells. */
export interface ServerConnection {
  readonly sessionId: string
  /** The client's port, to find the connection again. */
  readonly port: number
  /** The negotiated session timeout. */
  readonly timeoutMs: number
}

const JARS = '/usr/share/java'
// zookeeper.jar names what it needs in its manifest; added are a log that is silent about good news, and what Netty (TLS) lacks there.
const CLASS_PATH = [
  'zookeeper',
  'slf4j-simple',
  'netty-codec',
  'netty-resolver',
  'netty-transport-native-unix-common',
].map((name) => `${JARS}/${name}.jar`)
const JAVA_OPTIONS = [
  '-Xmx128m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Xshare:auto',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
]
const MAIN_CLASS = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'
const START_DEADLINE_MS = 45_000

const ownDirectories = new Set<string>()
process.on('exit', () => {
  for (const directory of ownDirectories) rmSync(directory, { recursive: true, force: true })
})

/** A real ZooKeeper on 127.0.0.1, which can be stopped, killed, frozen, emptied and started again on its port. */
export class ZooKeeperServer {
  readonly port: number
  readonly #directory: string
  readonly #options: ZooKeeperOptions
  #child: Child | undefined

  constructor(port: number, directory: string, options: ZooKeeperOptions) {
    this.port = port
    this.#directory = directory
    this.#options = options
  }

  /** The connection string. */
  get hosts(): string {
    return `127.0.0.1:${this.port}`
  }

  /** What the server printed. */
  get output(): string {
    return this.#child?.output ?? ''
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error('ZooKeeper was not started')
    return this.#child.pid
  }

  /** Starts the process and returns at once; see ready(). */
  async spawn(): Promise<void> {
    if (!existsSync(`${JARS}/zookeeper.jar`))
      throw new Error(`${JARS}/zookeeper.jar is missing: install the package zookeeper (apt-get install zookeeper)`)
    await mkdir(this.dataDir, { recursive: true })
    const { memberId, javaOptions = [] } = this.#options
    if (memberId !== undefined) await writeFile(join(this.dataDir, 'myid'), String(memberId))
    const file = join(this.#directory, 'zoo.cfg')
    await writeFile(file, this.#configText())
    const args = [...JAVA_OPTIONS, ...javaOptions, '-cp', CLASS_PATH.join(':'), MAIN_CLASS, file]
    const child = new Child(`zookeeper:${this.port}`, 'java', args)
    child.process.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') child.output += 'java is missing: install the package default-jre-headless\n'
    })
    this.#child = child
  }

  /** Resolves once the server serves clients: for a member of an ensemble, once there is a quorum. */
  async ready(): Promise<void> {
    const child = this.#child
    await new Promise((resolve) => setImmediate(resolve)) // a missing java is told a turn later
    let failure = ''
    const serves = async () => {
      if (child?.process.pid === undefined || child.exited) {
        failure = `ZooKeeper did not start:\n${child?.output}`
        return
      }
      const answer = await this.fourLetter('srvr', 1000)
      if (!answer.includes('Mode: ')) throw new Error(`ZooKeeper does not serve: ${answer}\n${child.output}`)
    }
    await eventually(serves, START_DEADLINE_MS, 20)
    if (failure !== '') throw new Error(failure)
  }

  async start(): Promise<void> {
    await this.spawn()
    await this.ready()
  }

  /** Orderly stop. The data stays, for restart(). */
  async stop(): Promise<void> {
    await this.#child?.stop()
  }

  /** SIGKILL: what a crash of the machine looks like. The data stays. */
  async kill(): Promise<void> {
    if (this.#child === undefined || this.#child.exited) return
    this.#child.kill('SIGKILL')
    await this.#child.exit()
  }

  /** Starts again on the same port, after a stop if it still runs; `empty` throws the data away first: a lost registry. */
  async restart({ empty = false }: { readonly empty?: boolean } = {}): Promise<void> {
    await this.stop()
    if (empty) await rm(this.dataDir, { recursive: true, force: true })
    await this.start()
  }

  /** Connections stay open and nothing answers. */
  async freeze(): Promise<void> {
    if (this.#child !== undefined) await freeze(this.#child)
  }

  /** Ends freeze(). */
  thaw(): void {
    if (this.#child !== undefined) thaw(this.#child)
  }

  /** Stops the server and removes its temporary directory. */
  async close(): Promise<void> {
    await this.kill()
    if (ownDirectories.delete(this.#directory)) await rm(this.#directory, { recursive: true, force: true })
  }

  /** Sends one of ZooKeeper's four-letter commands and returns the answer. */
  fourLetter(word: string, deadlineMs = 20_000): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = ''
      const socket = connect(this.port, '127.0.0.1', () => socket.write(word))
      socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`no answer to ${word} in ${deadlineMs} ms`)))
      socket.setEncoding('utf8').on('data', (chunk) => {
        answer += chunk
      })
      socket.on('error', reject).on('close', () => resolve(answer))
    })
  }

  /** The connections of clients that have a session, by `cons`. */
  async connections(): Promise<ServerConnection[]> {
    const line = /^ \/[^[]*:(\d+)\[.*?sid=(0x[0-9a-f]+).*?,to=(\d+),/gm
    return [...(await this.fourLetter('cons')).matchAll(line)].map(([, port, sessionId, timeout]) => ({
      sessionId: String(sessionId),
      port: Number(port),
      timeoutMs: Number(timeout),
    }))
  }

  /** Session id (`0x...`) to the paths of its ephemeral znodes, by `dump`: what the server holds, told without any client of ours. */
  async ephemerals(): Promise<Map<string, string[]>> {
    const [, section = ''] = (await this.fourLetter('dump')).split(/^Sessions with Ephemerals.*$/m)
    const found = new Map<string, string[]>()
    let paths: string[] = []
    for (const line of section.split('\n')) {
      const session = /^(0x[0-9a-f]+):$/.exec(line)?.[1]
      if (session !== undefined) {
        paths = []
        found.set(session, paths)
      } else if (line.startsWith('\t/')) paths.push(line.trim())
    }
    return found
  }

  /** Every ephemeral path under `parent`, sorted. */
  async ephemeralsUnder(parent: string): Promise<string[]> {
    const paths = [...(await this.ephemerals()).values()].flat()
    return paths.filter((path) => path.startsWith(`${parent}/`)).sort()
  }

  /** Where its snapshots and transaction logs are. */
  get dataDir(): string {
    return this.#options.dataDir ?? join(this.#directory, 'data')
  }

  #configText(): string {
    const { tickTime = 500, config = {} } = this.#options
    const settings: Record<string, string | number> = {
      dataDir: this.dataDir,
      clientPort: this.port,
      clientPortAddress: '127.0.0.1',
      tickTime,
      minSessionTimeout: 500,
      maxSessionTimeout: 120_000,
      initLimit: 20,
      syncLimit: 10,
      maxClientCnxns: 0,
      forceSync: 'no',
      'admin.enableServer': 'false',
      '4lw.commands.whitelist': '*',
      ...config,
    }
    return Object.entries(settings)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('')
  }
}

/** Starts one ZooKeeper and waits until it serves. Call close() when done. */
export async function startZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  const server = await prepare(options)
  try {
    await server.start()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

/** Several members that elect a leader. */
export interface Ensemble {
  readonly members: readonly ZooKeeperServer[]
  /** The connection string of all members. */
  readonly hosts: string
  /** The member that leads now. */
  leader(): Promise<ZooKeeperServer>
  close(): Promise<void>
}

/** Starts an ensemble and waits until every member serves. Call close() when done. */
export async function startEnsemble(size = 3, options: ZooKeeperOptions = {}): Promise<Ensemble> {
  const ports = await freePorts(size * 2)
  const config: Record<string, string> = { ...options.config }
  for (let id = 1; id <= size; id++)
    config[`server.${id}`] = `127.0.0.1:${ports[id * 2 - 2]}:${ports[id * 2 - 1]}:participant`
  const members: ZooKeeperServer[] = []
  for (let memberId = 1; memberId <= size; memberId++) members.push(await prepare({ ...options, config, memberId }))
  const close = async () => {
    await Promise.all(members.map((member) => member.close()))
  }
  try {
    for (const member of members) await member.spawn()
    await Promise.all(members.map((member) => member.ready()))
  } catch (error) {
    await close()
    throw error
  }
  return {
    members,
    hosts: members.map((member) => member.hosts).join(','),
    async leader() {
      for (const member of members) {
        const answer = await member.fourLetter('srvr').catch(() => 'down')
        if (answer.includes('Mode: leader')) return member
      }
      throw new Error('the ensemble has no leader')
    },
    close,
  }
}

async function prepare(options: ZooKeeperOptions): Promise<ZooKeeperServer> {
  const directory = await mkdtemp(join(tmpdir(), 'smartstack-zookeeper-'))
  ownDirectories.add(directory)
  return new ZooKeeperServer(options.clientPort ?? (await freePort()), directory, options)
}
