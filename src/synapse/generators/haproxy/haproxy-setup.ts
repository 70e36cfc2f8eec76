import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { GeneratorContext } from '../generator.ts'
import { configPath, type HaproxyOptions, isManaged } from './config.ts'
import { ConfigFile } from './config-file.ts'
import { ExternalHaproxy } from './external.ts'
import { serverStatePath, socketPaths } from './global-lines.ts'
import { ManagedHaproxy } from './managed.ts'
import type { Backend } from './model.ts'
import type { ModelSource } from './model-source.ts'
import type { HaproxyProcess } from './process.ts'
import { Reloader, type ReloaderOptions } from './reloader.ts'
import { ServerMemory } from './server-memory.ts'
import { ServerStateFile, type ServerStateFileOptions } from './server-state-file.ts'
import { WorkerLink, type WorkerLinkOptions } from './worker-link.ts'
import { type WorkerHooks, WorkerReconciler } from './worker-reconciler.ts'

/** Makes the acting parts of the generator from its options. */

export interface ProcessHooks {
  readonly beforeStart: (signal: AbortSignal) => Promise<void>
  readonly onRestart: () => void
}

export function createProcess(
  options: HaproxyOptions,
  { clock, log, random }: GeneratorContext,
  hooks: ProcessHooks,
): HaproxyProcess {
  const statsSockets = options.do_socket ? socketPaths(options) : []
  if (!isManaged(options)) {
    return new ExternalHaproxy({
      reloadCommand: options.do_reloads ? options.reload_command : undefined,
      reloadTimeoutMs: options.reload_timeout,
      statsSockets,
      clock,
      log,
      random,
      ...hooks,
    })
  }
  return new ManagedHaproxy({
    haproxyPath: options.haproxy_path,
    configPath: configPath(options),
    masterSocket: options.master_socket_path ?? `${options.run_directory}/master.sock`,
    statsSocket: statsSockets[0],
    reloadTimeoutMs: options.reload_timeout,
    onStop: options.on_stop,
    stopDeadlineMs: options.stop_timeout,
    clock,
    log,
    random,
    ...hooks,
  })
}

/** undefined: synapse does not write it. */
export function createConfigFile(
  options: HaproxyOptions,
  { clock, onEvent }: Pick<GeneratorContext, 'clock' | 'onEvent'>,
): ConfigFile | undefined {
  if (!options.do_writes) return undefined
  const path = configPath(options)
  const candidatePath = options.candidate_config_file_path ?? `${path}.tmp`
  const wanted = options.do_checks ?? isManaged(options)
  // Our own HAProxy is always checked: nobody else would notice a bad file before it is too late.
  const check =
    wanted || isManaged(options)
      ? (options.check_command ?? [options.haproxy_path, '-c', '-f', candidatePath])
      : undefined
  const onChecked = (ok: boolean) => onEvent?.({ kind: 'config-checked', ok })
  const isHaproxyCheck = options.check_command === undefined
  const checkTimeoutMs = options.check_timeout
  return new ConfigFile({ path, candidatePath, check, isHaproxyCheck, checkTimeoutMs, clock, onChecked })
}

/** undefined: the configuration names no state file. */
export function createServerMemory(
  { state_file_path: path, state_file_ttl: ttlMs }: HaproxyOptions,
  { clock, log }: Pick<GeneratorContext, 'clock' | 'log'>,
  backends: () => ReadonlyMap<string, Backend>,
): ServerMemory | undefined {
  return path === undefined ? undefined : new ServerMemory({ path, ttlMs, backends, clock, log })
}

export interface ReloaderParts
  extends Pick<ReloaderOptions, 'file' | 'metrics' | 'onLoaded' | 'onAccepted' | 'isolate'>,
    Pick<ServerStateFileOptions, 'links'> {
  readonly process: HaproxyProcess
  readonly source: ModelSource
}

export function createReloader(
  options: HaproxyOptions,
  context: GeneratorContext,
  { process, source, links, ...parts }: ReloaderParts,
): Reloader {
  const path = serverStatePath(options)
  const backends = () => source.model.backends
  return new Reloader({
    ...context,
    ...parts,
    process: options.do_reloads && parts.file !== undefined ? process : undefined,
    states: path === undefined ? undefined : new ServerStateFile({ path, links, backends, log: context.log }),
    restartIntervalMs: options.restart_interval,
    restartJitter: options.restart_jitter,
    desired: () => source.model.fileState,
    render: () => source.render(),
    onReloadFailed: () => context.onEvent?.({ kind: 'reload-failed' }),
  })
}

type LinkHooks = WorkerHooks & Pick<WorkerLinkOptions, 'onLost'>

/** @param address of its stats socket. */
export function createWorker(
  address: string,
  { socket_timeout: deadlineMs, tombstone_delete_delay: deleteDelayMs }: HaproxyOptions,
  { clock }: Pick<GeneratorContext, 'clock'>,
  { onLost, ...hooks }: LinkHooks,
): WorkerReconciler {
  const link = new WorkerLink({ address, clock, deadlineMs, onLost })
  return new WorkerReconciler(link, clock, deleteDelayMs, hooks)
}

/** Makes the directory of the HAProxy that synapse runs. @throws SmartStackError HAPROXY_PROCESS. */
export async function prepareDirectory(options: HaproxyOptions): Promise<void> {
  if (!isManaged(options)) return
  for (const directory of [options.run_directory, dirname(configPath(options))]) {
    try {
      await mkdir(directory, { recursive: true })
    } catch (cause) {
      throw new SmartStackError('HAPROXY_PROCESS', `cannot create ${directory}: ${messageOf(cause)}`, { cause })
    }
  }
}
