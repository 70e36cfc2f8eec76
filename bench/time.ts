/** Milliseconds on the machine's monotonic clock, which all processes share: instants of two processes can be compared. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** Calls `action` `count` times, `everyMs` apart by the clock: a slow one does not delay those after it. Waits for all. */
export async function paced(count: number, everyMs: number, action: (index: number) => Promise<void>): Promise<void> {
  const start = now()
  const running: Promise<void>[] = []
  for (let index = 0; index < count; index++) {
    await sleep(start + index * everyMs - now())
    running.push(action(index))
  }
  await Promise.all(running)
}
