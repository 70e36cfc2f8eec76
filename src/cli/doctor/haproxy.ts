import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import { runCommand } from '../../core/run-command.ts'
import { type Capabilities, capabilitiesOf, parseVersion } from '../../synapse/generators/haproxy/capabilities.ts'
import { configPath, type HaproxyOptions, isManaged } from '../../synapse/generators/haproxy/config.ts'
import { socketPaths } from '../../synapse/generators/haproxy/global-lines.ts'
import { createMaster } from '../../synapse/generators/haproxy/master.ts'
import { WorkerSession } from '../../synapse/generators/haproxy/runtime.ts'
import { readTemplate } from '../../synapse/generators/haproxy/template-file.ts'
import { plural } from '../table.ts'
import { type Finding, ok, problem, warning } from './findings.ts'
import { examineDirectory } from './host.ts'

const VERSION_DEADLINE_MS = 10_000
const OLDEST_HAPROXY = '2.6'

export interface ProgramFindings {
  readonly findings: readonly Finding[]
  /** undefined: there is no HAProxy to tell of. */
  readonly capabilities: Capabilities | undefined
}

/** The HAProxy program. One that somebody else runs may be elsewhere: then its absence is no problem. */
export async function examineProgram(
  program: string,
  isNeeded: boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProgramFindings> {
  const area = 'haproxy'
  const { status, output } = await runCommand([program, '-v'], { clock, deadlineMs: VERSION_DEADLINE_MS }, signal)
  const parsed = status === 0 ? parseVersion(output) : undefined
  if (parsed === undefined) {
    const what = `cannot run ${program}: ${output.trim().split('\n')[0] ?? ''}`
    const remedy = 'install HAProxy, or set haproxy_path'
    return {
      findings: [isNeeded ? problem(area, what, remedy) : warning(area, what, 'needed only where synapse runs it')],
      capabilities: undefined,
    }
  }
  const capabilities = capabilitiesOf(output)
  const what = `${parsed.version} (${program})`
  if (capabilities.runtimeServers) return { findings: [ok(area, what)], capabilities }
  const remedy = `install HAProxy ${OLDEST_HAPROXY} or newer: until then each change of instances is a reload`
  return { findings: [warning(area, `${what} cannot add servers while it runs`, remedy)], capabilities }
}

const CAPABILITY_WORDS = {
  runtimeServers: 'add and delete servers while it runs',
  serverCookie: 'the keyword cookie on added servers',
  dynamicCookie: 'dynamic cookies on added servers',
  hashKey: 'guid and hash-key on servers',
  shard: 'shard on servers',
  initState: 'init-state: start DOWN until the first check',
  idlePing: 'idle-ping, check-reuse-pool, strict-maxconn',
  waitSrvRemovable: 'wait until a server can be deleted',
  delServerClosesIdle: 'deletion closes idle connections',
  syncReload: 'the reload tells how it ended',
  hardReload: 'hard-reload',
  addServerHelp: 'lists the keywords of added servers',
} as const satisfies Partial<Record<keyof Capabilities, string>>

/** The capability table: what, and whether. */
export function capabilityRows(
  capabilities: Capabilities,
): readonly { readonly what: string; readonly has: boolean }[] {
  const keys = Object.keys(CAPABILITY_WORDS) as (keyof typeof CAPABILITY_WORDS)[]
  return keys.map((key) => ({ what: CAPABILITY_WORDS[key], has: capabilities[key] }))
}

/** The HAProxy of a configuration of synapse: its directories, its template, its sockets. */
export async function examineHaproxy(options: HaproxyOptions, clock: Clock, signal: AbortSignal): Promise<Finding[]> {
  const managed = isManaged(options)
  return [
    ...(managed ? [await examineDirectory('run_directory', options.run_directory)] : []),
    ...(options.do_writes ? [await examineDirectory('config_file_path', dirname(configPath(options)))] : []),
    await examineTemplate(options.template, signal),
    ...(await Promise.all(
      (options.do_socket ? socketPaths(options) : []).map((socket) => examineSocket(socket, options, clock, signal)),
    )),
    ...(managed ? [await examineMaster(options, clock, signal)] : []),
  ]
}

async function examineTemplate(path: string | undefined, signal: AbortSignal): Promise<Finding> {
  try {
    await readTemplate(path, signal)
    return ok('template', path ?? 'the one that comes with synapse')
  } catch (error) {
    signal.throwIfAborted()
    return problem('template', messageOf(error), 'mend it, or remove the key template to use the built-in one')
  }
}

async function examineSocket(
  address: string,
  { socket_timeout: deadlineMs, reload_command: reloadCommand }: HaproxyOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Finding> {
  const area = 'stats socket'
  try {
    const session = await WorkerSession.open({ address, clock, deadlineMs, onLost: () => {} }, signal)
    session.close()
    const { pid, version } = session.info
    return ok(area, `${address}: HAProxy ${version}, pid ${pid}`)
  } catch (error) {
    signal.throwIfAborted()
    if (await isMissing(address)) {
      const remedy =
        reloadCommand === undefined
          ? 'start synapse'
          : 'start HAProxy; its global section needs the line `stats socket`'
      return warning(area, `${address} does not exist: no HAProxy runs there`, remedy)
    }
    return problem(
      area,
      messageOf(error),
      'see whether HAProxy hangs or is gone, and whether this user may use the socket',
    )
  }
}

async function examineMaster(options: HaproxyOptions, clock: Clock, signal: AbortSignal): Promise<Finding> {
  const area = 'master socket'
  const address = options.master_socket_path ?? `${options.run_directory}/master.sock`
  if (await isMissing(address))
    return warning(area, `${address} does not exist: no HAProxy runs there`, 'start synapse')
  try {
    const { pid, reloads, failed, oldWorkers } = await createMaster(address, clock).info(signal)
    const what = `${address}: pid ${pid}, ${plural(reloads, 'reload')}, ${plural(oldWorkers.length, 'old worker')}`
    if (failed > 0) return warning(area, `${what}; the last reload failed`, "see HAProxy's log for the reason")
    return ok(area, what)
  } catch (error) {
    signal.throwIfAborted()
    return problem(
      area,
      messageOf(error),
      'see whether HAProxy hangs or is gone, and whether this user may use the socket',
    )
  }
}

function isMissing(path: string): Promise<boolean> {
  if (!path.includes('/')) return Promise.resolve(false)
  return access(path, constants.F_OK).then(
    () => false,
    (error: unknown) =>
      error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'),
  )
}
