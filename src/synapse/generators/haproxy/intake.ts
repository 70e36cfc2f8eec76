import type { Task } from '../../../core/tasks.ts'
import type { HaproxyService } from './desired-model.ts'
import { HostNames, type HostNamesOptions } from './host-names.ts'
import { Isolation, type IsolationOptions } from './isolation.ts'
import type { ServerMemory } from './server-memory.ts'

export interface IntakeOptions extends IsolationOptions, HostNamesOptions {
  /** Airbnb's state file, where one is configured. */
  readonly servers: ServerMemory | undefined
}

/**
 * What services go through before HAProxy gets them: servers that are gone are remembered, names become addresses, and
 * what HAProxy refuses is kept away.
 */
export class Intake {
  readonly isolation: Isolation
  readonly tasks: readonly Task[]
  readonly #options: IntakeOptions
  readonly #names: HostNames
  #recalled = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.isolation = new Isolation(options)
    this.#names = new HostNames(options)
    const { servers } = options
    this.tasks = [
      { name: 'haproxy host names', run: (signal) => this.#names.run(signal) },
      ...(servers === undefined
        ? []
        : [{ name: 'haproxy state file', run: (signal: AbortSignal) => servers.run(signal) }]),
    ]
  }

  /** For the status page: what an operator has to mend. */
  get problems(): readonly string[] {
    const quarantined = this.isolation.state()
    return [
      ...this.#names.problems,
      ...quarantined.map(({ service, meanwhile, reason }) => `${service} is ${meanwhile}: ${reason}`),
    ]
  }

  /** Takes the services of this pass. @returns them as HAProxy is to get them. */
  async take(services: readonly HaproxyService[]): Promise<readonly HaproxyService[]> {
    if (!this.#recalled) await this.#recall()
    this.#recalled = true
    const remembered = this.#options.servers?.take(services) ?? services
    return this.isolation.admit(this.#names.resolve(remembered))
  }

  /** Reads what an earlier synapse left. */
  async #recall(): Promise<void> {
    await this.isolation.load()
    await this.#options.servers?.load()
    this.#names.remember((await this.#options.file?.read()) ?? '')
  }
}
