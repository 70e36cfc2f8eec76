import { SmartStackError } from './errors.ts'

/** Something that runs until its signal aborts. It resolves after an abort; ending by itself is a failure of the daemon. */
export interface Task {
  readonly name: string
  run(signal: AbortSignal): Promise<void>
}

/**
 * Runs tasks that live and die together: when one fails, or ends by itself, the others are aborted and awaited.
 * Resolves when `signal` aborted and every task has ended.
 * @throws the first failure; every later one goes to `onLateFailure`.
 */
export async function runAll(
  tasks: readonly Task[],
  signal: AbortSignal,
  onLateFailure: (task: string, error: unknown) => void,
): Promise<void> {
  const group = new AbortController()
  const stop = () => group.abort(signal.reason)
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  let first: { readonly error: unknown } | undefined
  const fail = (task: string, error: unknown) => {
    if (first === undefined) first = { error }
    else onLateFailure(task, error)
    group.abort(error)
  }
  const supervise = async (task: Task) => {
    try {
      await task.run(group.signal)
      if (!group.signal.aborted) fail(task.name, new SmartStackError('TASK_ENDED', `${task.name} ended by itself`))
    } catch (error) {
      const onlyStopped = group.signal.aborted && error === group.signal.reason
      if (!onlyStopped) fail(task.name, error)
    }
  }
  await Promise.all(tasks.map(supervise))
  signal.removeEventListener('abort', stop)
  if (first !== undefined) throw first.error
}
