import * as z from 'zod'
import { durationMs, port, text } from '../../../core/config/schema.ts'

/** The keys of the haproxy generator: Airbnb's, with their meanings and defaults, and those of the HAProxy that synapse runs itself. */

/** The highest server id HAProxy takes up to 3.4. */
export const MAX_SERVER_ID = 2_147_483_647

const CONTROL_CHARACTER = /\p{Cc}/u
const SECTION_NAME = /^[A-Za-z0-9_.:-]+$/

const oneLine = text.refine((value) => !CONTROL_CHARACTER.test(value), 'must be one line without control characters')

const sectionName = text.regex(SECTION_NAME, 'HAProxy takes letters, digits and _ . : - in a section name')

/** Lines of a section. A string is taken for its lines, so that a YAML block works as well as a list. */
const lines = z
  .union([z.string(), z.array(z.string()), z.null()], { error: 'expected a list of lines' })
  .transform((value) => (value === null ? [] : typeof value === 'string' ? [value] : value))
  .transform((values) => values.flatMap((value) => value.split(/\r?\n/)).map((line) => line.trim()))
  .transform((values) => values.filter((line) => line !== ''))
  .refine((values) => !values.some((line) => CONTROL_CHARACTER.test(line.replaceAll('\t', ' '))), {
    error: 'a line must not contain control characters',
  })

const path = oneLine

/** The top-level `haproxy` map. Without `reload_command`, synapse runs HAProxy itself ("managed"). */
export const haproxyOptions = z
  .strictObject({
    global: lines
      .optional()
      .describe(
        'Lines of the section `global`. Default: a connection limit when synapse runs HAProxy itself, else none.',
      ),
    defaults: lines
      .optional()
      .describe(
        'Lines of the section `defaults`. Default: timeouts and retries when synapse runs HAProxy itself, else none.',
      ),
    extra_sections: z
      .record(oneLine, lines)
      .default({})
      .describe('Further sections, copied as they are: section header (`listen stats`) to its lines. Default: none.'),
    shared_frontend: lines
      .optional()
      .describe(
        'Lines of one frontend, `shared-frontend`, that services add their own `shared_frontend` lines to. Default: no such frontend.',
      ),
    bind_address: oneLine
      .default('localhost')
      .describe('The address that frontends listen on, unless a service has its own. Default: localhost.'),
    use_nerve_weights: z
      .boolean()
      .default(false)
      .describe(
        'Use the weight that an instance was registered with instead of one in the server options. Default: false.',
      ),
    server_order_seed: z
      .int()
      .optional()
      .describe(
        'Decides the shuffled order of the server lines. Equal seeds give equal orders. Default: derived from the host name, so that clients differ.',
      ),
    max_server_id: z
      .int()
      .min(1)
      .max(MAX_SERVER_ID)
      .default(MAX_SERVER_ID)
      .describe(`The highest server id to give. Default: ${MAX_SERVER_ID}; Airbnb's synapse uses 65535.`),
    template: path
      .optional()
      .describe('Path of your own Handlebars template for the whole file. Default: the one that comes with synapse.'),

    do_writes: z.boolean().default(true).describe('Write the configuration file. Default: true.'),
    do_reloads: z
      .boolean()
      .default(true)
      .describe('Reload HAProxy when only a reload can apply a change. Default: true.'),
    do_socket: z
      .boolean()
      .default(true)
      .describe('Change servers through the Runtime API. Without it every change is a reload. Default: true.'),
    do_checks: z
      .boolean()
      .optional()
      .describe(
        'Check a configuration before it replaces the last good one. Default: true when synapse runs HAProxy itself, else false.',
      ),
    config_file_path: path
      .optional()
      .describe(
        'The file that synapse writes. Default: haproxy.cfg in `run_directory` when synapse runs HAProxy itself.',
      ),
    candidate_config_file_path: path
      .optional()
      .describe(
        'The file that is written and checked first and then moved over `config_file_path`; on the same file system. Default: `config_file_path` with `.tmp`.',
      ),
    check_command: oneLine
      .optional()
      .describe(
        'Shell command that checks the candidate; exit status 0 means good. Default: `haproxy -c` when synapse runs HAProxy itself.',
      ),
    reload_command: oneLine
      .optional()
      .describe(
        "Shell command that reloads somebody else's HAProxy. Default: none, then synapse starts, watches and reloads HAProxy itself.",
      ),
    socket_file_path: z
      .union([path, z.array(path).min(1)], { error: 'expected a path or a list of paths' })
      .optional()
      .describe(
        'The stats socket of HAProxy, or a list of them. Default: haproxy.sock in `run_directory` when synapse runs HAProxy itself.',
      ),
    restart_interval: durationMs
      .default(2000)
      .describe('Least time between two reloads: seconds, or a string like 500ms, 2s. Default: 2 seconds.'),
    restart_jitter: z
      .number()
      .nonnegative()
      .default(0)
      .describe('Up to this fraction of `restart_interval` is added to it at random. Default: 0.'),
    state_file_path: path
      .optional()
      .describe('Where the servers known last are kept for the next start. Default: not kept.'),
    state_file_ttl: durationMs
      .default(86_400_000)
      .describe(
        'How long a server that was not seen stays in the state file: seconds, or like 1h, 1d. Default: 1 day.',
      ),

    haproxy_path: path
      .default('haproxy')
      .describe('The HAProxy program that synapse runs, a path or a name to look for in PATH. Default: haproxy.'),
    run_directory: path
      .default('/run/synapse')
      .describe('Where the files and sockets of the HAProxy that synapse runs are. Default: /run/synapse.'),
    master_socket_path: path
      .optional()
      .describe(
        'The socket of the master process of the HAProxy that synapse runs. Default: master.sock in `run_directory`.',
      ),
    hard_stop_after: durationMs
      .nullable()
      .default(3_600_000)
      .describe(
        'Longest life of an old worker after a reload, for the sake of its long connections: seconds, or like 30m. null: no limit. Default: 1 hour.',
      ),
    mworker_max_reloads: z
      .int()
      .min(1)
      .optional()
      .describe("Old workers that saw this many reloads are ended. Default: HAProxy's own, no limit."),
    on_stop: z
      .enum(['stop', 'leave'], { error: 'expected stop or leave' })
      .default('stop')
      .describe(
        'What happens to the HAProxy that synapse runs when synapse is stopped in good order: stop it as well, or leave it for the next synapse. Default: stop.',
      ),
    stop_timeout: durationMs
      .default(25_000)
      .describe(
        'How long requests in flight may last after a stop of the HAProxy that synapse runs: seconds, or like 1m. Default: 25 seconds.',
      ),
    tombstone_delete_delay: durationMs
      .refine((ms) => ms >= 1000, 'must be at least 1 second: HAProxy up to 2.8 can crash on quick deletions')
      .default(10_000)
      .describe(
        'How long a server whose instance is gone stays in maintenance before it is deleted: seconds, or like 30s. At least 1 second. With more than 1000 of them the oldest wait for 10 seconds at the most. Default: 10 seconds.',
      ),
    socket_timeout: durationMs
      .default(5000)
      .describe('Longest wait for an answer on a socket of HAProxy: seconds, or like 500ms. Default: 5 seconds.'),
    check_timeout: durationMs
      .default(30_000)
      .describe('Longest run of the check of a configuration: seconds, or like 1m. Default: 30 seconds.'),
    reload_timeout: durationMs
      .default(60_000)
      .describe('Longest wait for a reload to be over: seconds, or like 2m. Default: 1 minute.'),
  })
  .superRefine((options, context) => {
    for (const { key, because } of missingOptions(options)) {
      // Airbnb's words: their users search for them.
      context.addIssue({
        code: 'custom',
        path: [key],
        message: `the \`${key}\` option is required when \`${because}\` is true`,
      })
    }
  })

