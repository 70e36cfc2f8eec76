import { type ChildProcess, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { type Backoff, createBackoff } from '../../../core/backoff.ts'
import { type Clock, pause, sleep } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import { findHung } from './hung-worker.ts'
import { createMaster, type Master } from './master.ts'
import type { MasterInfo } from './observe.ts'
import type { HaproxyProcess } from './process.ts'
import { sendSignal, softStop } from './soft-stop.ts'
import { workerOf } from './takeover.ts'

/** Cold start of 30,000 servers takes 0.9 s. */
const START_DEADLINE_MS = 30_000
/** A master that executes itself anew, as each reload does, is not to be reached for about 0.1 s. */
const REEXEC_MS = 300
/** How often an adopted master, whose end nobody tells us, is looked at. */
const WATCH_MS = 500
/** A HAProxy that lived this long did not fail because of its configuration: it is started again at once. */
const STABLE_MS = 10_000

export interface ManagedOptions {
  /** Path or name of the program. */
  readonly haproxyPath: string
  readonly configPath: string
  readonly masterSocket: string
  /** undefined: there is none, the master's word is taken. */
  readonly statsSocket: string | undefined
  /** Longest wait for a reload to be over, ms. */
  readonly reloadTimeoutMs: number
  /** What happens to HAProxy when synapse is stopped in good order. */
  readonly onStop: 'stop' | 'leave'
  /** How long requests in flight may last after a stop, ms. Keep it above HAProxy's own `hard-stop-after`. */
  readonly stopDeadlineMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  /** Before HAProxy is started, not before one is adopted: the file must say what shall run. */
  readonly beforeStart: (signal: AbortSignal) => Promise<void>
  /** HAProxy runs again after it had died. */
  readonly onRestart: () => void
}

interface Alive {
  readonly master: number
  readonly since: number
  /** Aborts when it has ended. */
  readonly death: AbortController
}
type Running =
  | (Alive & { readonly origin: 'started'; readonly child: ChildProcess })
  | (Alive & { readonly origin: 'adopted' })

/**
 * HAProxy in master-worker mode as our child, in a process group of its own: it outlives a synapse that crashes, and the
 * next synapse adopts it through the master socket.
 */
export class ManagedHaproxy implements HaproxyProcess {
  readonly mode = 'managed'
  readonly #options: ManagedOptions
  readonly #master: Master
  readonly #restarts: Backoff
  #running: Running | undefined
  #starting: Promise<void> | undefined
  #supervised = false
  #suspected = false
  #reloading = false
  #wake: () => void = () => {}
  #lastEnd: string | undefined
  #lastFailure: string | undefined
  /** Ends in a row that came soon after the start. The first is taken for an accident. */
  #quickEnds = 0

  constructor(options: ManagedOptions) {
    this.#options = options
    this.#master = createMaster(options.masterSocket, options.clock)
    this.#restarts = createBackoff({ initialMs: 100, maxMs: 10_000, random: options.random })
  }

  start(signal: AbortSignal): Promise<void> {
    if (this.#running !== undefined) return Promise.resolve()
    this.#starting ??= this.#adoptOrSpawn(signal)
      .then(() => {
        this.#supervised = true // until it has run once, the caller tries again
      })
      .finally(() => {
        this.#starting = undefined
        this.#wake()
      })
    return this.#starting
  }

  async reload(signal: AbortSignal): Promise<void> {
    const alive = this.#running
    if (alive === undefined) throw processError('HAProxy is not running')
    const either = AbortSignal.any([signal, alive.death.signal])
    this.#reloading = true
    try {
      const info = await this.#master.reload(this.#options.reloadTimeoutMs, either)
      await this.#worker(info, either)
    } finally {
      this.#reloading = false
    }
  }

  suspect(): void {
    this.#suspected = true
    this.#wake()
  }

  async oldWorkers(signal: AbortSignal): Promise<readonly number[]> {
    if (this.#running === undefined) return []
    return (await this.#master.info(signal)).oldWorkers
  }

  state() {
    const running = this.#running
    return {
      master_pid: running?.master ?? null,
      origin: running?.origin ?? null,
      last_end: this.#lastEnd ?? null,
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#nextLook(signal)
      if (signal.aborted) break
      if (!this.#supervised || this.#starting !== undefined) continue
      await this.#endHungWorker(signal)
      if (!(await this.#alive(signal))) await this.#restart(signal)
    }
    await this.#end()
  }

  /** Waits until there is cause to look: the child ended, a connection was lost, or time passed. */
  async #nextLook(signal: AbortSignal): Promise<void> {
    if (this.#supervised && this.#running === undefined && this.#starting === undefined) return
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#wake = wake
    signal.addEventListener('abort', wake, { once: true })
    await pause(this.#options.clock, WATCH_MS, woken.signal)
    signal.removeEventListener('abort', wake)
    this.#wake = () => {}
  }

  /** Kills a suspected worker that hangs; its master ends with it, and HAProxy is started again as after any other death. */
  async #endHungWorker(signal: AbortSignal): Promise<void> {
    const { statsSocket, clock, log } = this.#options
    const running = this.#running
    const suspected = this.#suspected
    this.#suspected = false
    if (!suspected || this.#reloading || running === undefined || statsSocket === undefined) return
    const search = { statsSocket, master: this.#master, masterPid: running.master, clock }
    const hung = await findHung(search, signal)
    if (hung === undefined || this.#reloading || running !== this.#running) return
    log.error('haproxy hangs and is killed', { pid: Math.abs(hung) })
    sendSignal(hung, 'SIGKILL')
  }

  /** A child's end is known by its exit event; an adopted master is asked. */
  async #alive(signal: AbortSignal): Promise<boolean> {
    const running = this.#running
    if (running === undefined) return false
    if (running.origin === 'started' || (await this.#listens(signal))) return true
    await pause(this.#options.clock, REEXEC_MS, signal)
    if (signal.aborted || (await this.#listens(signal))) return true
    this.#ended(running, 'the adopted HAProxy is gone')
    return false
  }

  /** Whether a master listens. One that does not answer in time may be busy with a reload. */
  #listens(signal: AbortSignal): Promise<boolean> {
    return this.#askMaster(signal).then(
      (info) => info !== undefined,
      () => true,
    )
  }

  async #restart(signal: AbortSignal): Promise<void> {
    const { clock, log, onRestart } = this.#options
    if (this.#quickEnds > 1) await pause(clock, this.#restarts.next(), signal)
    try {
      await this.start(signal)
      this.#lastFailure = undefined
      onRestart()
    } catch (error) {
      if (signal.aborted) return
      const reason = messageOf(error)
      const retryMs = this.#restarts.next()
      const fields = { reason, retry_in_ms: Math.round(retryMs) }
      if (reason === this.#lastFailure) log.debug('haproxy does not start', fields)
      else log.error('haproxy does not start', fields)
      this.#lastFailure = reason
      await pause(clock, retryMs, signal)
    }
  }

  async #adoptOrSpawn(signal: AbortSignal): Promise<void> {
    const { clock, log, masterSocket, beforeStart } = this.#options
    const found = await this.#findMaster(signal)
    if (found === undefined) {
      await beforeStart(signal)
      return this.#spawn(signal)
    }
    await this.#worker(found, signal)
    this.#running = { origin: 'adopted', master: found.pid, since: clock.now(), death: new AbortController() }
    log.info('adopted the running haproxy', { pid: found.pid, socket: masterSocket })
  }

  /**
   * A master that answers on our socket; undefined when nobody listens there. While a master executes itself anew nobody
   * does either, so the first start looks twice.
   * @throws SmartStackError DEADLINE when one listens and hangs: a second HAProxy beside it would only do harm.
   */
  async #findMaster(signal: AbortSignal): Promise<MasterInfo | undefined> {
    const found = await this.#askMaster(signal)
    if (found !== undefined || this.#lastEnd !== undefined || !(await exists(this.#options.masterSocket))) return found
    await sleep(this.#options.clock, REEXEC_MS, signal)
    return this.#askMaster(signal)
  }

  #askMaster(signal: AbortSignal): Promise<MasterInfo | undefined> {
    return this.#master.info(signal).catch((error: unknown) => {
      if (error instanceof SmartStackError && error.code === 'HAPROXY_SOCKET') return undefined
      throw error
    })
  }

  #worker(known: MasterInfo | undefined, signal: AbortSignal): Promise<number> {
    const { clock, statsSocket } = this.#options
    return workerOf({ master: this.#master, statsSocket, clock, deadlineMs: START_DEADLINE_MS }, known, signal)
  }

  async #spawn(signal: AbortSignal): Promise<void> {
    const { haproxyPath, configPath, masterSocket, clock, log } = this.#options
    const child = spawn(haproxyPath, ['-W', '-S', `${masterSocket},mode,600`, '-f', configPath], {
      detached: true,
      // Its own messages go to our stderr itself, not through us: it must be able to write when we are gone.
      stdio: ['ignore', 2, 2],
    })
    const failed = new AbortController()
    child.once('error', (cause) => failed.abort(processError(`cannot start ${haproxyPath}: ${cause.message}`, cause)))
    child.once('exit', (code, by) => {
      const end = `HAProxy ended with ${by ?? `status ${code}`}`
      failed.abort(processError(`${end} while starting; its own message is on stderr`))
      if (this.#running?.origin === 'started' && this.#running.child === child) this.#ended(this.#running, end)
    })
    const pid = await this.#worker(undefined, AbortSignal.any([signal, failed.signal])).catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })
    if (failed.signal.aborted) throw failed.signal.reason
    this.#running = {
      origin: 'started',
      master: child.pid ?? 0,
      since: clock.now(),
      death: new AbortController(),
      child,
    }
    log.info('haproxy started', { pid: child.pid, worker: pid })
  }

  #ended(running: Running, end: string): void {
    const { clock, log } = this.#options
    const livedMs = clock.now() - running.since
    this.#running = undefined
    this.#lastEnd = end
    running.death.abort(processError(end))
    this.#quickEnds = livedMs >= STABLE_MS ? 0 : this.#quickEnds + 1
    if (this.#quickEnds === 0) this.#restarts.reset()
    log.error('haproxy ended', { pid: running.master, reason: end, lived_ms: Math.round(livedMs) })
    this.#wake()
  }

  async #end(): Promise<void> {
    const running = this.#running
    const { onStop, log } = this.#options
    if (running === undefined) return
    this.#supervised = false
    this.#running = undefined // its end is no accident from here on
    if (onStop === 'leave') {
      if (running.origin === 'started') running.child.unref()
      log.info('haproxy is left running', { pid: running.master })
      return
    }
    await this.#stop(running)
  }

  /** Its own end is the one thing that no signal may cut short: synapse waits for it, within the deadlines. */
  async #stop(running: Running): Promise<void> {
    const { clock, log, stopDeadlineMs: deadlineMs } = this.#options
    const never = new AbortController().signal
    const started = clock.now()
    const gone = async () => (running.origin === 'started' ? hasExited(running.child) : !(await this.#listens(never)))
    const by = await softStop({ pid: running.master, deadlineMs, clock, gone })
    if (by === undefined) log.error('haproxy does not stop', { pid: running.master })
    else log.info('haproxy stopped', { pid: running.master, by, ms: Math.round(clock.now() - started) })
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function processError(message: string, cause?: unknown): SmartStackError {
  return new SmartStackError('HAPROXY_PROCESS', message, { retryable: true, cause })
}
