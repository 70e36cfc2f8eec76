/**
 * More than a machine needs that is four times as slow and busy with other tests, and less than the half minute after which
 * synapse looks at everything again: what is repaired only then does not pass for noticed. Only a test that fails waits so long.
 */
const DEADLINE_MS = 20_000

/** Repeats an assertion until it holds; after `deadlineMs` its last failure is thrown. No test sleeps for a fixed time. */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
  everyMs = 10,
): Promise<T> {
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
