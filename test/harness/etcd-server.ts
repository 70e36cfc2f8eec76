import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificates } from './certificates.ts'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze, thaw } from './freeze.ts'
import { freePorts } from './ports.ts'

const START_DEADLINE_MS = 45_000

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

export interface EtcdKey {
  readonly key: string
  readonly value: string
  readonly lease: string
}

/** A real etcd of one member on 127.0.0.1. */
export class EtcdServer {
  readonly port: number
  readonly #peerPort: number
  readonly #directory: string
  readonly #certificates: Certificates | undefined
  #child: Child | undefined

  constructor(ports: readonly [number, number], directory: string, certificates: Certificates | undefined) {
    this.port = ports[0]
    this.#peerPort = ports[1]
    this.#directory = directory
    this.#certificates = certificates
  }

  /** Starts the process, with what it knew before. */
  async start(): Promise<void> {
    const tls = this.#certificates
    const clients = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`
    const peers = `http://127.0.0.1:${this.#peerPort}`
    const child = new Child('etcd', 'etcd', [
      ...['--data-dir', join(this.#directory, 'data'), '--logger', 'zap', '--log-level', 'error'],
      ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
      ...['--heartbeat-interval', '50', '--election-timeout', '500'],
      ...(tls === undefined ? [] : ['--cert-file', tls.server.cert, '--key-file', tls.server.key]),
    ])
    this.#child = child
    if (tls !== undefined) return
    await eventually(async () => {
      if (child.exited) throw new Error(`etcd ended:\n${child.output}`)
      await this.keys('/').catch((error: Error) => {
        if (!error.message.includes('user name is empty')) throw error // it serves, but not us
      })
    }, START_DEADLINE_MS)
  }

  /** The keys that start with `prefix`, sorted. */
  async keys(prefix: string, token?: string): Promise<readonly EtcdKey[]> {
    const last = Buffer.from(prefix)
    last.writeUInt8((last.at(-1) ?? 0) + 1, last.length - 1)
    const body = { key: toBase64(prefix), range_end: last.toString('base64') }
    const { kvs = [] } = await this.call<{ kvs?: EtcdKey[] }>('/kv/range', body, token)
    return kvs.map(({ key, value, lease }) => ({ key: fromBase64(key), value: fromBase64(value), lease }))
  }

  /** Sends a request to the JSON gateway; throws what etcd complains of. */
  async call<Answer>(path: string, body: object, token?: string): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}/v3${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token === undefined ? {} : { authorization: token },
    })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as Answer
  }

  /** Frozen, it keeps its connections and answers nothing. */
  async freeze(): Promise<void> {
    if (this.#child !== undefined) await freeze(this.#child)
  }

  thaw(): void {
    if (this.#child !== undefined) thaw(this.#child)
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

/** Starts an etcd. With certificates it talks TLS only. */
export async function startEtcd(certificates?: Certificates): Promise<EtcdServer> {
  const directory = await mkdtemp(join(tmpdir(), 'etcd-'))
  directories.add(directory)
  const [port = 0, peerPort = 0] = await freePorts(2)
  const server = new EtcdServer([port, peerPort], directory, certificates)
  await server.start()
  return server
}

const toBase64 = (text: string) => Buffer.from(text).toString('base64')
const fromBase64 = (text: string) => Buffer.from(text, 'base64').toString('utf8')
