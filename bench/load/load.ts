import { Remote } from '../remote.ts'
import type { LoadHandlers, LoadOptions, LoadReport } from './load-process.ts'

export type { LoadOptions, LoadReport } from './load-process.ts'

/** HTTP load from a process of its own, running since `start`. */
export class Load {
  readonly #remote: Remote<LoadHandlers>

  private constructor(remote: Remote<LoadHandlers>) {
    this.#remote = remote
  }

  static async start(options: LoadOptions): Promise<Load> {
    const remote = new Remote<LoadHandlers>(new URL('load-process.ts', import.meta.url))
    await remote.call('start', options)
    return new Load(remote)
  }

  get pid(): number {
    return this.#remote.pid
  }

  /** What came so far. */
  report(): Promise<LoadReport> {
    return this.#remote.call('report')
  }

  /** Sends no more, waits for the last answers, and ends the process. */
  async stop(): Promise<LoadReport> {
    const report = await this.#remote.call('stop')
    this.#remote.close()
    return report
  }

  /** Ends the process at once. */
  close(): void {
    this.#remote.close()
  }
}

export const failed = ({ failures }: LoadReport): number =>
  Object.values(failures).reduce((sum, count) => sum + count, 0)
