import { freePort } from '../../test/harness/ports.ts'
import { loopback } from '../fleet/fleet.ts'
import { Remote } from '../remote.ts'
import type { ArrivalKind, Arrivals, CheckedHandlers } from './checked-process.ts'

/** Services that answer every check at once, in a process of their own, so that their CPU time is not nerve's. */
export class CheckedServices {
  readonly hosts: readonly string[]
  readonly port: number
  readonly #remote = new Remote<CheckedHandlers>(new URL('checked-process.ts', import.meta.url))

  private constructor(hosts: readonly string[], port: number) {
    this.hosts = hosts
    this.port = port
  }

  static async start(count: number): Promise<CheckedServices> {
    const hosts = Array.from({ length: count }, (_, index) => loopback(index))
    const services = new CheckedServices(hosts, await freePort())
    await services.#remote.call('open', { hosts, port: services.port })
    return services
  }

  /** Counts from now on, and so. */
  count(kind: ArrivalKind): Promise<void> {
    return this.#remote.call('count', kind)
  }

  /** Since `count`. */
  arrivals(): Promise<Arrivals> {
    return this.#remote.call('arrivals')
  }

  close(): void {
    this.#remote.close()
  }
}
