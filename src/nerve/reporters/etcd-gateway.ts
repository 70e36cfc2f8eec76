import { readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '../../core/clock.ts'
import { messageOf, SmartStackError } from '../../core/errors.ts'
import { withDeadline } from '../../core/time-limit.ts'

/** How to reach an etcd cluster. */
export interface EtcdOptions {
  /** Members. After a failure the next one is asked. */
  readonly hosts: readonly string[]
  readonly port: number
  /** Longest time of a request, ms. */
  readonly timeoutMs: number
  readonly user?: { readonly name: string; readonly password: string } | undefined
  /** PEM files, read for each request, so that renewed ones are used at once. */
  readonly tls?: EtcdTls | undefined
  readonly clock: Clock
}

export interface EtcdTls {
  readonly ca_file?: string | undefined
  readonly cert_file?: string | undefined
  readonly key_file?: string | undefined
  readonly verify: boolean
}

/** A lease id, or another 64-bit number: text, since JSON numbers do not reach that far. */
type Int64 = string

export interface Entry {
  readonly value: string
  readonly lease: Int64 | undefined
}

/** Where the JSON gateway of etcd 3.4 and newer is. */
const ROOT = '/v3'
/** Any answer of ours is smaller by far. */
const MAX_ANSWER_BYTES = 1 << 20
const NOT_FOUND = 404
const UNAUTHORIZED = 401

/** What a registration needs of etcd v3, through its JSON gateway. Every call rejects with a sentence for an operator. */
export class EtcdGateway {
  readonly #options: EtcdOptions
  /** Grows with each failure, so that the next call goes to the next member. */
  #failures = 0
  #token: string | undefined

  constructor(options: EtcdOptions) {
    this.#options = options
  }

  /** The member that is asked now. */
  get endpoint(): string {
    const { hosts, port } = this.#options
    return `${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${port}${hosts.length > 1 ? ` (of ${hosts.length})` : ''}`
  }

  /** A lease for `seconds`, which lives on as long as it is kept alive. */
  async grantLease(seconds: number, signal: AbortSignal): Promise<Int64> {
    const { ID: id } = await this.#call('/lease/grant', { TTL: `${seconds}` }, signal)
    if (typeof id !== 'string') throw unexpected(this.endpoint, 'a lease without an id')
    return id
  }

  /** Whether the lease is alive, and so has its whole time again. */
  async keepAlive(id: Int64, signal: AbortSignal): Promise<boolean> {
    const { result } = await this.#call('/lease/keepalive', { ID: id }, signal)
    return isRecord(result) && Number(result['TTL'] ?? 0) > 0
  }

  /** Ends a lease and removes its keys; one that is over already is fine. */
  async revokeLease(id: Int64, signal: AbortSignal): Promise<void> {
    await this.#call('/lease/revoke', { ID: id }, signal, [NOT_FOUND])
  }

  async put(key: string, value: string, lease: Int64, signal: AbortSignal): Promise<void> {
    await this.#call('/kv/put', { key: toBase64(key), value: toBase64(value), lease }, signal)
  }

  async get(key: string, signal: AbortSignal): Promise<Entry | undefined> {
    const { kvs } = await this.#call('/kv/range', { key: toBase64(key) }, signal)
    const found: unknown = Array.isArray(kvs) ? kvs[0] : undefined
    if (!isRecord(found)) return undefined
    const { value, lease } = found
    return {
      value: Buffer.from(typeof value === 'string' ? value : '', 'base64').toString('utf8'),
      lease: typeof lease === 'string' ? lease : undefined,
    }
  }

  get #host(): string {
    const { hosts } = this.#options
    return hosts[this.#failures % hosts.length] ?? ''
  }

  /** @param fine statuses of etcd that are no failure; the answer is then empty. */
  async #call(path: string, body: object, signal: AbortSignal, fine: readonly number[] = []): Promise<JsonMap> {
    if (this.#options.user !== undefined) this.#token ??= await this.#logIn(signal)
    let answer = await this.#post(path, body, signal)
    if (answer.status === UNAUTHORIZED && this.#options.user !== undefined) {
      // A token of etcd lives for five minutes.
      this.#token = await this.#logIn(signal)
      answer = await this.#post(path, body, signal)
    }
    if (fine.includes(answer.status)) return {}
    return this.#accept(path, answer)
  }

  async #logIn(signal: AbortSignal): Promise<string> {
    this.#token = undefined
    const answer = await this.#post('/auth/authenticate', this.#options.user ?? {}, signal)
    const { token } = this.#accept('/auth/authenticate', answer)
    if (typeof token !== 'string') throw unexpected(this.endpoint, 'no token')
    return token
  }

  #accept(path: string, { status, text }: Answer): JsonMap {
    const json = parse(text)
    if (status === 200 && json !== undefined) return json
    const said = json?.['message'] ?? json?.['error'] ?? (text.trim().slice(0, 200) || 'nothing')
    const hint = status === NOT_FOUND && json === undefined ? '; is it etcd 3.4 or newer?' : ''
    const endpoint = this.endpoint
    this.#failures += 1
    throw new SmartStackError('REGISTRY', `etcd at ${endpoint} answers ${status} to ${path}: ${said}${hint}`)
  }

  async #post(path: string, body: object, signal: AbortSignal): Promise<Answer> {
    const { clock, timeoutMs } = this.#options
    const endpoint = this.endpoint
    try {
      return await withDeadline(clock, timeoutMs, `waiting for etcd at ${endpoint}`, signal, (limit) =>
        this.#send(path, JSON.stringify(body), limit),
      )
    } catch (cause) {
      if (signal.aborted) throw cause
      this.#failures += 1
      throw new SmartStackError('REGISTRY', `etcd at ${endpoint}: ${messageOf(cause)}`, { cause, retryable: true })
    }
  }

  async #send(path: string, body: string, signal: AbortSignal): Promise<Answer> {
    const { port, tls } = this.#options
    const credentials = tls === undefined ? undefined : await readCredentials(tls)
    const headers = {
      'content-type': 'application/json',
      ...(this.#token === undefined ? {} : { authorization: this.#token }),
    }
    // A connection for each request: there are few, and none can be stale.
    const options = { host: this.#host, port, path: ROOT + path, method: 'POST', agent: false, headers, signal }
    return new Promise((resolve, reject) => {
      const request = credentials === undefined ? httpRequest(options) : httpsRequest({ ...options, ...credentials })
      request.on('error', reject).on('response', (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('error', reject).on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        )
      })
      request.end(body)
    })
  }
}

interface Answer {
  readonly status: number
  readonly text: string
}

type JsonMap = Readonly<Record<string, unknown>>

async function readCredentials({ ca_file: ca, cert_file: cert, key_file: key, verify }: EtcdTls) {
  return {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca: await readFile(ca) }),
    ...(cert === undefined ? {} : { cert: await readFile(cert) }),
    ...(key === undefined ? {} : { key: await readFile(key) }),
  }
}

/** undefined when it is no JSON object. */
function parse(text: string): JsonMap | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined // an answer of something else than etcd's gateway; the caller shows it
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const toBase64 = (text: string) => Buffer.from(text).toString('base64')

const unexpected = (endpoint: string, what: string) => new SmartStackError('REGISTRY', `etcd at ${endpoint}: ${what}`)
