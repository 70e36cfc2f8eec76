export interface BackoffOptions {
  /** First wait, ms. */
  readonly initialMs: number
  /** Longest wait, ms. */
  readonly maxMs: number
  /** Growth per failure. Default 2. */
  readonly factor?: number
  /** Share of each wait that is random, 0 to 1, so that a fleet does not retry in step. Default 0.5. */
  readonly jitter?: number
  /** A number in [0, 1), as Math.random. */
  readonly random: () => number
}

/** Growing waits between retries. */
export interface Backoff {
  /** The next wait in ms. */
  next(): number
  /** Back to the first wait, after a success. */
  reset(): void
}

export function createBackoff({ initialMs, maxMs, factor = 2, jitter = 0.5, random }: BackoffOptions): Backoff {
  let failures = 0
  return {
    next() {
      const full = Math.min(maxMs, initialMs * factor ** Math.min(failures, 64))
      failures += 1
      return full * (1 - jitter * random())
    },
    reset() {
      failures = 0
    },
  }
}
