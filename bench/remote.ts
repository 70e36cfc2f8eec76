import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a helper process can be asked: names to functions of one argument. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * A helper process, so that what makes load does not disturb what measures. It dies with us, and we fail when it dies.
 * `Own` are its handlers, as `typeof handlers` in its file.
 */
export class Remote<Own extends Handlers> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 0

  /** @param program URL of a TypeScript file that calls `serve`. */
  constructor(program: URL) {
    this.#child = fork(fileURLToPath(program), { execArgv: ['--import', 'tsx'] })
    running.add(this.#child)
    this.#child.on('message', (answer) => this.#settle(answer as Answer))
    this.#child.on('exit', (status, signal) => {
      running.delete(this.#child)
      for (const { reject } of this.#waiting.values()) reject(new Error(`helper process ended: ${signal ?? status}`))
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  call<Name extends string & keyof Own>(
    name: Name,
    ...[argument]: Parameters<Own[Name]>
  ): Promise<Awaited<ReturnType<Own[Name]>>> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, name, argument }, (error) => error !== null && reject(error))
    })
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('error' in answer) waiting?.reject(new Error(answer.error))
    else waiting?.resolve(answer.value as never)
  }
}

/** In a helper process: answers questions until the parent is gone. */
export function serve(handlers: Handlers): void {
  process.on('disconnect', () => process.exit(0))
  process.on('message', async (message) => {
    const { id, name, argument } = message as Question
    const answer = await Promise.resolve()
      .then(() => handlers[name]?.(argument as never))
      .then(
        (value): Answer => ({ id, value }),
        (error: unknown): Answer => ({ id, error: String(error) }),
      )
    process.send?.(answer)
  })
}
