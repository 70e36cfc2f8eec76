import type { Clock } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import type { AcceptedMemory } from './accepted-memory.ts'
import { type Blame, readComplaints } from './blame.ts'
import { type ConfigFile, RefusedConfig } from './config-file.ts'
import type { HaproxyService } from './desired-model.ts'
import type { FileText } from './file-text.ts'
import { findGuilty } from './find-guilty.ts'
import type { HaproxyMetrics } from './haproxy-metrics.ts'
import { PortsTaken } from './port-check.ts'
import { type Culprit, Quarantine } from './quarantine.ts'

export interface IsolationOptions {
  readonly file: ConfigFile | undefined
  readonly memory: AcceptedMemory | undefined
  /** The file that these services would make. */
  readonly render: (services: readonly HaproxyService[]) => FileText
  /** What HAProxy runs with; undefined while it does not run or nobody knows. */
  readonly running: () => ReadonlyMap<string, string> | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: HaproxyMetrics
}

/**
 * Keeps one bad service from holding up the others: when HAProxy refuses a configuration, finds out which services it does
 * not take, and gives it the others.
 */
export class Isolation {
  readonly #options: IsolationOptions
  readonly #quarantine = new Quarantine()
  #services: readonly HaproxyService[] = []

  constructor(options: IsolationOptions) {
    this.#options = options
  }

  /** Reads what an earlier synapse knew. */
  async load(): Promise<void> {
    const { memory } = this.#options
    if (memory !== undefined) this.#quarantine.remember(await memory.load())
  }

  /** Takes the services of this pass. @returns them as HAProxy is to get them. */
  admit(services: readonly HaproxyService[]): readonly HaproxyService[] {
    this.#services = services
    this.#quarantine.review(services, this.#options.clock.now())
    this.#count()
    return this.#quarantine.admit(services)
  }

  /** The services of the last pass as HAProxy is to get them now. */
  get admitted(): readonly HaproxyService[] {
    return this.#quarantine.admit(this.#services)
  }

  /** ms until somebody in quarantine is to be tried again; infinite when nobody is. */
  get retryInMs(): number {
    return Math.max(0, this.#quarantine.nextTrialAt - this.#options.clock.now())
  }

  /** HAProxy took a configuration that was made from these services. */
  async accepted(services: readonly HaproxyService[]): Promise<void> {
    const { log, memory } = this.#options
    for (const { service, reason } of this.#quarantine.accept(services)) {
      log.info('quarantine ended: haproxy takes it now', { service, after: reason })
    }
    this.#count()
    await memory?.save(this.#quarantine.accepted)
  }

  /**
   * Finds those whom HAProxy refuses, and puts them in quarantine.
   * @param changed services whose sections are other than before.
   * @returns whether there were any: then `admitted` is another set than before. If not, nobody can be blamed alone.
   */
  async isolate(error: unknown, changed: readonly string[], signal: AbortSignal): Promise<boolean> {
    const culprits = await this.#culprits(error, changed, signal)
    if (culprits.length === 0 || culprits.some(({ service }) => this.#isIndispensable(service))) return false
    const { clock, log } = this.#options
    const now = { now: clock.now(), wallTime: clock.wallTime() }
    for (const { service, reason } of this.#quarantine.add(culprits, this.#services, now)) {
      const meanwhile = this.#meanwhile(service)
      log.error('in quarantine: haproxy does not take it, the others go on', { service, reason, meanwhile })
    }
    this.#count()
    return true
  }

  /** For `/state`. */
  state() {
    return this.#quarantine.entries.map(({ service, reason, since, refusals }) => ({
      service,
      reason,
      since: new Date(since).toISOString(),
      refusals,
      meanwhile: this.#meanwhile(service),
    }))
  }

  async #culprits(error: unknown, changed: readonly string[], signal: AbortSignal): Promise<readonly Culprit[]> {
    if (error instanceof RefusedConfig) return this.#search(error, signal)
    if (error instanceof PortsTaken) {
      return this.#accuse(error.ports.map(({ section, complaint }) => ({ sections: [section], complaint })))
    }
    if (!(error instanceof SmartStackError) || error.code !== 'HAPROXY_RELOAD') return []
    const reason = messageOf(error)
    const named = this.#accuse(readComplaints(reason.split('\n'), '', ''))
    if (named.length > 0) return named
    // Nobody is named: those that changed take turns, one by one.
    return changed.filter((service) => !this.#quarantine.holds(service)).map((service) => ({ service, reason }))
  }

  #search(error: RefusedConfig, signal: AbortSignal): Promise<readonly Culprit[]> {
    const { file, render } = this.#options
    const services = this.#services
    return findGuilty<RefusedConfig, Culprit>(error, {
      suspects: services
        .filter(({ name }) => !this.#quarantine.holds(name))
        .map(({ name }) => ({ service: name, reason: '' })),
      accused: ({ complaints, text, path }, leftOut) => this.#accuse(readComplaints(complaints, text, path), leftOut),
      check: async (without) => file?.test(render(this.#quarantine.admit(services, without)), signal),
      convict: (suspect, { complaints }) => ({ ...suspect, reason: complaints.join('; ') }),
    })
  }

  /** Whom these complaints name, as far as they are not kept away already. */
  #accuse(blames: readonly Blame[], leftOut: readonly Culprit[] = []): readonly Culprit[] {
    const reasons = new Map<string, string[]>()
    for (const { sections, complaint } of blames) {
      const service = this.#services.find(({ name, options }) =>
        [`frontend ${name}`, `backend ${options.backend_name ?? name}`].some((header) => sections.includes(header)),
      )?.name
      if (service === undefined || this.#quarantine.holds(service)) continue
      if (leftOut.some((other) => other.service === service)) continue
      reasons.set(service, [...(reasons.get(service) ?? []), complaint])
    }
    return [...reasons].map(([service, complaints]) => ({ service, reason: complaints.join('; ') }))
  }

  /** One that runs now and that HAProxy refuses as it runs: it is not given up for the sake of others' changes. */
  #isIndispensable(name: string): boolean {
    const service = this.#services.find((each) => each.name === name)
    if (this.#options.running()?.has(`backend ${service?.options.backend_name ?? name}`) !== true) return false
    return !this.#quarantine.admit(this.#services, [{ service: name, reason: '' }]).some((each) => each.name === name)
  }

  #meanwhile(service: string): 'as before' | 'left out' {
    return this.admitted.some(({ name }) => name === service) ? 'as before' : 'left out'
  }

  #count(): void {
    this.#options.metrics.quarantined.set(this.#quarantine.entries.length)
  }
}
