import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/core/clock.ts'
import { createMetrics } from '../../src/core/metrics.ts'
import { createSessionPool } from '../../src/zookeeper/session-pool.ts'
import type { Session, SessionPool, Stat } from '../../src/zookeeper/zookeeper.ts'
import { Child } from './child.ts'
import { type Daemon, type DaemonOptions, programOf, startNerve } from './daemon.ts'
import { type Instance, startInstance } from './main-job.ts'
import { freePort } from './ports.ts'
import { recordingLog } from './recording-log.ts'
import { startZooKeeper, type ZooKeeperServer } from './zookeeper-server.ts'

/** A service of a file of BlaBlaCar's nerve, by its keys. */
export type ServiceKeys = Readonly<Record<string, unknown>>

/** Keys of a service that is up soon, warm soon and down at once. */
export const quick: ServiceKeys = {
  enableWarmupIntervalInMilli: 10,
  disableMinDurationInMilli: 1,
  checks: [{ type: 'tcp', checkIntervalInMilli: 20 }],
}

/** A registration as a client of ZooKeeper sees it. */
export interface Znode {
  readonly name: string
  readonly path: string
  readonly text: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly stat: Stat
}

/** An answer of the HTTP API. */
export interface ApiAnswer {
  readonly status: number
  readonly type: string
  readonly text: string
  /** The JSON of `text`. @throws when it is none. */
  json<Value>(): Value
}

/** The status object of go-nerve. */
export interface ServiceStatus {
  readonly Name: string
  readonly Host: string
  readonly Port: number
  readonly Status: string
  readonly MaxWeight: number
  readonly CurrentWeight: number
  readonly Available: boolean
}

const never = new AbortController().signal

/** What the conformance tests of one file share: a ZooKeeper with a client of the tests' own, a healthy instance, a directory. */
export class BlablacarSite {
  readonly zookeeper: ZooKeeperServer
  readonly instance: Instance
  /** A temporary directory, removed by close(). */
  readonly directory: string
  readonly session: Session
  readonly #sessions: SessionPool
  readonly #daemons: Daemon[] = []

  constructor(zookeeper: ZooKeeperServer, instance: Instance, directory: string) {
    this.zookeeper = zookeeper
    this.instance = instance
    this.directory = directory
    this.#sessions = createSessionPool({
      ...{ clock: systemClock, log: recordingLog(), metrics: createMetrics(), random: Math.random },
    })
    this.session = this.#sessions.acquire({ hosts: [zookeeper.hosts], sessionTimeoutMs: 10_000 })
  }

  /** A reporter to a path of the ZooKeeper. */
  registry(path: string, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return { type: 'zookeeper', hosts: [this.zookeeper.hosts], path, ...more }
  }

  /** A quick service of the instance that is registered at `/services/<name>`. */
  service(name: string, more: ServiceKeys = {}): ServiceKeys {
    return { name, port: this.instance.port, ...quick, reporters: [this.registry(`/services/${name}`)], ...more }
  }

  /** bin/nerve with these services, closed with the site. `keys`: further lines of the top level. */
  async nerve(services: readonly ServiceKeys[], options: DaemonOptions = {}, keys = ''): Promise<Daemon> {
    const top = `apiHost: 127.0.0.1\napiPort: ${await freePort()}\n${keys}`
    const daemon = await startNerve(`${top}\nservices: ${JSON.stringify(services, null, 1)}\n`, options)
    this.#daemons.push(daemon)
    return daemon
  }

  /** The registrations below a path. */
  async znodes(parent: string): Promise<Znode[]> {
    if ((await this.session.exists(parent, never)) === undefined) return []
    const { children } = await this.session.getChildren(parent, never)
    return Promise.all(
      children.map(async (name) => {
        const path = `${parent}/${name}`
        const { data, stat } = await this.session.getData(path, never)
        const text = data.toString('utf8')
        return { name, path, text, stat, payload: JSON.parse(text) as Znode['payload'] }
      }),
    )
  }

  /** The only registration below a path. @throws when there is another number of them. */
  async znode(parent: string): Promise<Znode> {
    const [znode, ...others] = await this.znodes(parent)
    assert.ok(znode !== undefined && others.length === 0, `${parent} has ${others.length + (znode ? 1 : 0)} znodes`)
    return znode
  }

  /** A program of the shell, and its path. */
  async script(name: string, body: string): Promise<string> {
    const path = join(this.directory, name)
    await writeFile(path, `#!/bin/sh\n${body}\n`)
    await chmod(path, 0o755)
    return path
  }

  /** The lines of a file of the directory; none while there is no such file. */
  async lines(name: string): Promise<string[]> {
    const text = await readFile(join(this.directory, name), 'utf8').catch(() => '')
    return text.split('\n').slice(0, -1)
  }

  async close(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.close()))
    await this.#sessions.close()
    await this.instance.stop()
    await this.zookeeper.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}

export async function startBlablacarSite(): Promise<BlablacarSite> {
  const [zookeeper, instance] = await Promise.all([startZooKeeper(), startInstance('web')])
  const site = new BlablacarSite(zookeeper, instance, await mkdtemp(join(tmpdir(), 'blablacar-')))
  await site.session.connected(never)
  return site
}

/** A request to the HTTP API of a nerve. */
export async function callApi({ adminUrl }: Daemon, method: string, path: string): Promise<ApiAnswer> {
  const response = await fetch(`${adminUrl}${path}`, { method })
  const text = await response.text()
  const type = response.headers.get('content-type') ?? ''
  return { status: response.status, type, text, json: <Value>() => JSON.parse(text) as Value }
}

/** What the API says of one service. */
export const statusOf = async (nerve: Daemon, service: string): Promise<ServiceStatus> =>
  (await callApi(nerve, 'GET', `/services/${service}/status`)).json<ServiceStatus>()

/** bin/nerve with arguments of the test's own, its two outputs apart. */
export class NerveProcess {
  readonly child: Child
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, ...environment }
    this.child = new Child('nerve', process.execPath, [...programOf('nerve'), ...args], { env, detached: true })
    this.child.process.stdout?.on('data', (chunk: string) => {
      this.stdout += chunk
    })
    this.child.process.stderr?.on('data', (chunk: string) => {
      this.stderr += chunk
    })
  }

  /** The exit status, once all output has come. */
  async end(): Promise<number | NodeJS.Signals> {
    const { stdout, stderr } = this.child.process
    const open = [stdout, stderr].filter((stream) => stream !== null && !stream.closed)
    await Promise.all(open.map((stream) => new Promise((resolve) => stream?.once('close', resolve))))
    return this.child.exit()
  }
}

/** A run of bin/nerve that ends by itself. */
export async function runNerve(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number | string; readonly stdout: string; readonly stderr: string }> {
  const run = new NerveProcess(args, environment)
  const status = await run.end()
  return { status, stdout: run.stdout, stderr: run.stderr }
}
