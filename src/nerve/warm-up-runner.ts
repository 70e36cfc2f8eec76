import { pause } from '../core/clock.ts'
import { type HookContext, runHook } from './hooks.ts'
import type { ServiceConfig } from './model.ts'
import { stepWarmUp, type WarmUpEvent, type WarmUpState } from './warm-up.ts'

export interface WarmUpRunnerOptions extends HookContext {
  /** The configuration as it is now. */
  readonly config: () => Pick<ServiceConfig, 'warmUp' | 'hooks'>
  /** A number in [0, 1): keeps services that came up together from writing their weights together. */
  readonly random: () => number
  /** Whether some registry holds the present weight. */
  readonly accepted: () => boolean
  readonly onChange: (state: WarmUpState) => void
}

/** What has nothing to wait for. */
const IDLE = Promise.resolve()

/** Carries a service from available to its whole weight: prepares it, then lets its weight grow. */
export class WarmUpRunner {
  readonly #options: WarmUpRunnerOptions
  #state: WarmUpState = { phase: 'cold' }
  /** Of what runs, if anything has been run. */
  #stop: AbortController | undefined
  #done: Promise<void> = IDLE
  #prepared: Promise<void> = IDLE

  constructor(options: WarmUpRunnerOptions) {
    this.#options = options
  }

  get state(): WarmUpState {
    return this.#state
  }

  /** Says whether the service is available. Repeating it changes nothing: a warm-up under way goes on. */
  follow(available: boolean): void {
    if (available === (this.#state.phase !== 'cold')) return
    this.#stop?.abort()
    const { hooks, warmUp } = this.#options.config()
    if (!available) this.#change({ phase: 'cold' })
    else if (hooks?.beforeAvailable === undefined && warmUp === undefined) this.#change({ phase: 'warm' })
    else this.#start()
  }

  /** Resolves when the preparing command, if one runs, has ended. */
  prepared(): Promise<void> {
    return this.#prepared
  }

  /** Ends what runs and resolves when it has. */
  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#done
  }

  #start(): void {
    const stop = new AbortController()
    this.#stop = stop
    this.#prepared = this.#prepare(stop.signal)
    this.#done = this.#prepared.then(() => this.#warmUp(stop.signal))
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    const { beforeAvailable } = this.#options.config().hooks ?? {}
    if (beforeAvailable !== undefined) {
      this.#change({ phase: 'preparing' })
      await runHook('pre-available', beforeAvailable, this.#options, signal)
    }
    if (signal.aborted) return
    this.#change(this.#options.config().warmUp === undefined ? { phase: 'warm' } : { phase: 'warming', step: 0 })
  }

  async #warmUp(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#state.phase !== 'warming') return
    const finished = new AbortController()
    const onAbort = () => finished.abort()
    signal.addEventListener('abort', onAbort, { once: true })
    const take = (event: WarmUpEvent) => {
      if (finished.signal.aborted) return
      this.#change(stepWarmUp(this.#state, event))
      if (this.#state.phase !== 'warming') finished.abort()
    }
    await Promise.all([
      this.#grow(take, finished.signal),
      this.#watchStability(take, finished.signal),
      this.#limit(take, finished.signal),
    ])
    signal.removeEventListener('abort', onAbort)
  }

  async #grow(take: (event: WarmUpEvent) => void, signal: AbortSignal): Promise<void> {
    const intervalMs = () => this.#options.config().warmUp?.intervalMs ?? 0
    await pause(this.#options.clock, this.#options.random() * intervalMs(), signal)
    while (!signal.aborted) {
      await pause(this.#options.clock, intervalMs(), signal)
      take({ kind: 'interval', accepted: this.#options.accepted() })
    }
  }

  async #limit(take: (event: WarmUpEvent) => void, signal: AbortSignal): Promise<void> {
    await pause(this.#options.clock, this.#options.config().warmUp?.maxDurationMs ?? 0, signal)
    take({ kind: 'deadline' })
  }

  async #watchStability(take: (event: WarmUpEvent) => void, signal: AbortSignal): Promise<void> {
    for (;;) {
      const command = this.#options.config().warmUp?.stableCommand
      if (command === undefined || signal.aborted) return
      const isStable = await runHook('check-stable', command, this.#options, signal)
      if (!isStable) take({ kind: 'unstable' })
      await pause(this.#options.clock, command.intervalMs, signal)
    }
  }

  #change(state: WarmUpState): void {
    if (state === this.#state) return
    this.#state = state
    this.#options.onChange(state)
  }
}
