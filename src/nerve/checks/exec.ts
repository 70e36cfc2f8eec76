import { type ChildProcess, spawn } from 'node:child_process'
import { homedir } from 'node:os'
import * as z from 'zod'
import { type Clock, rejectOnAbort, systemClock } from '../../core/clock.ts'
import { text } from '../../core/config/schema.ts'
import { messageOf } from '../../core/errors.ts'
import { withDeadline } from '../../core/time-limit.ts'
import { type CheckContext, defineCheck } from './check.ts'
import { codeOf, oneLine } from './failure.ts'

/** So much of what a command says is kept; the rest is read and thrown away, so that it never waits for us. */
const MAX_OUTPUT_BYTES = 8 * 1024
/** How long the end of the output may take to arrive after the end of the command, ms. */
const OUTPUT_GRACE_MS = 100
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const word = () => z.string().refine((value) => !value.includes('\0'), 'must not contain a zero byte')
const value = () => z.union([word(), z.number(), z.boolean()]).transform(String)

const options = () =>
  z.object({
    command: z
      .union([text.pipe(word()), z.tuple([text.pipe(word())], word())], {
        error: 'expected a command line for sh, or a program and its arguments as a list',
      })
      .describe('A program and its arguments as a list, or a command line for sh'),
    environment: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of a variable'), value())
      .default({})
      .describe('Variables for the command, beside PATH, HOME, NERVE_HOST and NERVE_PORT, which is all that it gets'),
  })

type ExecOptions = z.output<ReturnType<typeof options>>

/**
 * Runs a command, which passes with exit status 0 (reference blablacar-yelp.md 1.5). It gets a plain environment, so
 * that it works the same wherever nerve was started and sees none of nerve's secrets; NERVE_HOST and NERVE_PORT are the
 * check's. At the deadline, and when the command has ended, its whole process group is killed: nothing that it
 * started stays behind.
 */
export const exec = defineCheck({
  type: 'exec',
  description: 'Passes when a command ends with exit status 0.',
  options,
  async prepare(context, settings) {
    const { clock = systemClock } = context
    const start = prepareStart(context, settings)
    const name = typeof settings.command === 'string' ? 'the command' : settings.command[0]
    let waitingFor = ''
    // A command that hangs in the kernel outlives SIGKILL: the next one waits for it, or they would pile up.
    let earlier: Promise<unknown> = Promise.resolve()
    return {
      waitingFor: () => waitingFor,
      async run(signal) {
        waitingFor = `end of ${name} of an earlier run`
        await rejectOnAbort(earlier, signal)
        waitingFor = `end of ${name}`
        const child = start()
        const output = collectOutput(child)
        const ended = endOf(child)
        earlier = ended
        const stop = () => killGroup(child)
        signal.addEventListener('abort', stop, { once: true })
        try {
          const reason = describeEnd(await ended)
          signal.throwIfAborted()
          if (reason !== undefined) throw new Error(`${name} ${reason}${await output.firstLine(clock, signal)}`)
        } finally {
          signal.removeEventListener('abort', stop)
          for (const stream of [child.stdout, child.stderr]) stream?.destroy()
        }
      },
    }
  },
})

function prepareStart({ target }: CheckContext, { command, environment }: ExecOptions): () => ChildProcess {
  const [program, ...args] = typeof command === 'string' ? ['/bin/sh', '-c', command] : command
  const env = { PATH, HOME: homedir(), NERVE_HOST: target.host, NERVE_PORT: `${target.port}`, ...environment }
  // Detached: the leader of a process group of its own.
  return () => spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** How a command ended. */
type End =
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'not started'; readonly error: unknown }

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ kind: 'not started', error }))
    child.once('exit', (status, signal) => {
      // At once, while the number of the group cannot have been given to another one yet.
      killGroup(child)
      resolve(signal === null ? { kind: 'exit', status: status ?? 0 } : { kind: 'signal', signal })
    })
  })
}

/** What is wrong with an end, to follow the command's name; undefined when nothing is. */
function describeEnd(end: End): string | undefined {
  switch (end.kind) {
    case 'exit':
      return end.status === 0 ? undefined : `ended with exit status ${end.status}`
    case 'signal':
      return `was ended by ${end.signal}`
    case 'not started':
      return `cannot be run: ${START_FAILURES.get(codeOf(end.error)) ?? messageOf(end.error)}`
  }
}

const START_FAILURES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such program'],
  ['EACCES', 'it is not an executable file, or nerve may not execute it'],
])

/** Ends a command and what it has started, as far as it stayed in the group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // Nobody is left, or only who has become another user: nothing more can be done.
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error
  }
}

interface Output {
  /** `: ` and the first line of what was said on stdout or stderr, or nothing. */
  firstLine(clock: Clock, signal: AbortSignal): Promise<string>
}

function collectOutput(child: ChildProcess): Output {
  const chunks: Buffer[] = []
  let bytes = 0
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      if (bytes < MAX_OUTPUT_BYTES) chunks.push(chunk)
      bytes += chunk.length
    })
  }
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    async firstLine(clock, signal) {
      // Somebody who left the group may hold the pipes open: what has come by then is enough.
      await withDeadline(clock, OUTPUT_GRACE_MS, 'output', signal, () => closed).catch(() => signal.throwIfAborted())
      const line = Buffer.concat(chunks).subarray(0, MAX_OUTPUT_BYTES).toString().trim().split('\n')[0] ?? ''
      return line === '' ? '' : `: ${oneLine(line, 200)}`
    },
  }
}
