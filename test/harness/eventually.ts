/** Repeats an assertion until it holds; after `deadlineMs` its last failure is thrown. No test sleeps for a fixed time. */
export async function eventually<T>(assertion: () => T | Promise<T>, deadlineMs = 5000, everyMs = 10): Promise<T> {
  const end = performance.now() + deadlineMs
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (performance.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }
}

/** Asserts that something stays true for `ms`, looking again and again. */
export async function consistently(assertion: () => void | Promise<void>, ms: number, everyMs = 10): Promise<void> {
  const end = performance.now() + ms
  while (performance.now() < end) {
    await assertion()
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
