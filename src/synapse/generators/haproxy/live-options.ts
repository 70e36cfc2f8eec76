import { isDeepStrictEqual } from 'node:util'
import type { HaproxyOptions } from './config.ts'

/** What the parts that act were made from. Everything else can be changed while synapse runs. */
const FIXED_OPTIONS = [
  'do_writes',
  'do_reloads',
  'do_socket',
  'do_checks',
  'config_file_path',
  'candidate_config_file_path',
  'check_command',
  'reload_command',
  'socket_file_path',
  'restart_interval',
  'restart_jitter',
  'state_file_path',
  'state_file_ttl',
  'haproxy_path',
  'run_directory',
  'master_socket_path',
  'on_stop',
  'stop_timeout',
  'tombstone_delete_delay',
  'socket_timeout',
  'check_timeout',
  'reload_timeout',
] as const satisfies readonly (keyof HaproxyOptions)[]

/** The options after a live edit, and the keys whose change has to wait for the next start of synapse. */
export function editOptions(
  current: HaproxyOptions,
  edited: HaproxyOptions,
): { readonly options: HaproxyOptions; readonly waiting: readonly string[] } {
  const waiting = FIXED_OPTIONS.filter((key) => !isDeepStrictEqual(edited[key], current[key]))
  const kept = Object.fromEntries(FIXED_OPTIONS.map((key) => [key, current[key]]))
  return { options: { ...edited, ...kept }, waiting }
}