/** The `haproxy` map of one service. */
export const haproxyServiceOptions = z.strictObject({
  port: port
    .nullable()
    .optional()
    .describe(
      'The port that clients on this host connect to. Default: the service gets a backend, but no frontend. null: `bind_address` stands alone.',
    ),
  bind_address: oneLine
    .optional()
    .describe('The address that the frontend listens on. Default: the one of the top level.'),
  bind_options: oneLine.optional().describe('Further words of the `bind` line, e.g. `defer-accept`. Default: none.'),
  server_options: z
    .string()
    .default('')
    .describe(
      "Options of every server, e.g. `check inter 2s rise 3 fall 2`. %{name}, %{host} and %{port} stand for the server's own, %% for a percent sign. Default: none.",
    ),
  frontend: lines.default([]).describe('Lines of the frontend. Default: none.'),
  backend: lines.default([]).describe('Lines of the backend. Default: none.'),
  listen: lines
    .default([])
    .describe('Lines that go to the frontend, the backend or both, by what HAProxy allows there. Default: none.'),
  backend_name: sectionName.optional().describe('Name of the backend section. Default: the name of the service.'),
  backend_order: z
    .enum(['asc', 'desc', 'no_shuffle', 'shuffle'], { error: 'expected asc, desc, no_shuffle or shuffle' })
    .default('shuffle')
    .describe(
      'Order of the server lines: by name up or down, as discovered, or shuffled by `server_order_seed`. Default: shuffle.',
    ),
  shared_frontend: lines
    .default([])
    .describe('Lines that this service adds to the `shared_frontend` of the top level. Default: none.'),
  cookie_value_method: z
    .enum(['name', 'hash'], { error: 'expected name or hash' })
    .default('name')
    .describe("A server's value in the persistence cookie: its name, or the SHA-1 of its name in hex. Default: name."),
  use_nerve_weights: z
    .boolean()
    .optional()
    .describe('Use the weight that an instance was registered with. Default: as at the top level.'),
  disabled: z.boolean().default(false).describe('Leave the service out of HAProxy. Default: false.'),
  server_port_override: z
    .union([port, z.null()])
    .optional()
    .describe('Old name of the service key `backend_port_override`: the port of every instance. Default: their own.'),
})

export type HaproxyOptions = z.output<typeof haproxyOptions>
export type HaproxyServiceOptions = z.output<typeof haproxyServiceOptions>

/** Whether synapse runs HAProxy itself. `do_reloads: false` says that somebody else does, and reloads it himself. */
export function isManaged(options: Pick<HaproxyOptions, 'reload_command' | 'do_reloads'>): boolean {
  return options.reload_command === undefined && options.do_reloads
}

/** The file that HAProxy starts from. */
export function configPath(options: Pick<HaproxyOptions, 'config_file_path' | 'run_directory'>): string {
  return options.config_file_path ?? `${options.run_directory}/haproxy.cfg`
}

interface MissingOption {
  readonly key: string
  readonly because: string
}

function missingOptions(options: HaproxyOptions): readonly MissingOption[] {
  if (isManaged(options)) return []
  const missing: MissingOption[] = []
  const need = (key: keyof HaproxyOptions, because: keyof HaproxyOptions) => {
    if (options[because] === true && options[key] === undefined) missing.push({ key, because })
  }
  need('config_file_path', 'do_writes')
  need('socket_file_path', 'do_socket')
  need('check_command', 'do_checks')
  return missing
}
