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
}

export interface SubjectInput {
  /** A new empty directory for all of its files. */
  readonly directory: string
  /** ZooKeeper's connection string. */
  readonly zookeeper: string
  readonly services: readonly BenchService[]
}

/** A SmartStack that can be measured: it watches znodes and keeps a HAProxy. */
export interface Subject {
  readonly name: string
  /** Starts it and returns at once: becoming ready is what is measured. */
  start(input: SubjectInput): Promise<RunningSubject>
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
