import type { ReconcileResult } from '../../../core/reconcile-loop.ts'
import type { Task } from '../../../core/tasks.ts'
import type { Generator, GeneratorContext } from '../generator.ts'
import { AcceptedMemory } from './accepted-memory.ts'
import { ChangeReport } from './change-report.ts'
import { createCheckAhead } from './check-ahead.ts'
import { configPath, type HaproxyOptions, type HaproxyServiceOptions } from './config.ts'
import type { ConfigFile } from './config-file.ts'
import type { DesiredModel, HaproxyService } from './desired-model.ts'
import type { FileState } from './file-state.ts'
import type { FileText } from './file-text.ts'
import { readFoundFile } from './found-file.ts'
import { socketPaths } from './global-lines.ts'
import { createHaproxyMetrics, type HaproxyMetrics } from './haproxy-metrics.ts'
import {
  createConfigFile,
  createProcess,
  createReloader,
  createServerMemory,
  createWorker,
  prepareDirectory,
} from './haproxy-setup.ts'
import { describeHaproxy } from './haproxy-state.ts'
import type { Lookup } from './host-names.ts'
import { Intake } from './intake.ts'
import { editOptions } from './live-options.ts'
import type { Backend } from './model.ts'
import { ModelSource } from './model-source.ts'
import { PortsTaken, takenPorts } from './port-check.ts'
import type { HaproxyProcess } from './process.ts'
import { Propagation } from './propagation.ts'
import { changedServices } from './reasons.ts'
import { ReloadReasons } from './reload-reasons.ts'
import type { Reloader } from './reloader.ts'
import { RunningMemory } from './running-memory.ts'
import { watchWorkers } from './watch-workers.ts'
import type { WorkerLink } from './worker-link.ts'
import type { WorkerReconciler, WorkerResult } from './worker-reconciler.ts'

/** The haproxy generator: HAProxy, its file and its servers are as the services say. */
export class HaproxyGenerator implements Generator<HaproxyServiceOptions, HaproxyOptions> {
  readonly tasks: readonly Task[]
  readonly prepare: ReturnType<typeof createCheckAhead>
  readonly #context: GeneratorContext
  readonly #metrics: HaproxyMetrics
  readonly #source: ModelSource
  readonly #model: DesiredModel
  readonly #intake: Intake
  readonly #propagation: Propagation
  readonly #report: ChangeReport
  readonly #reasons = new ReloadReasons()
  readonly #file: ConfigFile | undefined
  readonly #memory: RunningMemory | undefined
  readonly #process: HaproxyProcess
  readonly #reloader: Reloader
  readonly #workers: readonly WorkerReconciler[]
  #options: HaproxyOptions
  #optionsOfFile: HaproxyOptions
  #started = false
  /** Starts in a row that failed. */
  #failedStarts = 0
  /** HAProxy was started from the file that we wrote, not found running. */
  #ownStart = false
  /** The backends that the file says or will say in a moment. */
  #fileFollows: ReadonlyMap<string, Backend> | undefined
  /** What HAProxy was last loaded with; only of interest without a stats socket. */
  #loadedText: FileText | undefined
  #loads = 0

