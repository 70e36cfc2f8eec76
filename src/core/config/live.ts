import { stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Task } from '../tasks.ts'
import { WakeUp } from '../wake-up.ts'
import { ConfigError } from './config-error.ts'
import { fingerprintFiles } from './input-files.ts'
import type { Loaded } from './load.ts'
import { formatProblem, type Problem } from './problems.ts'

export interface ConfigSourceOptions<Config> {
  /** What the daemon started with. */
  readonly initial: Loaded<Config>
  /** Reads everything anew. Rejects with ConfigError when it cannot be used. */
  readonly load: () => Promise<Loaded<Config>>
  /** Makes an edit the truth. When it rejects, the edit counts as a bad one and the old configuration stays. */
  readonly onChange: (config: Config) => void | Promise<void>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** How often the files are looked at, ms. Default 1000. */
  readonly pollMs?: number
  /** How long they must be quiet after a change before they are read, ms. Default 200. */
  readonly settleMs?: number
}

/** Why the files on disk are not what runs. */
export interface RejectedEdit {
  /** One line per problem, each with its place. */
  readonly message: string
  /** Milliseconds since 1970. */
  readonly since: number
}

/** The configuration that runs, and the task that follows the edits of its files. */
export interface ConfigSource<Config> {
  readonly current: Config
  /** undefined while the files on disk are what runs. */
  readonly lastError: RejectedEdit | undefined
  readonly warnings: readonly Problem[]
  /** Reads the files now, whether or not they changed: SIGHUP. */
  trigger(): void
  readonly task: Task
}

/** Some programs never stop touching a file; after 5 s it is read as it is. */
const MAX_SETTLE_ROUNDS = 25

type Outcome = 'applied' | 'unchanged' | 'rejected'

/** Follows the files of a configuration by SIGHUP and by looking at them. A bad edit changes nothing and is told once. */
export function createConfigSource<Config>(options: ConfigSourceOptions<Config>): ConfigSource<Config> {
  return new LiveConfig(options)
}

class LiveConfig<Config> implements ConfigSource<Config> {
  readonly task: Task = { name: 'configuration watch', run: (signal) => this.#run(signal) }
  readonly #options: ConfigSourceOptions<Config>
  readonly #count: (outcome: Outcome) => void
  readonly #setValid: (valid: boolean) => void
  #loaded: Loaded<Config>
  #lastError: RejectedEdit | undefined
  #inputs: readonly string[]
  #triggered = false
  readonly #wakeUp = new WakeUp()

  constructor(options: ConfigSourceOptions<Config>) {
    this.#options = options
    this.#loaded = options.initial
    this.#inputs = options.initial.inputs
    const valid = options.metrics.gauge(
      'smartstack_config_valid',
      '1 while the configuration files on disk are what runs, 0 while they hold an edit that cannot be used.',
    )
    const reloads = options.metrics.counter('smartstack_config_reloads_total', 'Readings of the configuration files.', [
      'result',
    ])
    for (const result of ['applied', 'unchanged', 'rejected']) reloads.inc({ result }, 0)
    this.#count = (result) => reloads.inc({ result })
    this.#setValid = (isValid) => valid.set(isValid ? 1 : 0)
    this.#setValid(true)
  }

  get current(): Config {
    return this.#loaded.config
  }

  get lastError(): RejectedEdit | undefined {
    return this.#lastError
  }

  get warnings(): readonly Problem[] {
    return this.#loaded.warnings
  }

  trigger(): void {
    this.#triggered = true
    this.#wakeUp.wake()
  }

  async #run(signal: AbortSignal): Promise<void> {
    // Nothing is known of the files until they were looked at before being read. So the first look reads them once more,
    // which finds an edit made since the start; the same holds for files that an edit newly refers to.
    let seen: Stamps = new Map()
    while (!signal.aborted) {
      await this.#waitForTrigger(this.#options.pollMs ?? 1000, signal)
      if (signal.aborted) return
      let stamps = await stampFiles(this.#inputs)
      if (!this.#triggered && isDeepStrictEqual(stamps, seen)) continue
      if (!this.#triggered) stamps = await this.#settle(stamps, signal)
      const asked = this.#triggered
      this.#triggered = false // before reading: a trigger during it asks for another
      if (asked || !(await this.#holdsWhatRuns())) await this.#reload(asked)
      else this.#count('unchanged')
      seen = stamps
    }
  }

  /** Waits until nobody writes any more, so that half a file is not taken for an edit. */
  async #settle(changed: Stamps, signal: AbortSignal): Promise<Stamps> {
    let stamps = changed
    for (let round = 0; round < MAX_SETTLE_ROUNDS && !signal.aborted; round++) {
      await this.#waitForTrigger(this.#options.settleMs ?? 200, signal)
      const next = await stampFiles(this.#inputs)
      if (this.#triggered || isDeepStrictEqual(next, stamps)) return next
      stamps = next
    }
    return stamps
  }

  /** Whether the files hold, byte for byte, what runs: to understand them again would cost far more than to look. */
  async #holdsWhatRuns(): Promise<boolean> {
    const { contents } = this.#loaded
    if (this.#lastError !== undefined || this.#inputs.some((input) => !contents.has(input))) return false
    return isDeepStrictEqual(
      await fingerprintFiles(this.#inputs),
      new Map(this.#inputs.map((input) => [input, contents.get(input)])),
    )
  }

  async #reload(asked: boolean): Promise<void> {
    const { load, log, onChange } = this.#options
    let loaded: Loaded<Config> | undefined
    try {
      loaded = await load()
      const isChanged = !isDeepStrictEqual(loaded.config, this.#loaded.config)
      if (isChanged) await onChange(loaded.config)
      this.#accept(loaded, isChanged)
      if (asked && !isChanged) log.info('configuration read again: nothing changed')
    } catch (error) {
      const inputs = loaded?.inputs ?? (error instanceof ConfigError ? error.inputs : [])
      this.#reject(error, inputs)
    }
  }

  #accept(loaded: Loaded<Config>, isChanged: boolean): void {
    const { log } = this.#options
    const known = new Set(this.#loaded.warnings.map(formatProblem))
    for (const warning of loaded.warnings.map(formatProblem)) {
      if (!known.has(warning)) log.warn(warning)
    }
    if (isChanged) log.info('edited configuration applied')
    else if (this.#lastError !== undefined) log.info('the bad edit of the configuration is undone')
    this.#loaded = loaded
    this.#inputs = loaded.inputs
    this.#lastError = undefined
    this.#setValid(true)
    this.#count(isChanged ? 'applied' : 'unchanged')
  }

  #reject(error: unknown, inputs: readonly string[]): void {
    const { clock, log } = this.#options
    const message = messageOf(error)
    if (message !== this.#lastError?.message) {
      log.error('the edited configuration cannot be used; what runs stays as it is', { problems: message.split('\n') })
      this.#lastError = { message, since: this.#lastError?.since ?? clock.wallTime() }
    }
    // Both: the mistake may be that a file is no longer referred to.
    this.#inputs = [...new Set([...this.#loaded.inputs, ...inputs])]
    this.#setValid(false)
    this.#count('rejected')
  }

  async #waitForTrigger(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#triggered) await this.#wakeUp.wait(this.#options.clock, ms, signal)
  }
}

/** What tells that a file changed, by path: identity, size and times of what the path leads to, so a swapped symlink shows. */
type Stamps = ReadonlyMap<string, string>

async function stampFiles(paths: readonly string[]): Promise<Stamps> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await stamp(path)] as const)))
}

async function stamp(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch (error) {
    return messageOf(error) // a missing file is a state like any other
  }
}
