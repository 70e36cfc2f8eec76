/** How synapse deals with the HAProxy processes: as their parent (managed.ts) or through a command (external.ts). */
export interface HaproxyProcess {
  readonly mode: 'managed' | 'external'
  /**
   * Sees to it that HAProxy runs, with the file that is there now if it has to be started. Resolves when a worker answers.
   * From then on `run` keeps it alive.
   * @throws SmartStackError HAPROXY_PROCESS.
   */
  start(signal: AbortSignal): Promise<void>
  /**
   * Makes HAProxy take the file that is there now. Resolves when the new worker answers.
   * @throws SmartStackError HAPROXY_RELOAD: the old worker serves on as before.
   */
  reload(signal: AbortSignal): Promise<void>
  /** The connection to a worker was lost or it hangs: looks at once whether HAProxy is still there. */
  suspect(): void
  /** Keeps HAProxy alive; after an abort stops or leaves it, as configured. */
  run(signal: AbortSignal): Promise<void>
  /** Pids of workers that a reload has replaced and that still serve what they had; undefined when nobody can tell. */
  oldWorkers(signal: AbortSignal): Promise<readonly number[] | undefined>
  state(): Readonly<Record<string, unknown>>
}
