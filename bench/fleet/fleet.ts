import { freePort } from '../../test/harness/ports.ts'
import { Remote } from '../remote.ts'
import type { FleetHandlers, InstanceCounts } from './fleet-process.ts'

/** Real web servers, as many as wanted, in a process of their own. */
export class Fleet {
  /** The same for all; they differ by their loopback address. */
  readonly port: number
  readonly #remote = new Remote<FleetHandlers>(new URL('fleet-process.ts', import.meta.url))
  #next = 0

  private constructor(port: number) {
    this.port = port
  }

  static async start(): Promise<Fleet> {
    return new Fleet(await freePort())
  }

  /** Starts instances at addresses that were never used before. */
  async open(count: number): Promise<readonly string[]> {
    const hosts = Array.from({ length: count }, () => loopback(this.#next++))
    await this.revive(hosts)
    return hosts
  }

  /** Addresses where nobody listens: dead targets. */
  dead(count: number): readonly string[] {
    return Array.from({ length: count }, () => loopback(this.#next++))
  }

  kill(hosts: readonly string[]): Promise<void> {
    return this.#remote.call('kill', hosts)
  }

  /** Starts instances again at their addresses. */
  revive(hosts: readonly string[]): Promise<void> {
    return this.#remote.call('open', { hosts, port: this.port })
  }

  delay(ms: number): Promise<void> {
    return this.#remote.call('delay', ms)
  }

  health(host: string, healthy: boolean): Promise<void> {
    return this.#remote.call('health', { host, healthy })
  }

  counts(hosts: readonly string[]): Promise<readonly InstanceCounts[]> {
    return this.#remote.call('counts', hosts)
  }

  close(): void {
    this.#remote.close()
  }
}

/** 127.16.0.1 and on: never the addresses that anything else uses. */
export function loopback(index: number): string {
  return `127.${16 + Math.floor(index / 62_500)}.${Math.floor(index / 250) % 250}.${1 + (index % 250)}`
}
