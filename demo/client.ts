import { once } from 'node:events'
import { get } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { MARIADB_PASSWORD, MARIADB_USER } from '../test/harness/mariadb-server.ts'
import { type ServiceName, serviceNames } from './instances.ts'

/** A request that got no answer. Times are of performance.now(). */
export interface Failure {
  readonly service: ServiceName
  readonly startedAt: number
  readonly failedAt: number
  readonly reason: string
}

const REQUEST_DEADLINE_MS = 5000
const PAUSE_MS = 10

/** An application: it calls all services through their localhost ports, each time on a fresh connection, and knows of nothing else. */
export class Client {
  readonly failures: Failure[] = []
  /** The port of an instance to the requests that it answered. */
  readonly answers = new Map<number, number>()
  /** Requests made of each service, answered or not. */
  readonly requests: Record<ServiceName, number> = { web: 0, mysql: 0, redis: 0 }
  readonly #ports: Readonly<Record<ServiceName, number>>
  readonly #stop = new AbortController()
  readonly #loops: readonly Promise<void>[]

  constructor(ports: Readonly<Record<ServiceName, number>>) {
    this.#ports = ports
    this.#loops = serviceNames.map((service) => this.#loop(service))
  }

  get total(): number {
    return serviceNames.reduce((sum, service) => sum + this.requests[service], 0)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#loops)
  }

  async #loop(service: ServiceName): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#call(service)
      await sleep(PAUSE_MS)
    }
  }

  async #call(service: ServiceName): Promise<void> {
    const startedAt = performance.now()
    try {
      const port = await calls[service](this.#ports[service])
      this.answers.set(port, (this.answers.get(port) ?? 0) + 1)
    } catch (error) {
      this.failures.push({ service, startedAt, failedAt: performance.now(), reason: String(error) })
    }
    this.requests[service] += 1
  }
}

/** One request of each service. Resolves with the port of the instance that answered. */
const calls: Readonly<Record<ServiceName, (port: number) => Promise<number>>> = {
  web: callWeb,
  mysql: callMysql,
  redis: callRedis,
}

async function callWeb(port: number): Promise<number> {
  const request = get({ host: '127.0.0.1', port, path: '/', agent: false, timeout: REQUEST_DEADLINE_MS })
  request.on('timeout', () => request.destroy(new Error('no answer')))
  const [response] = await once(request, 'response')
  let body = ''
  for await (const chunk of response) body += chunk
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`)
  return JSON.parse(body).port
}

async function callMysql(port: number): Promise<number> {
  const connection = await createConnection({
    host: '127.0.0.1',
    port,
    user: MARIADB_USER,
    password: MARIADB_PASSWORD,
    connectTimeout: REQUEST_DEADLINE_MS,
  })
  try {
    const [rows] = await connection.query({ sql: 'SELECT @@port AS port', timeout: REQUEST_DEADLINE_MS })
    await connection.end()
    return (rows as unknown as readonly { readonly port: number }[])[0]?.port ?? 0
  } finally {
    connection.destroy()
  }
}

async function callRedis(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  socket.setTimeout(REQUEST_DEADLINE_MS, () => socket.destroy(new Error('no answer')))
  try {
    socket.write('CONFIG GET port\r\n')
    let answer = ''
    for await (const chunk of socket) {
      answer += chunk
      const found = /^\*2\r\n\$4\r\nport\r\n\$\d+\r\n(\d+)\r\n$/.exec(answer)
      if (found !== null) return Number(found[1])
    }
    throw new Error(`connection closed after ${JSON.stringify(answer)}`)
  } finally {
    socket.destroy()
  }
}
