import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, createServer, get, type Server as HttpServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import type { HaproxyBinary } from './haproxy-binaries.ts'

/** A directory for one test, with a wrapper of HAProxy in it that keeps HAProxy's own messages out of the test report. */
export class HaproxyDirectory {
  readonly path: string
  /** Use it as `haproxy_path`; what HAProxy says is appended to `log`. */
  readonly program: string
  readonly #log: string

  private constructor(path: string) {
    this.path = path
    this.program = join(path, 'haproxy')
    this.#log = join(path, 'haproxy.log')
  }

  /** @param binary the HAProxy behind the wrapper. Default: the one of this system. */
  static async create(binary: Pick<HaproxyBinary, 'path'> = { path: 'haproxy' }): Promise<HaproxyDirectory> {
    const directory = new HaproxyDirectory(await mkdtemp(join(tmpdir(), 'haproxy-')))
    // `-c` and `-v` are left alone: synapse reads their words.
    const script = `#!/bin/sh
case " $* " in *" -c "* | *" -v "*) exec '${binary.path}' "$@" ;; esac
exec '${binary.path}' "$@" >>'${directory.#log}' 2>&1
`
    await writeFile(directory.program, script)
    await chmod(directory.program, 0o755)
    return directory
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** As a configuration of synapse says it that manages a HAProxy in this directory. */
  options(more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      haproxy_path: this.program,
      run_directory: this.path,
      bind_address: '127.0.0.1',
      restart_interval: 0.1,
      stop_timeout: 3,
      global: ['fd-hard-limit 5000'],
      defaults: ['mode http', 'timeout connect 1s', 'timeout client 10s', 'timeout server 10s'],
      ...more,
    }
  }

  /** What HAProxy said on its standard output and error. */
  log(): Promise<string> {
    return readFile(this.#log, 'utf8').catch(() => '')
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true })
  }
}

/** Starts HAProxy in the foreground, without a master, with this configuration; resolves when its stats socket answers. */
export async function startHaproxy(
  binary: Pick<HaproxyBinary, 'path'>,
  configPath: string,
  config: string,
  statsSocket: string,
): Promise<Child> {
  await writeFile(configPath, config)
  const child = new Child('haproxy', binary.path, ['-db', '-f', configPath])
  await eventually(async () => {
    if (child.exited) throw new Error(child.output)
    await show(statsSocket, 'show info')
  })
  return child
}

/** One command on a connection of its own; the answer without prompts. */
export async function show(statsSocket: string, command: string): Promise<string> {
  const socket = connect(statsSocket)
  try {
    socket.end(`${command}\n`)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return answer
  } finally {
    socket.destroy()
  }
}

/** The pid of the worker that serves. One that a reload is replacing may answer for a moment still, and says so. */
export async function workerPid(statsSocket: string): Promise<number> {
  for (;;) {
    const info = await show(statsSocket, 'show info')
    const pid = /^Pid: (\d+)$/m.exec(info)?.[1]
    if (pid === undefined) throw new Error(`HAProxy does not say its pid: ${info}`)
    if (!/^Stopping: 1$/m.test(info)) return Number(pid)
  }
}

/** Whether a process runs; one that has ended and that nobody has waited for does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone) Z')
  return !/\) [ZX]/.test(status)
}

/** Every server of a backend as `name address:port weight admin-state-bits`, sorted: what a test compares. */
export async function showServers(statsSocket: string, backend: string): Promise<string[]> {
  const [, header = '', ...rows] = (await show(statsSocket, `show servers state ${backend}`)).split('\n')
  const names = header.replace('# ', '').split(' ')
  return rows
    .filter((row) => row !== '')
    .map((row) => Object.fromEntries(row.split(' ').map((value, index) => [names[index], value])))
    .map((row) => `${row.srv_name} ${row.srv_addr}:${row.srv_port} ${row.srv_uweight} ${row.srv_admin_state}`)
    .sort()
}

/** A small web server behind HAProxy. It answers its own name; `/held` is not answered before `release()`. */
export class Backend {
  readonly name: string
  readonly #server: HttpServer
  readonly #held: (() => void)[] = []
  /** Requests that arrived. */
  hits = 0

  private constructor(name: string, server: HttpServer) {
    this.name = name
    this.#server = server
  }

  static async start(name: string): Promise<Backend> {
    const server = createServer()
    const backend = new Backend(name, server)
    server.keepAliveTimeout = 0 // never the first to close: HAProxy's reuse must not race with us
    server.on('request', (request, response) => {
      backend.hits += 1
      if (request.url === '/held') backend.#held.push(() => response.end(name))
      else response.end(name)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return backend
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return address.port
  }

  /** Answers the requests that are held. */
  release(): void {
    for (const answer of this.#held.splice(0)) answer()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** One request: the body of a 200, else `HTTP <status>`; rejects when the connection fails. */
export function request(port: number, path = '/', agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = get({ host: '127.0.0.1', port, path, agent: agent ?? false, timeout: 5000 }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve(response.statusCode === 200 ? body : `HTTP ${response.statusCode}`))
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer in 5 s')))
    sent.on('error', reject)
  })
}

/** The cookie that an answer sets, without its attributes; `none` when it sets none. */
export function cookieFrom(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.resume()
      resolve(response.headers['set-cookie']?.[0]?.split(';')[0] ?? 'none')
    }).on('error', reject)
  })
}

export interface LoadReport {
  readonly requests: number
  /** How often what went wrong; empty when nothing did. */
  readonly failures: Readonly<Record<string, number>>
}

/**
 * A light, steady load: half of the clients keep their connection, half open one per request. Runs until stopped, and for
 * at most `maxMs`, so that a test that fails before it stops its load still ends.
 */
export function startLoad(port: number, { clients = 4, maxMs = 15_000, path = '/' } = {}) {
  const end = performance.now() + maxMs
  const agents: Agent[] = []
  const failures: Record<string, number> = {}
  let requests = 0
  let stopped = false
  const fail = (kind: string) => {
    failures[kind] = (failures[kind] ?? 0) + 1
  }
  const client = async (agent: Agent | undefined) => {
    while (!stopped && performance.now() < end) {
      requests += 1
      const kind = agent === undefined ? 'fresh' : 'kept'
      try {
        const body = await request(port, path, agent)
        if (body.startsWith('HTTP ')) fail(`${kind}: ${body}`)
      } catch (error) {
        fail(`${kind}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  const running = Array.from({ length: clients }, (_, index) => {
    if (index % 2 === 0) return client(undefined)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    agents.push(agent)
    return client(agent)
  })
  return {
    get requests() {
      return requests
    },
    async stop(): Promise<LoadReport> {
      stopped = true
      await Promise.all(running)
      for (const agent of agents) agent.destroy()
      return { requests, failures }
    },
  }
}
