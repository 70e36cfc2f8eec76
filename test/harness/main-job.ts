import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, type DaemonOptions, startNerve, startSynapse } from './daemon.ts'
import { showServers } from './haproxy.ts'
import { freePort } from './ports.ts'
import { startZooKeeper, type ZooKeeperServer } from './zookeeper-server.ts'

/** A service instance that answers its name, and whose health a test decides. */
export class Instance {
  readonly name: string
  healthy = true
  requests = 0
  readonly #server: Server

  constructor(name: string) {
    this.name = name
    this.#server = createServer((request, response) => {
      if (request.url === '/health') {
        response.statusCode = this.healthy ? 200 : 503
        response.end(this.healthy ? 'fine' : 'out of order')
        return
      }
      this.requests += 1
      response.end(this.name)
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** @param port default: a free one, that nobody else gets while the instance is stopped. */
  async start(port?: number): Promise<void> {
    const own = port ?? (await freePort())
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(own, '127.0.0.1', resolve)
    })
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export async function startInstance(name: string): Promise<Instance> {
  const instance = new Instance(name)
  await instance.start()
  return instance
}

/** The parts of the main job that every end-to-end test needs, started and stopped together. */
export class MainJob {
  readonly zookeeper: ZooKeeperServer
  /** For synapse's files: HAProxy's, and its memory of instances. */
  readonly directory: string
  readonly port: number
  readonly #daemons: Daemon[] = []
  readonly #instances: Instance[] = []

  constructor(zookeeper: ZooKeeperServer, directory: string, port: number) {
    this.zookeeper = zookeeper
    this.directory = directory
    this.port = port
  }

  async instance(name: string): Promise<Instance> {
    const instance = await startInstance(name)
    this.#instances.push(instance)
    return instance
  }

  /** A service entry of nerve.yaml for an instance, checked over HTTP. */
  service(instance: Instance, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      host: '127.0.0.1',
      port: instance.port,
      zk_hosts: [this.zookeeper.hosts],
      zk_path: '/services/web',
      zk_session_timeout: 4,
      check_interval: 0.2,
      checks: [{ type: 'http', uri: '/health', timeout: 5 }],
      ...more,
    }
  }

  async nerve(
    instanceId: string,
    services: Readonly<Record<string, unknown>>,
    options: DaemonOptions = {},
  ): Promise<Daemon> {
    const daemon = await startNerve({ instance_id: instanceId, services }, options)
    this.#daemons.push(daemon)
    return daemon
  }

  /** synapse.yaml for the service `web` on `port`. */
  synapseConfig(web: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      state_directory: join(this.directory, 'state'),
      haproxy: {
        run_directory: join(this.directory, 'haproxy'),
        defaults: [
          'mode http',
          'timeout connect 1s',
          'timeout client 30s',
          'timeout server 30s',
          'retries 3',
          'option redispatch 1',
        ],
      },
      services: {
        web: {
          discovery: { method: 'zookeeper', hosts: [this.zookeeper.hosts], path: '/services/web', session_timeout: 4 },
          haproxy: {
            port: this.port,
            server_options: 'check inter 1s rise 1 fall 2',
            listen: ['mode http', 'option httpchk GET /health'],
          },
          ...web,
        },
      },
    }
  }

  async synapse(config = this.synapseConfig(), options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = await startSynapse(config, options)
    this.#daemons.push(daemon)
    return daemon
  }

  /** Where HAProxy may send requests, as `127.0.0.1:port`, sorted: neither what is in maintenance nor what it drains. */
  async inUse(): Promise<readonly string[]> {
    const servers = await showServers(join(this.directory, 'haproxy', 'haproxy.sock'), 'web')
    return servers
      .map((server) => server.split(' '))
      .flatMap(([, address = '', , adminState]) => (adminState === '0' ? [address] : []))
      .sort()
  }

  /** What a client of the localhost port gets: the name of the instance that answered, or the status. */
  async call(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.port}/`, { headers: { connection: 'close' } })
    const body = await response.text()
    return response.ok ? body : String(response.status)
  }

  async close(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.close()))
    await Promise.all(this.#instances.map((instance) => instance.stop().catch(() => {})))
    await this.zookeeper.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}

export async function startMainJob(): Promise<MainJob> {
  const directory = await mkdtemp(join(tmpdir(), 'main-job-'))
  return new MainJob(await startZooKeeper(), directory, await freePort())
}

/** What most end-to-end tests begin with. */
export interface MainJobOfTwo {
  readonly job: MainJob
  readonly one: Instance
  readonly two: Instance
  /** Has both instances as services of its own, `one` and `two`. */
  readonly nerve: Daemon
  readonly synapse: Daemon
}

/** The main job with two instances behind the localhost port. */
export async function startMainJobOfTwo(): Promise<MainJobOfTwo> {
  const job = await startMainJob()
  try {
    const one = await job.instance('one')
    const two = await job.instance('two')
    const nerve = await job.nerve('host-1', { one: job.service(one), two: job.service(two) })
    return { job, one, two, nerve, synapse: await job.synapse() }
  } catch (error) {
    await job.close()
    throw error
  }
}
