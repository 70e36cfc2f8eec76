import { type ChildProcess, spawn } from 'node:child_process'
import { kill } from 'node:process'
import { type Backoff, createBackoff } from '../../../core/backoff.ts'
import { type Clock, pause, sleep, withDeadline } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { Logger } from '../../../core/log.ts'
import { createMaster, type Master } from './master.ts'
import type { MasterInfo } from './observe.ts'
import type { HaproxyProcess } from './process.ts'
import { WorkerSession } from './runtime.ts'

/** Cold start of 30,000 servers takes 0.9 s. */
const START_DEADLINE_MS = 30_000
const POLL_MS = 10
/** How often an adopted master, whose end nobody tells us, is looked at. */
const WATCH_MS = 500
/** A HAProxy that lived this long did not fail because of its configuration: it is started again at once. */
const STABLE_MS = 10_000
const TERMINATE_MS = 2_000

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
  #wake: () => void = () => {}
  #lastEnd: string | undefined

  constructor(options: ManagedOptions) {
    this.#options = options
    this.#master = createMaster(options.masterSocket, options.clock)
    this.#restarts = createBackoff({ initialMs: 100, maxMs: 10_000, random: options.random })
  }

  start(signal: AbortSignal): Promise<void> {
    this.#supervised = true
    if (this.#running !== undefined) return Promise.resolve()
    this.#starting ??= this.#adoptOrSpawn(signal).finally(() => {
      this.#starting = undefined
      this.#wake()
    })
    return this.#starting
  }

  async reload(signal: AbortSignal): Promise<void> {
    const alive = this.#running
    if (alive === undefined) throw processError('HAProxy is not running')
    const either = AbortSignal.any([signal, alive.death.signal])
    const info = await this.#master.reload(this.#options.reloadTimeoutMs, either)
    await this.#workerOf(info, either)
  }

  suspect(): void {
    this.#wake()
  }

  async oldWorkers(signal: AbortSignal): Promise<number | undefined> {
    if (this.#running === undefined) return 0
    return (await this.#master.info(signal)).oldWorkers.length
  }

  state() {
    const running = this.#running
    return {
      master_pid: running?.master ?? null,
      origin: running?.origin ?? null,
      ...(this.#lastEnd === undefined ? {} : { last_end: this.#lastEnd }),
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#nextLook(signal)
      if (signal.aborted) break
      if (this.#supervised && this.#starting === undefined && !(await this.#alive(signal))) await this.#restart(signal)
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

  /** A child's end is known by its exit event; an adopted master is asked. */
  async #alive(signal: AbortSignal): Promise<boolean> {
    const running = this.#running
    if (running === undefined) return false
    if (running.origin === 'started') return true
    if (await this.#masterAnswers(signal)) return true
    // It may be executing itself anew, which takes 0.1 s on a reload by someone else.
    await pause(this.#options.clock, WATCH_MS, signal)
    if (signal.aborted || (await this.#masterAnswers(signal))) return true
    this.#ended(running, 'the adopted HAProxy is gone')
    return false
  }

  async #masterAnswers(signal: AbortSignal): Promise<boolean> {
    return this.#master.info(signal).then(
      () => true,
      () => false,
    )
  }

  async #restart(signal: AbortSignal): Promise<void> {
    const { clock, log, onRestart } = this.#options
    try {
      await this.start(signal)
      onRestart()
    } catch (error) {
      if (signal.aborted) return
      const retryMs = this.#restarts.next()
      log.error('haproxy does not start', { reason: messageOf(error), retry_in_ms: Math.round(retryMs) })
      await pause(clock, retryMs, signal)
    }
  }

  async #adoptOrSpawn(signal: AbortSignal): Promise<void> {
    const { clock, log, masterSocket } = this.#options
    const found = await this.#master.info(signal).catch((error: unknown) => {
      signal.throwIfAborted()
      log.debug('no haproxy to adopt', { reason: messageOf(error) })
      return undefined
    })
    if (found === undefined) {
      await this.#options.beforeStart(signal)
      return this.#spawn(signal)
    }
    await withDeadline(clock, START_DEADLINE_MS, 'finding the worker of the running HAProxy', signal, (limited) =>
      this.#workerOf(found, limited),
    )
    this.#running = { origin: 'adopted', master: found.pid, since: clock.now(), death: new AbortController() }
    log.info('adopted the running haproxy', { pid: found.pid, socket: masterSocket })
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
    const pid = await this.#firstAnswer(AbortSignal.any([signal, failed.signal])).catch((error: unknown) => {
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

  async #firstAnswer(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options
    return withDeadline(clock, START_DEADLINE_MS, 'the start of HAProxy', signal, async (limited) => {
      for (;;) {
        const info = await this.#master.info(limited).catch((error: unknown) => {
          limited.throwIfAborted()
          return error instanceof SmartStackError ? undefined : Promise.reject(error)
        })
        if (info !== undefined && info.workers.length > 0) return this.#workerOf(info, limited)
        await sleep(clock, POLL_MS, limited)
      }
    })
  }

  /** Waits until one of the master's workers answers on the stats socket; an old one may still do so for a moment. */
  async #workerOf(info: MasterInfo, signal: AbortSignal): Promise<number> {
    const { clock, statsSocket } = this.#options
    // After a failed reload HAProxy 3 lists the serving worker among the old ones.
    const workers = info.workers.length > 0 ? info.workers : info.oldWorkers
    if (statsSocket === undefined) return workers[0] ?? 0
    return withDeadline(clock, START_DEADLINE_MS, `HAProxy's worker on ${statsSocket}`, signal, async (limited) => {
      for (;;) {
        const pid = await this.#answeringWorker(statsSocket, limited)
        if (pid !== undefined && workers.includes(pid)) return pid
        await sleep(clock, POLL_MS, limited)
      }
    })
  }

  async #answeringWorker(address: string, signal: AbortSignal): Promise<number | undefined> {
    const { clock } = this.#options
    try {
      const options = { address, clock, deadlineMs: START_DEADLINE_MS, onLost: () => {} }
      const session = await WorkerSession.open(options, signal)
      session.close()
      return session.info.stopping ? undefined : session.info.pid
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof SmartStackError && error.code === 'HAPROXY_SOCKET') return undefined
      throw error
    }
  }

  #ended(running: Running, end: string): void {
    const { clock, log } = this.#options
    const livedMs = clock.now() - running.since
    this.#running = undefined
    this.#lastEnd = end
    running.death.abort(processError(end))
    if (livedMs >= STABLE_MS) this.#restarts.reset()
    log.error('haproxy ended', { pid: running.master, reason: end, lived_ms: Math.round(livedMs) })
    this.#wake()
  }

  async #end(): Promise<void> {
    const running = this.#running
    const { onStop, log } = this.#options
    if (running === undefined) return
    this.#supervised = false
    if (onStop === 'leave') {
      if (running.origin === 'started') running.child.unref()
      log.info('haproxy is left running', { pid: running.master })
      return
    }
    await this.#stop(running)
  }

  /** Lets requests in flight end, for a while; then less and less politely. */
  async #stop(running: Running): Promise<void> {
    const { clock, log, stopDeadlineMs } = this.#options
    const started = clock.now()
    const steps = [
      ['SIGUSR1', stopDeadlineMs],
      ['SIGTERM', TERMINATE_MS],
      ['SIGKILL', TERMINATE_MS],
    ] as const
    for (const [signalName, waitMs] of steps) {
      sendSignal(running.master, signalName)
      if (await this.#gone(running, waitMs)) {
        log.info('haproxy stopped', { pid: running.master, by: signalName, ms: Math.round(clock.now() - started) })
        return
      }
    }
    log.error('haproxy does not stop', { pid: running.master })
  }

  async #gone(running: Running, waitMs: number): Promise<boolean> {
    const { clock } = this.#options
    const never = new AbortController().signal
    const end = clock.now() + waitMs
    do {
      if (running.origin === 'started' ? hasExited(running.child) : !(await this.#masterAnswers(never))) return true
      await sleep(clock, POLL_MS, never)
    } while (clock.now() < end)
    return false
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // ESRCH: it has just ended by itself
  }
}

function processError(message: string, cause?: unknown): SmartStackError {
  return new SmartStackError('HAPROXY_PROCESS', message, { retryable: true, cause })
}
