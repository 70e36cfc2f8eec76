import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import Handlebars from 'handlebars'
import { parse } from 'yaml'
import * as z from 'zod'
import { Child } from '../../test/harness/child.ts'
import { DEFAULTS } from './own.ts'
import type { NerveInput, RunningNerve, RunningSubject, Subject, SubjectInput } from './subject.ts'

const text = z.string().min(1)

const files = z.record(text, z.string())
const program = z.strictObject({
  name: text,
  command: z.array(text).min(1),
  env: z.record(text, z.string()).default({}),
})

/** What a file says of a SmartStack. Every text is a Handlebars template; bench/README.md names what it may use. */
const description = z.strictObject({
  name: text.optional(),
  files,
  start: z.array(program).min(1),
  /** Its nerve, for the scenario of that name: it is started alone, with these files. */
  nerve: program.omit({ name: true }).extend({ files }).optional(),
  measured: text,
  stats_socket: text,
  config_file: text,
  reconfigure: z.union([
    z.strictObject({ signal: z.enum(['SIGHUP', 'SIGUSR1', 'SIGUSR2']), to: text }),
    z.strictObject({ restart: text }),
  ]),
})

type Description = z.output<typeof description>

/** Reads the description of a SmartStack that is not ours. @throws when it says something else than such a file can. */
export function readExternalSubject(file: string): Subject {
  const parsed = description.safeParse(parse(readFileSync(file, 'utf8')))
  if (!parsed.success) throw new Error(`${file}:\n${z.prettifyError(parsed.error)}`)
  const name = parsed.data.name ?? basename(file, extname(file))
  const { nerve } = parsed.data
  return {
    name,
    start: (input) => start(parsed.data, input),
    ...(nerve && { startNerve: (input: NerveInput) => startNerve(nerve, input) }),
  }
}

async function startNerve(
  { files, command, env }: NonNullable<Description['nerve']>,
  input: NerveInput,
): Promise<RunningNerve> {
  const fill = templateFiller(() => input)
  await writeFiles(files, input.directory, fill)
  const nerve = spawnFilled({ name: 'nerve', command, env }, fill)
  return {
    pid: nerve.pid,
    output: () => nerve.output,
    stop: async () => {
      await nerve.stop()
    },
  }
}

type Fill = (template: string) => string

/** Fills templates with what `view` returns at the time. */
const templateFiller =
  (view: () => object): Fill =>
  (template) =>
    Handlebars.compile(template, { noEscape: true, strict: true })(view())

async function writeFiles(files: Description['files'], directory: string, fill: Fill): Promise<void> {
  for (const [name, template] of Object.entries(files)) {
    const path = join(directory, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, fill(template))
  }
}

function spawnFilled({ name, command, env }: Description['start'][number], fill: Fill): Child {
  const [program = '', ...args] = command.map(fill)
  const filled = Object.fromEntries(Object.entries(env).map(([key, template]) => [key, fill(template)]))
  return new Child(name, program, args, { env: { ...process.env, ...filled } })
}

async function start(subject: Description, input: SubjectInput): Promise<RunningSubject> {
  let view = { ...input, defaults: DEFAULTS }
  const fill = templateFiller(() => view)
  const children = new Map<string, Child>()
  const spawn = (one: Description['start'][number]) => children.set(one.name, spawnFilled(one, fill))
  const childOf = (name: string): Child => {
    const child = children.get(name)
    if (child === undefined) throw new Error(`nothing under "start" is called ${name}`)
    return child
  }
  await writeFiles(subject.files, input.directory, fill)
  for (const one of subject.start) spawn(one)
  const { reconfigure } = subject
  return {
    statsSocket: fill(subject.stats_socket),
    configFile: fill(subject.config_file),
    get pid() {
      return childOf(subject.measured).pid
    },
    async reconfigure(services) {
      view = { ...view, services }
      await writeFiles(subject.files, input.directory, fill)
      if ('signal' in reconfigure) return childOf(reconfigure.to).kill(reconfigure.signal)
      await childOf(reconfigure.restart).stop()
      for (const one of subject.start) if (one.name === reconfigure.restart) spawn(one)
    },
    output: () => [...children.values()].map(({ name, output }) => `--- ${name}\n${output}`).join('\n'),
    async stop() {
      for (const child of [...children.values()].reverse()) await child.stop()
    },
  }
}
