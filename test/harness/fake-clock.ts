import type { Clock } from '../../src/core/clock.ts'

interface Timer {
  readonly due: number
  readonly callback: () => void
}

/** Time that moves when told. Timers fire in order of their due time, each followed by the promises it settles. */
export class FakeClock implements Clock {
  #now: number
  #timers = new Set<Timer>()

  constructor(start = 0) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, ms), callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many timers wait; 0 means that nothing leaked. */
  get pending(): number {
    return this.#timers.size
  }

  /** Moves time on by `ms`, firing what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const next = [...this.#timers].filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.due)
      next.callback()
      await settle()
    }
    this.#now = end
  }
}

/** Lets every promise chain that can go on do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
