import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Child } from './child.ts'

/** A run that has not ended by itself until then is killed, and its status is SIGKILL. */
const DEADLINE_MS = 60_000

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** How a run of bin/nerve ended, and what it wrote. */
export interface CommandResult {
  readonly status: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

export interface CommandSetup {
  /** Name to text, in a directory of their own, which is also the working directory. */
  readonly files?: Readonly<Record<string, string>>
  /** Added to an environment that has nothing of nerve's. `DIR` in a value is the directory. */
  readonly env?: Readonly<Record<string, string>>
}

/** Runs bin/nerve to its end; for runs that end by themselves. Names of files in `args` are in `files`. */
export async function runNerve(
  args: readonly string[],
  { files = {}, env = {} }: CommandSetup,
): Promise<CommandResult> {
  const directory = await mkdtemp(join(tmpdir(), 'airbnb-command-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true })
      await writeFile(join(directory, name), text)
    }
    const added = Object.entries(env).map(([name, value]) => [name, value.replaceAll('DIR', directory)])
    return await run(args, directory, { ...cleanEnvironment(), ...Object.fromEntries(added) })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function run(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<CommandResult> {
  const child = new Child('nerve', process.execPath, [...program(), ...args], { cwd, env })
  let stdout = ''
  child.process.stdout?.on('data', (chunk: string) => {
    stdout += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS)
  const closed = new Promise((resolve) => child.process.once('close', resolve))
  const status = await child.exit()
  clearTimeout(timer)
  await closed
  return { status, stdout, stderr: child.stderr }
}

/** This process' environment without what nerve reads of it. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(?:NERVE_.*|DEBUG)$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

function program(): readonly string[] {
  if (process.env['SMARTSTACK_TSX'] !== '1') return [join(checkout, 'bin/nerve')]
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  return ['--import', tsx, join(checkout, 'test/harness/run-source.ts'), 'nerve']
}