  /** @param orderSeed decides the order of server lines where the file does not. @param lookup resolves host names. */
  constructor(context: GeneratorContext, options: HaproxyOptions, orderSeed: number, lookup: Lookup) {
    this.#context = context
    this.#options = options
    this.#optionsOfFile = options
    this.#source = new ModelSource(context, options, orderSeed, () => this.#workers[0]?.link.observed ?? new Map())
    this.#model = this.#source.model
    this.#metrics = createHaproxyMetrics(context.metrics)
    this.#propagation = new Propagation(this.#metrics.propagation, context.clock)
    this.#report = new ChangeReport({
      ...context,
      metrics: this.#metrics,
      propagation: this.#propagation,
      serviceOf: (backend) => this.#model.backends.get(backend)?.service ?? backend,
    })
    this.#file = createConfigFile(options, context)
    this.#memory = this.#file && new RunningMemory(`${configPath(options)}.running`, context.log)
    this.#intake = new Intake({
      ...context,
      file: this.#file,
      memory: this.#file && new AcceptedMemory(`${configPath(options)}.services`, context.log),
      render: (services) => this.#source.render(services),
      running: () => (this.#started && this.#failedStarts === 0 ? this.#workers[0]?.link.structure : undefined),
      servers: createServerMemory(options, context, () => this.#model.backends),
      lookup,
      onChange: context.trigger,
      metrics: this.#metrics,
    })
    this.#process = createProcess(options, context, {
      beforeStart: (signal) => this.#beforeStart(signal),
      onRestart: () => this.#onRestart(),
    })
    this.#reloader = this.#createReloader()
    this.prepare = createCheckAhead(options, this.#source, this.#file, this.#process, this.#reloader)
    this.#workers = (options.do_socket ? socketPaths(options) : []).map((address) => this.#createWorker(address))
    this.tasks = [
      { name: 'haproxy process', run: (signal) => this.#process.run(signal) },
      { name: 'haproxy file', run: (signal) => this.#reloader.run(signal) },
      ...this.#intake.tasks,
      { name: 'haproxy watch', run: (signal) => this.#watch(signal) },
    ]
  }

  configure(options: HaproxyOptions): void {
    const edited = editOptions({ running: this.#options, before: this.#optionsOfFile, edited: options })
    if (edited.waiting.length > 0)
      this.#context.log.warn('these options take effect when synapse is started again', { options: edited.waiting })
    this.#optionsOfFile = options
    this.#options = edited.options
    this.#source.configure(edited.options)
  }

  async reconcile(services: readonly HaproxyService[], signal: AbortSignal): Promise<ReconcileResult> {
    const started = this.#context.clock.now()
    for (const { name, eventAt } of services) this.#propagation.note(name, eventAt)
    await this.#source.prepare(signal)
    this.#source.update(await this.#intake.take(services))
    await this.#start(signal)
    this.#followFile()
    const loads = this.#loads
    const settled = await Promise.allSettled(this.#workers.map((worker) => worker.reconcile(this.#model, signal)))
    const results = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    for (const { outcomes } of results) this.#report.passed(outcomes, started)
    this.#metrics.tombstones.set(this.#tombstones())
    this.#confirm(results)
    const failed = settled.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    // A reload that ended meanwhile has made these reasons old; it has asked for another pass.
    if (loads === this.#loads) this.#wantReload(results)
    await this.#memory?.save(this.#links)
    const changed = this.#source.found(this.#workers[0]?.link.worker?.version)
    const againMs = [this.#intake.isolation.retryInMs, ...results.map((result) => result.againMs)]
    return { requeueAfterMs: changed ? 0 : Math.min(60_000, ...againMs) }
  }

  state() {
    return describeHaproxy({
      process: this.#process,
      reloader: this.#reloader,
      intake: this.#intake,
      model: this.#model,
      links: this.#links,
      tombstones: this.#tombstones(),
      stubborn: this.#reasons.stubborn,
    })
  }

  #createReloader(): Reloader {
    return createReloader(this.#options, this.#context, {
      file: this.#file,
      process: this.#process,
      source: this.#source,
      links: () => this.#links,
      onLoaded: (reasons) => this.#onLoaded(reasons),
      onAccepted: (accepted) => this.#intake.isolation.accepted(accepted),
      isolate: (error, before, inner) => this.#isolate(error, before, inner),
      metrics: this.#metrics,
    })
  }

  #createWorker(address: string): WorkerReconciler {
    return createWorker(address, this.#options, this.#context, {
      onLost: () => this.#onLost(),
      onNewWorker: (link, first) => this.#onNewWorker(link, first),
      onAnswered: (outcomes) => this.#report.answered(outcomes),
      onDrift: (outcomes) => this.#report.drifted(outcomes),
    })
  }

  /** Takes those out of the model whom HAProxy does not take. */
  async #isolate(error: unknown, before: FileState | undefined, signal: AbortSignal): Promise<boolean> {
    const changed = changedServices(before?.structure, this.#model)
    if (!(await this.#intake.isolation.isolate(error, changed, signal))) return false
    this.#source.update(this.#intake.isolation.admitted)
    this.#loads += 1 // what a pass in progress found out is about another model
    this.#reloader.want(new Set(), 'structure') // the next pass says what is left
    this.#context.trigger()
    return true
  }

  async #start(signal: AbortSignal): Promise<void> {
    if (this.#started) return
    await prepareDirectory(this.#options)
    await this.#memory?.load()
    const found = await this.#file?.read()
    const foundFile = found === undefined ? undefined : readFoundFile(found, this.#model.backends)
    try {
      await this.#process.start(signal)
    } catch (error) {
      signal.throwIfAborted()
      if (foundFile === undefined || this.#reloader.fileText?.equals(foundFile.text)) throw error
      await this.#reloader.fallBack(foundFile, error)
      await this.#process.start(signal)
    }
    if (!this.#ownStart && foundFile !== undefined) this.#reloader.found(foundFile)
    this.#loadedText = this.#ownStart ? this.#reloader.fileText : undefined
    this.#started = true
    this.#failedStarts = 0
  }

  /** HAProxy is about to be started: the file shall say what is wanted, or at least what was good the last time. */
  async #beforeStart(signal: AbortSignal): Promise<void> {
    this.#ownStart = true
    const found = this.#started ? undefined : await this.#file?.read()
    try {
      if (this.#failedStarts > 0) this.#reloader.distrust()
      const unproven = this.#failedStarts++ > 0 && (await this.#avoidTakenPorts(signal))
      await this.#reloader.flush(signal, unproven)
    } catch (error) {
      signal.throwIfAborted()
      if (this.#reloader.fileText !== undefined) return // it has run before; the reloader reports what is wrong with the new one
      if (found === undefined) throw error
      await this.#reloader.fallBack(readFoundFile(found, this.#model.backends), error)
    }
  }

  /**
   * An address that somebody else has keeps HAProxy from starting: its service has to wait, the others need not. In
   * external mode that may be HAProxy itself, a second process or one that hangs: with these it shares its addresses.
   */
  async #avoidTakenPorts(signal: AbortSignal): Promise<boolean> {
    const taken = this.#process.mode === 'managed' ? await takenPorts(this.#model.structure, undefined) : []
    return taken.length > 0 && this.#isolate(new PortsTaken(taken), undefined, signal)
  }

  #followFile(): void {
    if (this.#fileFollows === this.#model.backends) return
    this.#fileFollows = this.#model.backends
    this.#reloader.serversChanged()
  }

  #onNewWorker(link: WorkerLink, first: boolean): void {
    const { fileState } = this.#reloader
    if (fileState !== undefined) link.ledger.load(fileState.backends)
    link.structure = first && !this.#ownStart ? this.#memory?.structureOf(link) : fileState?.structure
  }

  #onLoaded(reasons: readonly string[]): void {
    this.#loads += 1
    this.#reasons.reloaded(reasons)
    this.#loadedText = this.#reloader.fileText
    for (const link of this.#links) link.close()
    this.#context.trigger()
  }

  #onRestart(): void {
    this.#failedStarts = 0
    this.#metrics.restarts.inc()
    this.#loadedText = this.#reloader.fileText
    this.#context.trigger()
  }

  #onLost(): void {
    this.#process.suspect()
    this.#context.trigger()
  }

  #confirm(results: readonly WorkerResult[]): void {
    if (results.length < this.#workers.length || results.length === 0) return
    this.#propagation.confirmed((service) => {
      const backend = this.#model.backendOf(service)
      return backend !== undefined && results.every(({ isSettled }) => isSettled(backend.name))
    })
  }

  #wantReload(results: readonly WorkerResult[]): void {
    const structure = results.flatMap(({ structureReasons }) => structureReasons)
    const servers = results.flatMap(({ serverReasons }) => serverReasons)
    const text = this.#workers.length === 0 ? this.#textReasons() : []
    const isOutdated = this.#reloader.awaitsReload || (this.#loadedText !== undefined && text.length > 0)
    const { wanted, givenUp } = this.#reasons.sift([...new Set([...structure, ...servers, ...text])], isOutdated)
    for (const reason of givenUp) this.#context.log.error('a reload has not settled this', { reason })
    this.#reloader.want(wanted, structure.length > 0 ? 'structure' : servers.length > 0 ? 'servers' : 'no_socket')
  }

  /** Without a stats socket every change is a reload, and so is the start of synapse, as with Airbnb's. */
  #textReasons(): readonly string[] {
    if (this.#loadedText === undefined) return ['synapse has started and do_socket is off']
    const same = this.#loadedText.equals(this.#source.render())
    return same ? [] : ['the configuration changed and do_socket is off']
  }

  get #links(): readonly WorkerLink[] {
    return this.#workers.map(({ link }) => link)
  }

  #tombstones(): number {
    return this.#workers.reduce((sum, { tombstones }) => sum + tombstones.size, 0)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context
    const links = this.#links
    await watchWorkers(
      {
        links,
        clock,
        log,
        metrics: this.#metrics,
        process: this.#process,
        active: () => this.#started,
        onLost: () => this.#onLost(),
      },
      signal,
    )
    // An open connection would keep HAProxy from ending.
    for (const link of links) link.close()
  }
}
