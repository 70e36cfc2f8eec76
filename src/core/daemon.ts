import { once } from 'node:events'
import { createAdminTask, type Readiness } from './admin.ts'
import type { AdminRoute } from './admin-routes.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Program, parseCommandLine, type RunOptions } from './command-line.ts'
import { ConfigError } from './config/config-error.ts'
import { type ConfigSource, createConfigSource, type RejectedEdit } from './config/live.ts'
import type { Loaded } from './config/load.ts'
import { formatProblem } from './config/problems.ts'
import { type ReadAtStart, waitingKeys } from './config/read-at-start.ts'
import { messageOf, SmartStackError } from './errors.ts'
import type { Logger } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createLogger, type LevelledLogger } from './pino-log.ts'
import type { StatusPage } from './status-page.ts'
import { runAll, type Task } from './tasks.ts'

/** sysexits.h: the configuration cannot be used. */
const EX_CONFIG = 78

/** The process around a daemon, so that only main.ts knows it. */
export interface Host {
  /** Without the interpreter and the script. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether stderr is a terminal: logs are then written for people. */
  readonly isTerminal: boolean
  /** A number in [0, 1). */
  readonly random: () => number
  print(text: string): void
  complain(text: string): void
  /** Calls back each time the signal arrives. */
  onSignal(name: 'SIGHUP' | 'SIGINT' | 'SIGQUIT' | 'SIGTERM', callback: () => void): void
  /** Ends the process at once. */
  exit(status: number): void
}

/** The keys of a configuration that both daemons have. */
export interface CommonConfig {
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** undefined: no admin server. */
  readonly admin: { readonly host: string; readonly port: number; readonly token?: string | undefined } | undefined
  /** What the file calls keys of ours, where it is in another dialect. Default: as we do. */
  readonly keyNames?: Readonly<Record<string, string>>
}

export interface DaemonContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly random: () => number
  /** Path of the main configuration file, for the status page. */
  readonly configFile: string
  /** The newest edit that was refused and is not mended yet. */
  readonly rejectedEdit: () => RejectedEdit | undefined
  /** Something failed that never should: the daemon stops in order and exits with 1. */
  readonly onBroken: (error: unknown) => void
}

/** A daemon at work. */
export interface Daemon<Config> {
  readonly tasks: readonly Task[]
  /** Makes an edited configuration the truth, or rejects and changes nothing. */
  apply(config: Config): Promise<void>
  /** The orderly part of a stop, while the admin server still answers. `failure`: why, when nobody asked for it. */
  stop(failure?: { readonly error: unknown }): Promise<void>
  /** Lets go of sessions and the like, when all tasks have ended. */
  close(): Promise<void>
  readiness(): Readiness
  state(): unknown
  page(): StatusPage
  /** What the admin server answers beside. Default: nothing. */
  routes?(): readonly AdminRoute[]
}

export interface DaemonType<Config extends CommonConfig> {
  readonly program: Program
  load(options: RunOptions, environment: Host['environment']): Promise<Loaded<Config>>
  /** What only a start reads. Whoever edits it is told that it waits for the next one. */
  readAtStart(config: Config): ReadAtStart
  /** Builds everything that a configuration asks for, without connecting anywhere. Rejects when that is not possible. */
  check(config: Config, log: Logger): Promise<void>
  start(config: Config, context: DaemonContext): Promise<Daemon<Config>>
}

/** The whole life of a daemon, from its arguments to its exit status. */
export async function runDaemon<Config extends CommonConfig>(type: DaemonType<Config>, host: Host): Promise<number> {
  const command = parseCommandLine(type.program, host.args, host.environment)
  if (command.kind === 'print') host.print(command.text)
  if (command.kind === 'misuse') host.complain(command.text)
  if (command.kind !== 'run') return command.kind === 'print' ? 0 : 1
  const { options } = command
  try {
    const loaded = await type.load(options, host.environment)
    const level = levelOf(options, loaded.config)
    const log = await createLogger({ name: type.program.name, level, pretty: host.isTerminal })
    if (options.checkConfig) return await checkOnly(type, loaded, options.configFile, log, host)
    return await live(type, options, loaded, log, host)
  } catch (error) {
    if (!isConfigError(error)) throw error
    host.complain(`${messageOf(error)}\n`)
    return EX_CONFIG
  }
}

