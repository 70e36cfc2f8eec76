import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import Handlebars from 'handlebars'
import { parse } from 'yaml'
import * as z from 'zod'
import { Child } from '../../test/harness/child.ts'
import { DEFAULTS } from './own.ts'
import type { RunningSubject, Subject, SubjectInput } from './subject.ts'

const text = z.string().min(1)

/** What a file says of a SmartStack. Every text is a Handlebars template; bench/README.md names what it may use. */
const description = z.strictObject({
  name: text.optional(),
  files: z.record(text, z.string()),
  start: z
    .array(
      z.strictObject({
        name: text,
        command: z.array(text).min(1),
        env: z.record(text, z.string()).default({}),
      }),
    )
    .min(1),
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
  return { name, start: (input) => start(parsed.data, input) }
}

async function start(subject: Description, input: SubjectInput): Promise<RunningSubject> {
  let view = { ...input, defaults: DEFAULTS }
  const fill = (template: string) => Handlebars.compile(template, { noEscape: true, strict: true })(view)
  const writeFiles = async () => {
    for (const [name, template] of Object.entries(subject.files)) {
      const path = join(input.directory, name)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, fill(template))
    }
  }
  const children = new Map<string, Child>()
  const spawn = ({ name, command, env }: Description['start'][number]) => {
    const [program = '', ...args] = command.map(fill)
    const filled = Object.fromEntries(Object.entries(env).map(([key, template]) => [key, fill(template)]))
    const options = { env: { ...process.env, ...filled } }
    children.set(name, new Child(name, program, args, options))
  }
  const childOf = (name: string): Child => {
    const child = children.get(name)
    if (child === undefined) throw new Error(`nothing under "start" is called ${name}`)
    return child
  }
  await writeFiles()
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
      await writeFiles()
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
