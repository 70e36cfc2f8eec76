/** Runs that may start before the answers of those under way are looked at. */
const STARTS_PER_TURN = 4

/**
 * Lets runs of checks start a few at a time. A thousand that are due at once, as after the start of nerve or after it was
 * frozen, would else all open their connections first and miss their deadlines while nobody reads the answers.
 */
export interface StartGate {
  /** undefined: start now. Else resolves when it is this caller's turn, first come, first served. */
  pass(): Promise<void> | undefined
}

/** @param nextTurn calls back once after what has arrived meanwhile was looked at. */
export function createStartGate(nextTurn: (callback: () => void) => void): StartGate {
  const waiting: (() => void)[] = []
  let started = 0
  const onTurn = () => {
    const released = waiting.splice(0, STARTS_PER_TURN)
    started = released.length
    if (started > 0) nextTurn(onTurn)
    for (const start of released) start()
  }
  return {
    pass() {
      if (started === STARTS_PER_TURN) return new Promise((resolve) => waiting.push(resolve))
      if (started === 0) nextTurn(onTurn)
      started += 1
      return undefined
    },
  }
}
