import type { AdminConfig, StatsdConfig } from '../core/config/daemon-keys.ts'
import type { Json } from '../core/service-instance.ts'
import type { CheckType } from './checks/check.ts'

/** What nerve runs by, whichever dialect its files are written in. */
export interface NerveConfig {
  readonly instanceId: string
  /** In the order of the files. */
  readonly services: readonly ServiceConfig[]
  readonly admin: AdminConfig
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** How long to wait after de-registering before the sessions are closed. */
  readonly drainMs: number
  readonly stateDirectory?: string | undefined
  /** Directory of hacheck's spool, which takes services down too. */
  readonly hacheckSpool?: string | undefined
  /** File whose modification time says that nerve is alive. */
  readonly heartbeatPath?: string | undefined
  readonly statsd?: StatsdConfig | undefined
  /** What the file calls keys of ours that people are told of, where it is in another dialect. */
  readonly keyNames?: Readonly<Record<string, string>>
}

export interface ServiceConfig {
  readonly name: string
  /** Published, and the default target of checks. */
  readonly host: string
  readonly port: number
  /** The port as the file has it: what is published keeps its type. */
  readonly publishedPort: number | string
  /** Published as `name`. Default: the instance id. */
  readonly publishedName?: string | undefined
  readonly checkIntervalMs: number
  /** Run no checks; always healthy. */
  readonly checkMocked: boolean
  readonly checks: readonly CheckConfig[]
  readonly rateLimiting?: RateLimitingConfig | undefined
  readonly weight?: number | undefined
  readonly haproxyServerOptions?: Json | undefined
  readonly labels?: Readonly<Record<string, Json>> | undefined
  /** At least one; each is kept in agreement with the others. */
  readonly reporters: readonly PluginConfig[]
  /** Publish `available` and `unavailable_reason`, in BlaBlaCar's order of keys. Default: Airbnb's payload. */
  readonly publishAvailability?: boolean | undefined
  /** A weight that grows after each return. Default: the whole weight at once. */
  readonly warmUp?: WarmUpConfig | undefined
  readonly hooks?: HooksConfig | undefined
  /** How long taking the service down waits for its clients. Default: not at all. */
  readonly drain?: DrainConfig | undefined
  /** Whether the end of nerve takes the service down. Default true; false leaves the registration to the session's timeout. */
  readonly downOnShutdown?: boolean | undefined
  /** Only a request that names this service disables it. Default false. */
  readonly excludeFromGlobalDisable?: boolean | undefined
  /** Keep the metrics of go-nerve beside our own. Default false. */
  readonly goNerveMetrics?: boolean | undefined
}

export interface CheckConfig extends PluginConfig {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  readonly intervalMs: number
  readonly rise: number
  readonly fall: number
  /** What the first verdict takes. Default: the first result. */
  readonly firstVerdict?: 'first-result' | 'full-streak'
  /** Limit of a whole run, even where the check's own phases may take longer together. Default: none beside these. */
  readonly deadlineMs?: number
  /** The type as the file calls it, when that is not ours. */
  readonly alias?: string
  /** What the file calls the target of a check that goes elsewhere, e.g. to a proxy. Default: host and port. */
  readonly declaredTarget?: { readonly host: string; readonly port: number }
  /** How a check of a type that is not built in is made: of the user's module, so an edited module is another one. */
  readonly prepare?: CheckType['prepare']
}

/** A plug-in's part: its type, its validated options, and fingerprints of the files these refer to. */
export interface PluginConfig {
  readonly type: string
  readonly options: Readonly<Record<string, unknown>>
  /** File to fingerprint, so that a changed password is a changed configuration. */
  readonly inputs?: Readonly<Record<string, string>>
}

export interface RateLimitingConfig {
  /** Changes per second. */
  readonly averageRate: number
  readonly maxBurst: number
  /** Only count what would have been held back. */
  readonly shadowMode: boolean
}

/** See warm-up.ts. */
export interface WarmUpConfig {
  /** Time on each weight. */
  readonly intervalMs: number
  /** After this time the weight is whole, wherever the steps are. */
  readonly maxDurationMs: number
  /** Run again and again while it lasts; a failure starts it anew. */
  readonly stableCommand?: (CommandConfig & { readonly intervalMs: number }) | undefined
}

/** A program with its arguments, run without a shell and with the environment of nerve. */
export interface CommandConfig {
  readonly command: readonly string[]
  /** After this time its whole process group is killed. */
  readonly timeoutMs: number
}

/** Commands around changes of availability. A failure is told, and holds up nothing. */
export interface HooksConfig {
  /** Before the registration, each time the service becomes available. */
  readonly beforeAvailable?: CommandConfig | undefined
  /** When nerve stops, once the service is taken down. */
  readonly shutdown?: CommandConfig | undefined
  /** Asked again and again whether the last client has gone, after the service is taken down: exit status 0 says so. */
  readonly drained?: (CommandConfig & { readonly intervalMs: number }) | undefined
}

export interface DrainConfig {
  /** Taking a service down lasts at least this long. */
  readonly minMs: number
  /** The longest time to ask `drained`. */
  readonly maxMs: number
}
