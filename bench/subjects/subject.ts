/** A service of a measured SmartStack. */
export interface BenchService {
  readonly name: string
  /** Parent znode of its registrations. */
  readonly path: string
  /** What clients connect to. */
  readonly port: number
  /** Lines of the backend. */
  readonly backend: readonly string[]
  /** Options of every server line. Empty: no health check. */
  readonly serverOptions: string
  /** `panic_threshold` of synapse. Default: its own. */
  readonly panicThreshold?: number
}

export interface SubjectInput {
  /** A new empty directory for all of its files. */
  readonly directory: string
  /** ZooKeeper's connection string. */
  readonly zookeeper: string
  readonly services: readonly BenchService[]
  /** Where HAProxy shall send a line for each request that was not normal, by syslog. Default: nowhere. */
  readonly logTo?: string
}

export type CheckKind = 'http' | 'http-keep-alive' | 'tcp'

/** A service that a measured nerve checks and registers. */
export interface CheckedService {
  readonly name: string
  /** Parent znode of its registrations. */
  readonly path: string
  readonly host: string
  readonly port: number
  /** How it is checked. http: `GET /health`. */
  readonly kind: CheckKind
  /** Whether `kind` is tcp, for templates, which cannot compare. */
  readonly isTcp: boolean
  readonly keepAlive: boolean
  /** From one check to the next. */
  readonly seconds: number
}

export interface NerveInput {
  /** A new empty directory for all of its files. */
  readonly directory: string
  /** ZooKeeper's connection string. */
  readonly zookeeper: string
  readonly services: readonly CheckedService[]
}

export interface RunningNerve {
  /** The process whose CPU and memory are told. */
  readonly pid: number
  /** What it logged, to be shown when something went wrong. */
  output(): string
  stop(): Promise<void>
}

/** A SmartStack that can be measured: it watches znodes and keeps a HAProxy. */
export interface Subject {
  readonly name: string
  /** Starts it and returns at once: becoming ready is what is measured. */
  start(input: SubjectInput): Promise<RunningSubject>
  /** Starts its nerve and returns at once. Not there: it has none to measure. */
  startNerve?(input: NerveInput): Promise<RunningNerve>
}

export interface RunningSubject {
  /** HAProxy's stats socket, level admin; there as soon as HAProxy runs. */
  readonly statsSocket: string
  /** What HAProxy was started from, and would be started from again. */
  readonly configFile: string
  /** The process whose CPU and memory are told. */
  readonly pid: number
  /** The port of /metrics, if it has one. */
  readonly metricsUrl?: string
  /** Takes other services, live. */
  reconfigure(services: readonly BenchService[]): Promise<void>
  /** What it logged, to be shown when something went wrong. */
  output(): string
  /** Stops it and its HAProxy. */
  stop(): Promise<void>
}
