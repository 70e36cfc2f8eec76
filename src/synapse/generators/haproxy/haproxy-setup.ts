import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import type { GeneratorContext } from '../generator.ts'
import { type HaproxyOptions, isManaged } from './config.ts'
import { ConfigFile } from './config-file.ts'
import { ExternalHaproxy } from './external.ts'
import { socketPaths } from './global-lines.ts'
import { ManagedHaproxy } from './managed.ts'
import type { Backend } from './model.ts'
import type { HaproxyProcess } from './process.ts'
import { runCommand } from './run-command.ts'
import { ServerMemory } from './server-memory.ts'

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

/** The file that HAProxy starts from. */
export function configPath(options: HaproxyOptions): string {
  return options.config_file_path ?? `${options.run_directory}/haproxy.cfg`
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

/** What the program says of its version; '' for somebody else's HAProxy, which only its socket can ask. */
export async function haproxyVersion(
  options: HaproxyOptions,
  { clock }: Pick<GeneratorContext, 'clock'>,
  signal: AbortSignal,
): Promise<string> {
  if (!isManaged(options)) return ''
  const result = await runCommand([options.haproxy_path, '-v'], { clock, deadlineMs: options.check_timeout }, signal)
  if (result.status === 0) return result.output
  throw new SmartStackError('HAPROXY_PROCESS', `cannot run ${options.haproxy_path}: ${result.output.trim()}`, {
    retryable: true,
  })
}