/** The environment and the command line win over the file. */
const levelOf = ({ debug, logLevel }: RunOptions, config: CommonConfig) =>
  debug ? 'debug' : (logLevel ?? config.logLevel)

async function checkOnly<Config extends CommonConfig>(
  type: DaemonType<Config>,
  { config, warnings }: Loaded<Config>,
  file: string,
  log: Logger,
  host: Host,
): Promise<number> {
  for (const warning of warnings) host.complain(`warning: ${formatProblem(warning)}\n`)
  await type.check(config, log)
  host.print(`${file}: the configuration is good\n`)
  return 0
}

async function live<Config extends CommonConfig>(
  type: DaemonType<Config>,
  options: RunOptions,
  initial: Loaded<Config>,
  log: LevelledLogger,
  host: Host,
): Promise<number> {
  const stop = new AbortController()
  const metrics = createMetrics()
  const clock = systemClock
  let failure: { readonly error: unknown } | undefined
  const onBroken = (error: unknown) => {
    failure ??= { error }
    stop.abort()
  }
  const load = () => type.load(options, host.environment)
  // The daemon is built after the source that it may ask for a refused edit; an edit can only come once both run.
  const source = createConfigSource<Config>({
    initial,
    load,
    clock,
    log,
    metrics,
    async onChange(edited) {
      await daemon.apply(edited)
      log.setLevel(levelOf(options, edited))
      const waiting = waitingKeys(type.readAtStart, { started: initial.config, before: source.current, edited })
      if (waiting.length > 0) log.warn(`takes effect when ${type.program.name} is started again: ${waiting.join(', ')}`)
    },
  })
  const context = {
    clock,
    log,
    metrics,
    random: host.random,
    configFile: options.configFile,
    rejectedEdit: () => source.lastError,
    onBroken,
  }
  for (const warning of initial.warnings) log.warn(formatProblem(warning))
  const daemon = await type.start(initial.config, context)
  listen(host, log, stop, {
    reload: () => source.trigger(),
    tell: () => log.info('state, as SIGQUIT asks', { state: daemon.state() }),
  })
  log.info('started', { version: type.program.version, config: options.configFile })

  const tasks = [source.task, ...adminTasks(source, daemon, log, metrics), ...daemon.tasks]
  const group = new AbortController()
  const running = runAll(tasks, group.signal, (task, error) =>
    log.error('task failed while stopping', { task, reason: messageOf(error) }),
  ).catch(onBroken)
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
  if (failure !== undefined)
    log.error('stopping after a failure', { reason: messageOf(failure.error), error: failure.error })
  await daemon.stop(failure)
  group.abort()
  await running
  await daemon.close()
  log.info('stopped')
  return failure === undefined ? 0 : 1
}

/** It listens where the configuration of the start says; the token is that of the newest edit. */
function adminTasks<Config extends CommonConfig>(
  source: ConfigSource<Config>,
  daemon: Daemon<Config>,
  log: Logger,
  metrics: Metrics,
): Task[] {
  const { admin, keyNames } = source.current
  if (admin === undefined) return []
  const { readiness, state, page, routes } = daemon
  const token = () => source.current.admin?.token
  return [createAdminTask({ ...admin, token, keyNames, log, metrics, readiness, state, page, routes })]
}

interface SignalActions {
  readonly reload: () => void
  /** Where BlaBlaCar's daemons write their stacks and go on (reference blablacar-yelp.md 1.1): unheard, SIGQUIT is the end. */
  readonly tell: () => void
}

function listen(host: Host, log: Logger, stop: AbortController, { reload, tell }: SignalActions): void {
  host.onSignal('SIGHUP', reload)
  host.onSignal('SIGQUIT', tell)
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    host.onSignal(name, () => {
      if (stop.signal.aborted) {
        log.warn('second signal, leaving at once', { signal: name })
        host.exit(1)
      }
      log.info('stopping', { signal: name })
      stop.abort()
    })
  }
}

function isConfigError(error: unknown): error is Error {
  return error instanceof ConfigError || (error instanceof SmartStackError && error.code === 'CONFIG_INVALID')
}
