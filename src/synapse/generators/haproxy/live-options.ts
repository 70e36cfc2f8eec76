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

interface Edit {
  /** What synapse runs by. */
  readonly running: HaproxyOptions
  /** The file before the edit, with what waits since an earlier one. */
  readonly before: HaproxyOptions
  readonly edited: HaproxyOptions
}

/**
 * The options after a live edit, and the keys whose change has to wait for the next start of synapse. A key that waits since
 * an earlier edit is not among them, so that each edit is told once; nor is one that has the value of the start again.
 */
export function editOptions({ running, before, edited }: Edit): {
  readonly options: HaproxyOptions
  readonly waiting: readonly string[]
} {
  const differs = (key: keyof HaproxyOptions, other: HaproxyOptions) => !isDeepStrictEqual(edited[key], other[key])
  const waiting = FIXED_OPTIONS.filter((key) => differs(key, running) && differs(key, before))
  const kept = Object.fromEntries(FIXED_OPTIONS.map((key) => [key, running[key]]))
  return { options: { ...edited, ...kept }, waiting }
}
