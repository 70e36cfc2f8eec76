/** What the haproxy generator reasons about. All of it is data; nothing here acts. */

export const adminStates = ['ready', 'drain', 'maint'] as const
export type AdminState = (typeof adminStates)[number]

/** One server as it shall be. The file's `server` line and the Runtime API's `add server` are both made from it. */
export interface Server {
  /** `<name>_<host>:<port>`, or `<host>:<port>` when the instance has no name (Airbnb's naming). */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Explicit always: without it `balance random` and consistent hashing ignore dynamic servers (haproxy#3413). 1 to 2^31-1. */
  readonly id: number
  /** 0 to 256. */
  readonly weight: number
  /** Every other keyword, in the order in which both the file and `add server` carry them. */
  readonly options: readonly string[]
  readonly adminState: AdminState
  /** Why HAProxy cannot be given this server at run time, e.g. a host name, which only a reload resolves. */
  readonly reloadOnly?: string
}

/** One `backend` section that is ours. */
export interface Backend {
  /** Name of the section. */
  readonly name: string
  readonly service: string
  readonly servers: readonly Server[]
  /** Why HAProxy cannot add servers to this backend at run time; undefined when it can. Taking servers out always can. */
  readonly reloadOnly: string | undefined
  /** The load-balancing algorithm is a static one: weights cannot be changed at run time either. Default false. */
  readonly staticBalance?: boolean
  /** Servers that stand in the user's own lines of this section. They are never touched. */
  readonly fixedServers?: ReadonlySet<string>
}

/** What HAProxy shall be. */
export interface DesiredState {
  /** The whole file. Equal state is equal bytes. */
  readonly configText: string
  /** The file without the server lines of our backends: what only a reload can change, by section header. */
  readonly structure: ReadonlyMap<string, string>
  readonly backends: ReadonlyMap<string, Backend>
}

/** One server as HAProxy reports it (`show servers state`). */
export interface ObservedServer {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly id: number
  readonly weight: number
  readonly adminState: AdminState
  /** Whether health checks are configured and enabled. */
  readonly checking: boolean
}

/** What HAProxy is. */
export interface ObservedState {
  /** The worker that answered; undefined when no HAProxy runs. A changed pid makes all older knowledge void. */
  readonly pid: number | undefined
  /** `structure` of the configuration that the worker was started with; undefined when unknown. */
  readonly structure: ReadonlyMap<string, string> | undefined
  /** The file on disk. */
  readonly configText: string | undefined
  readonly backends: ReadonlyMap<string, readonly ObservedServer[]>
}

/** A closed list: what HAProxy can do live. */
export type RuntimeCommand =
  | { readonly kind: 'add-server'; readonly backend: string; readonly server: Server }
  | { readonly kind: 'enable-health'; readonly backend: string; readonly name: string }
  | { readonly kind: 'set-weight'; readonly backend: string; readonly name: string; readonly weight: number }
  | {
      readonly kind: 'set-address'
      readonly backend: string
      readonly name: string
      readonly host: string
      readonly port: number
    }
  | { readonly kind: 'set-state'; readonly backend: string; readonly name: string; readonly state: AdminState }
  | { readonly kind: 'del-server'; readonly backend: string; readonly name: string }

/**
 * What the running worker was told about its servers, which HAProxy does not report: their options. Kept by the side that
 * acts: filled when a worker starts with a file, and with each command that was confirmed (`ServerLedger`).
 */
export interface KnownServers {
  get(backend: string, name: string): Server | undefined
}

/** A server that is in maintenance because its instance is gone. It is deleted late: see `deletions.ts`. */
export interface Tombstone {
  readonly backend: string
  readonly name: string
  /** When it was first seen in maintenance, in ms of the caller's clock. */
  readonly since: number
  /** Not to be tried before, in ms of the caller's clock. */
  readonly nextTryAt: number
  /** Deletions that HAProxy refused. */
  readonly refusals: number
  /** Looks in a row, up to the last, that found connections; 0: the last one found none. Default: nobody has looked. */
  readonly busyLooks?: number
}

/** What has to be done, in the order: commands, file, reload. */
export interface HaproxyPlan {
  readonly commands: readonly RuntimeCommand[]
  /** undefined: the file already says it. */
  readonly writeConfig: string | undefined
  /** Empty: no reload. A reload always says why. */
  readonly reloadReasons: readonly string[]
}
